//! Single decisions about data.

use sanaga_proto::code;

use super::super::tests::{at, node, release, runs};
use super::*;
use crate::update::effect::{Answer, Decision};
use crate::update::facts::{Facts, Order, Outcome, Seal};
use crate::update::journal::Journal;
use crate::update::machine::next;
use crate::update::policy::Policy;

fn decide(journal: &Journal, facts: &Facts) -> Decision {
    next(journal, facts, &Policy::production())
}

/// Decides again and again, with each effect ending as `ends` says, up to an effect of this kind.
fn follow(
    journal: &mut Journal,
    facts: &mut Facts,
    to: EffectKind,
    ends: &dyn Fn(&Effect, &mut Facts) -> Result<(), Fault>,
) -> Vec<EffectKind> {
    let mut kinds = Vec::new();
    for _ in 0..40 {
        let decision = decide(journal, facts);
        *journal = decision.journal;
        facts.order = None;
        let kind = decision.effect.kind();
        let result = ends(&decision.effect, facts);
        facts.last = Some(Outcome {
            effect: kind,
            result,
        });
        facts.uptime_s += 5;
        if kind != EffectKind::None && kinds.last() != Some(&kind) {
            kinds.push(kind);
        }
        if kind == to {
            break;
        }
    }
    kinds
}

fn fault(code: code::Code) -> Fault {
    Fault {
        code,
        retry: code.retry,
        detail: "in words".to_owned(),
    }
}

/// Release 3 is staged in slot 3 and may be activated; both keep data.
fn armed() -> (Journal, Facts) {
    let (mut journal, mut facts) = node();
    journal.phase = Phase::Armed;
    journal.target = Some(at(3, 3));
    journal.staged = true;
    facts.slots.insert(3, Seal::Sealed(release(3, 3)));
    facts.wanted = Some(release(3, 3));
    facts.data.is_declared = true;
    (journal, facts)
}

#[test]
fn nothing_is_set_aside_while_the_service_runs() {
    let (mut journal, mut facts) = armed();
    facts.data.migrates = true;
    facts.data.sets.insert(6);
    let kinds = follow(
        &mut journal,
        &mut facts,
        EffectKind::SwapCurrent,
        &|effect, facts| {
            if *effect == Effect::StopService {
                facts.service = Service::Absent;
            }
            Ok(())
        },
    );
    let due = [
        EffectKind::StopService,
        EffectKind::SnapshotData,
        EffectKind::Migrate,
        EffectKind::SwapCurrent,
    ];
    assert_eq!(kinds, due);
    assert_eq!(
        (journal.data.snapshot, journal.data.is_migrated),
        (Some(7), true)
    );
    // It came up all the same: what was set aside is old, and is set aside anew.
    journal.data.is_touched = false;
    facts.service = runs(&at(2, 2));
    let decision = decide(&journal, &facts);
    assert_eq!(decision.effect, Effect::StopService);
    assert_eq!(decision.journal.phase, Phase::Snapshotting);
}

#[test]
fn code_that_cannot_read_the_data_is_refused_before_anything_stops() {
    let (journal, mut facts) = armed();
    facts.data.target_cannot_read = Some("the data have schema 3, and it reads 2".to_owned());
    let decision = decide(&journal, &facts);
    let code = code::SCHEMA_TOO_NEW.number;
    assert_eq!(decision.journal.phase, Phase::Refused { code });
    assert_eq!((decision.effect, decision.events.len()), (Effect::None, 1));
    // New settings of what runs are none of the data's business.
    let (mut journal, mut facts) = (journal, facts);
    journal.target = Some(at(2, 2));
    facts.wanted = Some(release(2, 2));
    assert_eq!(decide(&journal, &facts).journal.phase, Phase::Activating);
}

#[test]
fn an_order_to_go_back_is_refused_when_the_data_cannot() {
    let (mut journal, mut facts) = node();
    facts.order = Some(Order::Rollback);
    let answer = |journal: &Journal, facts: &Facts| decide(journal, facts).answer.unwrap();
    assert_eq!(answer(&journal, &facts), Answer::Accepted);
    facts.data.previous_cannot_read = Some("too new".to_owned());
    assert_eq!(
        answer(&journal, &facts),
        Answer::Refused(code::SCHEMA_TOO_NEW)
    );
    journal.data.previous = Some(4);
    assert_eq!(
        answer(&journal, &facts),
        Answer::Refused(code::DATA_NOT_KEPT)
    );
    facts.data.sets.insert(4);
    assert_eq!(answer(&journal, &facts), Answer::Accepted);
}

#[test]
fn data_that_do_not_come_back_keep_the_release_that_was_to_be_left() {
    let (mut journal, mut facts) = node();
    journal.data.previous = Some(4);
    facts.data.sets.insert(4);
    facts.order = Some(Order::Rollback);
    let before = journal.clone();
    let fails = |effect: &Effect, facts: &mut Facts| {
        if *effect == Effect::StopService {
            facts.service = Service::Absent;
        }
        if let Effect::RestoreData { .. } = effect {
            return Err(fault(code::DATA_NOT_KEPT));
        }
        Ok(())
    };
    let kinds = follow(&mut journal, &mut facts, EffectKind::StartService, &fails);
    assert_eq!(journal.phase, Phase::NeedsHands);
    assert_eq!(journal.blocked, Some(code::DATA_NOT_KEPT.number));
    assert_eq!(
        (&journal.installed, &journal.previous),
        (&before.installed, &before.previous)
    );
    assert_eq!(journal.data.previous, Some(4));
    assert_eq!(kinds.last(), Some(&EffectKind::StartService));
    assert!(!kinds.contains(&EffectKind::SwapCurrent));
}

#[test]
fn a_start_that_the_data_forbid_calls_somebody_once() {
    let (journal, mut facts) = node();
    facts.service = Service::Absent;
    facts.last = Some(Outcome {
        effect: EffectKind::StartService,
        result: Err(fault(code::SCHEMA_TOO_NEW)),
    });
    let first = decide(&journal, &facts);
    assert_eq!(first.journal.phase, Phase::NeedsHands);
    assert_eq!(first.events.len(), 1);
    assert!(decide(&first.journal, &facts).events.is_empty());
}

#[test]
fn an_export_that_fails_does_not_keep_the_site_from_its_end() {
    let (mut journal, mut facts) = node();
    journal.data.previous = Some(4);
    facts.data.sets.insert(4);
    facts.order = Some(Order::Rollback);
    let ends = |effect: &Effect, facts: &mut Facts| {
        if let Effect::StopService = effect {
            facts.service = Service::Absent;
        } else if let Effect::SwapCurrent { to_slot } = effect {
            facts.current = Some(*to_slot);
        } else if let Effect::StartService { installed } = effect {
            facts.service = runs(installed);
        } else if let Effect::ExportData { .. } = effect {
            return Err(fault(code::DISK_FULL));
        }
        Ok(())
    };
    follow(&mut journal, &mut facts, EffectKind::RewritePrevious, &ends);
    assert_eq!(journal.phase, Phase::RolledBack);
    assert_eq!(
        (journal.data.previous, journal.data.aside),
        (Some(5), vec![5])
    );
}
