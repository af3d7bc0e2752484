//! What holds for any journal and any facts, however little they fit together.

use proptest::prelude::*;

use super::tests::{at, node, release, runs};
use super::*;
use crate::update::facts::{Data, Outcome, Pack, Verdict};
use crate::update::journal::{Back, BackData, BootId, Kept};

fn maybe_installed() -> impl Strategy<Value = Option<Installed>> {
    proptest::option::of((1..5_u8, 1..5_u32).prop_map(|(code, slot)| at(code, slot)))
}

fn phase() -> impl Strategy<Value = Phase> {
    proptest::sample::select(Phase::ALL.to_vec())
}

prop_compose! {
    fn journals()(
        phase in phase(),
        installed in maybe_installed(),
        previous in maybe_installed(),
        target in maybe_installed(),
        back in proptest::option::of((maybe_installed(), 1..5_u8)),
        flags in any::<(bool, bool)>(),
        data in kept(),
        back_data in proptest::option::of(back_data()),
        starts in 0..7_u32,
        order in proptest::option::of(proptest::sample::select(vec![
            Order::Rollback, Order::Activate, Order::Pull, Order::Stage,
        ])),
    ) -> Journal {
        let (mut journal, _) = node();
        (journal.phase, journal.installed, journal.previous) = (phase, installed, previous);
        (journal.target, journal.order) = (target, order);
        journal.back = back.map(|(to, left)| Back {
            to,
            left: at(left, u32::from(left)),
            code: 503,
            detail: String::new(),
            data: back_data,
        });
        journal.data = data;
        (journal.staged, journal.swapped) = flags;
        journal.attempts.start = starts;
        journal.attempts.start_back = starts;
        journal
    }
}

prop_compose! {
    fn kept()(
        sets in proptest::option::of((1..5_u32, proptest::option::of(1..5_u32))),
        flags in any::<(bool, bool, bool, bool)>(),
        aside in proptest::collection::vec(1..5_u32, 0..5),
        migrations in 0..7_u32,
    ) -> Kept {
        Kept {
            last: 5,
            snapshot: sets.map(|sets| sets.0),
            previous: sets.and_then(|sets| sets.1),
            is_taken: flags.0,
            is_migrated: flags.1,
            is_touched: flags.2,
            is_started: flags.3,
            migrations,
            aside,
        }
    }
}

prop_compose! {
    fn back_data()(
        restore in 1..5_u32,
        aside in proptest::option::of(1..5_u32),
        flags in any::<(bool, bool, bool)>(),
    ) -> BackData {
        BackData {
            restore,
            aside,
            can_stay: flags.0,
            is_restored: flags.1,
            is_exported: flags.2,
        }
    }
}

fn seal() -> impl Strategy<Value = Seal> {
    (0..3_u8, 1..5_u8).prop_map(|(kind, code)| match kind {
        0 => Seal::Unsealed,
        1 => Seal::Damaged(release(code, 1)),
        _ => Seal::Sealed(release(code, 1)),
    })
}

fn service() -> impl Strategy<Value = Service> {
    let running = (1..5_u8, 1..5_u32).prop_map(|(code, slot)| runs(&at(code, slot)));
    let still = vec![
        Service::NotDeclared,
        Service::Absent,
        Service::Exited { code: Some(1) },
    ];
    prop_oneof![running, proptest::sample::select(still)]
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    use EffectKind as Kind;
    let kinds = vec![
        Kind::Fetch,
        Kind::Stage,
        Kind::SnapshotData,
        Kind::Migrate,
        Kind::RestoreData,
        Kind::ExportData,
        Kind::PruneData,
        Kind::StopService,
        Kind::SwapCurrent,
        Kind::RemoveCurrent,
        Kind::StartService,
        Kind::RewritePrevious,
        Kind::Prune,
    ];
    let codes = vec![
        None,
        Some(code::DISK_FULL),
        Some(code::BAD_PACK),
        Some(code::TREE_MISMATCH),
    ];
    let outcome = (
        proptest::sample::select(kinds),
        proptest::sample::select(codes),
    );
    proptest::option::of(outcome.prop_map(|(effect, code)| Outcome {
        effect,
        result: code.map_or(Ok(()), |code| {
            Err(Fault {
                code,
                retry: code.retry,
                detail: "x".repeat(500),
            })
        }),
    }))
}

prop_compose! {
    fn facts()(
        wanted in proptest::option::of((1..5_u8, 1..9_u64)),
        flags in any::<(bool, bool, bool)>(),
        beside in any::<bool>(),
        slots in proptest::collection::btree_map(1..6_u32, seal(), 0..5),
        links in proptest::option::of((1..6_u32, proptest::option::of(1..6_u32))),
        service in service(),
        probe in 0..3_u8,
        last in outcome(),
        sets in proptest::collection::vec(1..5_u32, 0..4),
        order in proptest::option::of(proptest::sample::select(vec![
            Order::Rollback, Order::Activate, Order::Pull, Order::Stage,
        ])),
    ) -> Facts {
        let (_, node) = node();
        Facts {
            boot: BootId::new(if flags.0 { "one" } else { "two" }),
            wanted: wanted.map(|(code, generation)| release(code, generation)),
            hold: flags.1,
            order,
            pack: if flags.2 { Pack::Complete } else { Pack::Absent },
            slots,
            current: links.map(|links| links.0),
            previous: links.and_then(|links| links.1),
            service,
            beside,
            probe: match probe {
                0 => Verdict::Pending,
                1 => Verdict::Passing,
                _ => Verdict::Failing { probe: "http".to_owned() },
            },
            data: Data {
                is_declared: !flags.2,
                migrates: flags.0,
                sets: sets.into_iter().collect(),
                exported: flags.1.then(|| "x".repeat(500)),
                ..Data::default()
            },
            free_bytes: if flags.0 { u64::MAX } else { 0 },
            last,
            ..node
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// The machine never removes what is named, never points `current` or the service at half a tree,
    /// keeps its lists bounded, and comes to an effect after a few decisions that have none.
    #[test]
    fn whatever_the_facts_the_site_is_safe(journal in journals(), facts in facts()) {
        let policy = Policy::production();
        let mut journal = journal;
        let mut facts = facts;
        for turn in 0..12 {
            let decision = next(&journal, &facts, &policy);
            prop_assert_eq!(&decision, &next(&journal, &facts, &policy));
            prop_assert_eq!(decision.answer.is_some(), facts.order.is_some());
            let text = decision.journal.to_json().unwrap();
            prop_assert_eq!(&Journal::from_json(&text).unwrap(), &decision.journal);
            for event in &decision.events {
                prop_assert!(event.detail.len() <= 220, "{}", event.detail);
            }
            let is_whole = |slot: &SlotNumber| {
                matches!(facts.slots.get(slot), Some(Seal::Sealed(_) | Seal::Damaged(_)))
            };
            match &decision.effect {
                Effect::Prune { slots } => {
                    let after = &decision.journal;
                    let named = [&after.installed, &after.previous, &after.target];
                    let named = named.into_iter().flatten().map(|named| named.slot);
                    let named: Vec<_> = named.chain(facts.current).chain(facts.previous).collect();
                    prop_assert!(slots.iter().all(|slot| !named.contains(slot)), "{:?}", slots);
                }
                Effect::SwapCurrent { to_slot } => prop_assert!(is_whole(to_slot)),
                Effect::StartService { installed } => prop_assert!(is_whole(&installed.slot)),
                Effect::Wait { seconds } | Effect::Probe { seconds, .. } => {
                    prop_assert!((1..=60).contains(seconds), "{}", seconds);
                }
                Effect::None | Effect::Fetch { .. } | Effect::Stage { .. }
                | Effect::SnapshotData { .. } | Effect::Migrate { .. } | Effect::RestoreData { .. }
                | Effect::ExportData { .. } | Effect::StopService | Effect::RemoveCurrent
                | Effect::RewritePrevious { .. } => {}
                Effect::PruneData { numbers } => {
                    let data = &decision.journal.data;
                    let named = [data.previous, data.snapshot];
                    let named = named.into_iter().flatten().chain(data.aside.iter().copied());
                    prop_assert!(named.into_iter().all(|named| !numbers.contains(&named)));
                }
            }
            if decision.effect != Effect::None {
                return Ok(());
            }
            (facts.order, facts.last) = (None, None);
            journal = decision.journal;
            prop_assert!(turn < 11, "it goes round in circles in {}", journal.phase);
        }
    }
}
