//! Single decisions, and transcripts of whole stories.

use std::collections::BTreeMap;

use sanaga_proto::code::Retry;
use sanaga_proto::ids::Digest;

use super::*;
use crate::update::facts::{Data, Outcome, Pack, Verdict};
use crate::update::journal::BootId;
use crate::update::model;

pub(super) fn release(code: u8, generation: u64) -> Release {
    Release {
        version: format!("1.0.{code}").parse().unwrap(),
        root: Digest([code; 32]),
        manifest: Digest([code; 32]),
        counter: u64::from(code),
        generation,
        settings: Digest([1; 32]),
    }
}

pub(super) fn at(code: u8, slot: SlotNumber) -> Installed {
    Installed {
        release: release(code, u64::from(code)),
        slot,
    }
}

pub(super) fn runs(installed: &Installed) -> Service {
    Service::Running {
        slot: installed.slot,
        settings: installed.release.settings,
    }
}

/// A node on which release 2 runs from slot 2, and release 1 is its previous one in slot 1.
pub(super) fn node() -> (Journal, Facts) {
    let app = "shop".parse().unwrap();
    let journal = Journal::adopted(app, Some(at(2, 2)), Some(at(1, 1)));
    let slots = [1, 2].map(|code| (u32::from(code), Seal::Sealed(release(code, 1))));
    let facts = Facts {
        boot: BootId::new("one"),
        uptime_s: 1_000,
        wanted: Some(release(2, 2)),
        hold: false,
        window_open: true,
        order: None,
        pack: Pack::Absent,
        slots: BTreeMap::from(slots),
        current: Some(2),
        previous: Some(1),
        service: runs(&at(2, 2)),
        beside: false,
        outage_ms: None,
        probe: Verdict::Passing,
        data: Data::default(),
        free_bytes: 1 << 40,
        needed_bytes: 0,
        last: None,
    };
    (journal, facts)
}

/// The same node in the probation of release 3, which runs from slot 3.
fn probation() -> (Journal, Facts) {
    let (mut journal, mut facts) = node();
    journal.phase = Phase::Probation;
    journal.target = Some(at(3, 3));
    journal.staged = true;
    journal.swapped = true;
    journal.attempts.start = 1;
    journal.attempts.boot = Some(facts.boot.clone());
    facts.slots.insert(3, Seal::Sealed(release(3, 3)));
    facts.wanted = Some(release(3, 3));
    (facts.current, facts.previous) = (Some(3), Some(2));
    facts.service = runs(&at(3, 3));
    (journal, facts)
}

fn decide(journal: &Journal, facts: &Facts) -> Decision {
    next(journal, facts, &Policy::production())
}

fn failed(effect: EffectKind, code: Code, retry: Retry) -> Option<Outcome> {
    let detail = "in words".to_owned();
    Some(Outcome {
        effect,
        result: Err(Fault {
            code,
            retry,
            detail,
        }),
    })
}

fn done(effect: EffectKind) -> Option<Outcome> {
    Some(Outcome {
        effect,
        result: Ok(()),
    })
}

fn kinds(decision: &Decision) -> Vec<EventKind> {
    decision.events.iter().map(|event| event.kind).collect()
}

/// Lines that stories share: a release comes to its slot.
fn staging(slot: u32, version: &str) -> Vec<String> {
    vec![
        format!("fetching: fetch the pack of {version}"),
        format!("fetching: stage slot {slot}"),
        format!("receipt staged {version}"),
    ]
}

/// It takes the place of the one before.
fn switching(slot: u32, version: &str) -> Vec<String> {
    vec![
        "activating: stop the service".to_owned(),
        format!("activating: current → slot {slot}"),
        format!("receipt activated {version}"),
        format!("activating: start slot {slot} with settings 1"),
    ]
}

/// It stays healthy.
fn soaking(version: &str) -> Vec<String> {
    vec![
        "probation: previous → slot 3".to_owned(),
        "probation: probe".to_owned(),
        format!("receipt committed {version}"),
        "committed: wait".to_owned(),
    ]
}

/// Old slots go a day later.
fn pruning() -> Vec<String> {
    lines(&["committed: prune slots [1, 2]", "committed: wait"])
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn transcripts_of_updates() {
    let update = [
        staging(4, "1.0.3"),
        switching(4, "1.0.3"),
        soaking("1.0.3"),
        pruning(),
    ];
    assert_eq!(model::transcript("update"), update.concat());
    let first = [
        staging(1, "1.0.3"),
        switching(1, "1.0.3").split_off(1),
        soaking("1.0.3").split_off(1),
    ];
    assert_eq!(model::transcript("first installation"), first.concat());
    let held = [
        staging(4, "1.0.3"),
        lines(&["receipt held 1.0.3, SNG-0508", "held: wait"]),
        switching(4, "1.0.3"),
        soaking("1.0.3"),
        pruning(),
    ];
    assert_eq!(model::transcript("a hold while staged"), held.concat());
    let superseded = [
        lines(&["receipt superseded 1.0.3"]),
        staging(5, "1.0.4"),
        switching(5, "1.0.4"),
        soaking("1.0.4"),
        pruning(),
    ];
    let name = "a newer assignment while fetching";
    assert_eq!(model::transcript(name), superseded.concat());
}

#[test]
fn a_transcript_of_a_failing_release() {
    let failing = [
        staging(4, "1.0.3"),
        switching(4, "1.0.3"),
        lines(&[
            "probation: previous → slot 3",
            "probation: probe",
            "rolling_back: stop the service",
            "rolling_back: current → slot 3",
            "rolling_back: start slot 3 with settings 1",
            "rolling_back: probe",
            "receipt rolled_back 1.0.3, SNG-0503, to 1.0.2: http",
            "rolled_back: previous → slot 2",
            "rolled_back: wait",
            "rolled_back: prune slots [1, 4]",
            "rolled_back: wait",
        ]),
    ];
    let name = "a release that fails its probe";
    assert_eq!(model::transcript(name), failing.concat());
}

#[test]
fn transcripts_of_an_offline_way_back_and_of_a_settings_change() {
    assert_eq!(
        model::transcript("the operator goes back"),
        [
            "idle: prune slots [1]",
            "idle: wait",
            "rolling_back: stop the service",
            "rolling_back: current → slot 2",
            "rolling_back: start slot 2 with settings 1",
            "rolling_back: probe",
            "receipt rolled_back 1.0.2, SNG-0504, to 1.0.1: by the operator",
            "rolled_back: previous → slot 3",
            "rolled_back: wait",
        ]
    );
    assert_eq!(
        model::transcript("settings change").get(..8).unwrap(),
        [
            "receipt staged 1.0.2",
            "receipt activated 1.0.2",
            "activating: stop the service",
            "activating: start slot 3 with settings 2",
            "probation: previous → slot 3",
            "probation: probe",
            "receipt committed 1.0.2",
            "committed: wait",
        ]
    );
}

#[test]
fn nothing_is_stored_for_an_app_that_rests() {
    let (journal, facts) = node();
    let decision = decide(&journal, &facts);
    assert_eq!(decision.journal, journal);
    assert_eq!(decision.effect, Effect::Wait { seconds: 60 });
    assert!(decision.events.is_empty() && decision.answer.is_none());
}

#[test]
fn orders_are_kept_or_refused_with_a_code() {
    let (journal, mut facts) = node();
    let answer = |order, change: &dyn Fn(&mut Journal, &mut Facts)| {
        let mut journal = journal.clone();
        let mut facts = Facts {
            order: Some(order),
            ..facts.clone()
        };
        change(&mut journal, &mut facts);
        decide(&journal, &facts).answer.unwrap()
    };
    let refused = |code| Answer::Refused(code);
    assert_eq!(
        answer(Order::Rollback, &|journal, _| journal.previous = None),
        refused(code::NO_PREVIOUS)
    );
    assert_eq!(
        answer(Order::Rollback, &|_, facts| {
            facts.slots.remove(&1);
        }),
        refused(code::NO_PREVIOUS)
    );
    assert_eq!(
        answer(Order::Rollback, &|_, facts| facts.hold = true),
        Answer::Accepted
    );
    assert_eq!(
        answer(Order::Pull, &|_, facts| facts.hold = true),
        refused(code::HELD)
    );
    assert_eq!(
        answer(Order::Activate, &|_, facts| facts.wanted = None),
        refused(code::NOTHING_STAGED)
    );
    // What is assigned runs already.
    assert_eq!(
        answer(Order::Stage, &|_, _| {}),
        refused(code::NOTHING_STAGED)
    );
    let quarantine = |journal: &mut Journal, facts: &mut Facts| {
        facts.wanted = Some(release(3, 3));
        journal.quarantine.push(crate::update::Quarantined {
            root: release(3, 3).root,
            settings: release(3, 3).settings,
            generation: 3,
            code: 503,
        });
    };
    assert_eq!(
        answer(Order::Activate, &quarantine),
        refused(code::QUARANTINED)
    );
    facts.order = Some(Order::Rollback);
    let decision = decide(&journal, &facts);
    assert_eq!(decision.journal.phase, Phase::RollingBack);
    assert_eq!(decision.effect, Effect::StopService);
}

#[test]
fn an_order_outlives_a_crash_until_it_is_fulfilled() {
    let (journal, mut facts) = node();
    facts.wanted = Some(release(3, 3));
    facts.window_open = false;
    facts.order = Some(Order::Activate);
    let begun = decide(&journal, &facts).journal;
    assert_eq!(
        (begun.phase, begun.order),
        (Phase::Fetching, Some(Order::Activate))
    );
    facts.order = None;
    facts.slots.insert(3, Seal::Sealed(release(3, 3)));
    facts.last = done(EffectKind::Stage);
    let staged = decide(&begun, &facts).journal;
    facts.last = None;
    let armed = decide(&staged, &facts).journal;
    assert_eq!(armed.phase, Phase::Armed);
    // The window is shut, and the order opens it.
    assert_eq!(decide(&armed, &facts).effect, Effect::StopService);
    let unordered = Journal {
        order: None,
        ..armed
    };
    assert_eq!(
        decide(&unordered, &facts).effect,
        Effect::Wait { seconds: 60 }
    );
}

#[test]
fn the_way_back_is_not_stopped_by_a_hold_and_toggles() {
    let (journal, mut facts) = node();
    facts.hold = true;
    facts.order = Some(Order::Rollback);
    let mut journal = decide(&journal, &facts).journal;
    facts.order = None;
    (facts.service, facts.current) = (runs(&at(1, 1)), Some(1));
    facts.last = done(EffectKind::SwapCurrent);
    journal.swapped = true;
    let decision = decide(&journal, &facts);
    assert_eq!(kinds(&decision), [EventKind::RolledBack]);
    let journal = decision.journal;
    assert_eq!(journal.phase, Phase::RolledBack);
    assert_eq!(journal.installed, Some(at(1, 1)));
    assert_eq!(journal.previous, Some(at(2, 2)));
    assert!(journal.quarantined(&release(2, 2)).is_some());
    assert!(journal.quarantined(&release(2, 3)).is_none());
    (facts.last, facts.previous) = (None, Some(2));
    // The assignment still names what was set aside; nothing is tried.
    assert_eq!(
        decide(&journal, &facts).effect,
        Effect::Wait { seconds: 60 }
    );
    facts.order = Some(Order::Rollback);
    let back = decide(&journal, &facts).journal.back.unwrap();
    assert_eq!((back.to, back.left), (Some(at(2, 2)), at(1, 1)));
}

#[test]
fn healthy_time_adds_up_over_boots_and_counts_only_when_seen() {
    let (mut journal, mut facts) = probation();
    journal = decide(&journal, &facts).journal;
    assert_eq!(journal.soak.total_s, 0);
    facts.uptime_s += 10;
    journal = decide(&journal, &facts).journal;
    assert_eq!(journal.soak.total_s, 10);
    // The agent was not there for an hour.
    facts.uptime_s += 3_600;
    journal = decide(&journal, &facts).journal;
    assert_eq!(journal.soak.total_s, 30);
    (facts.boot, facts.uptime_s) = (BootId::new("two"), 60);
    facts.service = Service::Absent;
    let decision = decide(&journal, &facts);
    assert_eq!(
        decision.effect,
        Effect::StartService {
            installed: at(3, 3)
        }
    );
    assert_eq!(decision.journal.attempts.start, 2);
    journal = decision.journal;
    facts.service = runs(&at(3, 3));
    journal.soak.total_s = 880;
    journal = decide(&journal, &facts).journal;
    facts.uptime_s += 20;
    let decision = decide(&journal, &facts);
    assert_eq!(kinds(&decision), [EventKind::Committed]);
    assert_eq!(decision.journal.installed, Some(at(3, 3)));
    assert_eq!(decision.journal.previous, Some(at(2, 2)));
}

#[test]
fn a_start_by_the_system_itself_is_counted_too() {
    let (mut journal, mut facts) = probation();
    for boot in ["two", "three", "four", "five"] {
        facts.boot = BootId::new(boot);
        let decision = decide(&journal, &facts);
        assert_eq!(decision.effect, Effect::None);
        journal = decision.journal;
    }
    assert_eq!(journal.attempts.start, 5);
    facts.boot = BootId::new("six");
    let decision = decide(&journal, &facts);
    assert_eq!(decision.journal.phase, Phase::RollingBack);
    assert_eq!(
        decision.journal.back.unwrap().code,
        code::START_FAILED.number
    );
}

#[test]
fn no_answer_of_a_host_is_held_against_a_release() {
    let (journal, mut facts) = node();
    facts.wanted = Some(release(3, 3));
    let mut journal = decide(&journal, &facts).journal;
    for _ in 0..20 {
        facts.last = failed(EffectKind::Fetch, code::BAD_METADATA, Retry::Never);
        let decision = decide(&journal, &facts);
        assert!(matches!(decision.effect, Effect::Wait { .. }));
        assert_eq!(decision.journal.phase, Phase::Fetching);
        assert_eq!(decision.journal.blocked, Some(code::BAD_METADATA.number));
        journal = decision.journal;
        facts.uptime_s += 3_600;
    }
    facts.last = None;
    assert!(matches!(
        decide(&journal, &facts).effect,
        Effect::Fetch { .. }
    ));
}

#[test]
fn a_tree_that_never_fits_is_refused_and_a_full_disk_is_not_its_fault() {
    let (journal, mut facts) = node();
    facts.wanted = Some(release(3, 3));
    facts.pack = Pack::Complete;
    let mut journal = decide(&journal, &facts).journal;
    for _ in 0..9 {
        facts.last = failed(EffectKind::Stage, code::DISK_FULL, Retry::Later);
        journal = decide(&journal, &facts).journal;
        assert_eq!(journal.phase, Phase::Fetching);
    }
    for _ in 0..9 {
        facts.last = failed(EffectKind::Stage, code::BASE_DAMAGED, Retry::Now);
        journal = decide(&journal, &facts).journal;
        assert_eq!(journal.phase, Phase::Fetching);
    }
    facts.last = failed(EffectKind::Stage, code::TREE_MISMATCH, Retry::Now);
    journal = decide(&journal, &facts).journal;
    journal = decide(&journal, &facts).journal;
    assert_eq!(journal.phase, Phase::Fetching);
    let decision = decide(&journal, &facts);
    let code = code::TREE_MISMATCH.number;
    assert_eq!(decision.journal.phase, Phase::Refused { code });
    assert_eq!(kinds(&decision), [EventKind::Refused]);
    facts.last = None;
    let rests = decide(&decision.journal, &facts);
    assert!(
        matches!(rests.effect, Effect::Wait { .. }),
        "{:?}",
        rests.effect
    );
    facts.wanted = Some(release(3, 4));
    assert_eq!(
        decide(&rests.journal, &facts).journal.phase,
        Phase::Fetching
    );
}

#[test]
fn old_slots_make_room_and_named_ones_never_do() {
    let (journal, mut facts) = node();
    facts.wanted = Some(release(3, 3));
    facts.slots.insert(9, Seal::Sealed(release(9, 1)));
    (facts.free_bytes, facts.needed_bytes) = (1 << 20, 1 << 20);
    let journal = decide(&journal, &facts).journal;
    let decision = decide(&journal, &facts);
    assert_eq!(decision.effect, Effect::Prune { slots: vec![9] });
    facts.slots.remove(&9);
    facts.last = done(EffectKind::Prune);
    let decision = decide(&decision.journal, &facts);
    assert!(matches!(decision.effect, Effect::Wait { .. }));
    assert_eq!(decision.journal.blocked, Some(code::DISK_FULL.number));
    facts.free_bytes = 1 << 30;
    let decision = decide(&decision.journal, &facts);
    assert!(matches!(decision.effect, Effect::Fetch { .. }));
    assert_eq!(decision.journal.blocked, None);
}

#[test]
fn a_damaged_slot_is_repaired_by_a_fresh_one_and_a_lost_one_replaced() {
    let (journal, mut facts) = node();
    facts.slots.insert(2, Seal::Damaged(release(2, 2)));
    let repair = decide(&journal, &facts).journal;
    assert_eq!(repair.target, Some(at(2, 3)));
    facts.slots.remove(&2);
    facts.service = Service::Absent;
    let decision = decide(&journal, &facts);
    assert_eq!(kinds(&decision), [EventKind::Alarm]);
    assert_eq!(
        decision.effect,
        Effect::StartService {
            installed: at(1, 1)
        }
    );
    assert_eq!(decision.journal.installed, Some(at(1, 1)));
}

#[test]
fn a_slot_that_is_only_seen_is_staged_again() {
    let (journal, mut facts) = node();
    facts.wanted = Some(release(3, 3));
    facts.slots.insert(7, Seal::Sealed(release(3, 1)));
    let begun = decide(&journal, &facts).journal;
    assert_eq!(begun.target, Some(at(3, 8)));
    // The agent was killed when the slot was in place and its folder perhaps not synced.
    facts.slots.insert(8, Seal::Sealed(release(3, 3)));
    let decision = decide(&begun, &facts);
    assert_eq!(decision.effect, Effect::Stage { target: at(3, 8) });
    facts.last = done(EffectKind::Stage);
    assert_eq!(
        kinds(&decide(&decision.journal, &facts)),
        [EventKind::Staged]
    );
    facts.last = None;
    // The release before was verified when it was installed.
    facts.wanted = Some(release(1, 3));
    let begun = decide(&journal, &facts).journal;
    assert_eq!(decide(&begun, &facts).journal.phase, Phase::Staged);
}

#[test]
fn a_journal_is_stored_in_a_form_that_does_not_change() {
    let (journal, _) = probation();
    let text = journal.to_json().unwrap();
    assert_eq!(Journal::from_json(&text).unwrap(), journal);
    // Kept for ever: journals of this form are on nodes.
    let golden = include_str!("journal-1.json");
    assert_eq!(text, golden.trim_end());
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let error = Journal::from_json(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal is of version 2; this agent knows version 1"
    );
    assert!(Journal::from_json("[]").is_err());
}

#[test]
fn nothing_is_staged_over_what_runs() {
    // New settings were assigned for release 2, which runs from slot 2; a hold came; then the files of
    // slot 2 turned out to be damaged.
    let (mut journal, mut facts) = node();
    let mut wanted = release(2, 5);
    wanted.settings = Digest([9; 32]);
    facts.wanted = Some(wanted.clone());
    journal.phase = Phase::Fetching;
    journal.target = Some(Installed {
        release: wanted,
        slot: 2,
    });
    facts.slots.insert(2, Seal::Damaged(release(2, 2)));
    facts.pack = Pack::Complete;
    let decision = decide(&journal, &facts);
    let Effect::Stage { target } = &decision.effect else {
        panic!("{:?}", decision.effect);
    };
    assert_eq!(target.slot, 3);
    assert_eq!(decision.journal.target.as_ref().unwrap().slot, 3);
    assert_eq!(decision.journal.next_slot, 4);
}
