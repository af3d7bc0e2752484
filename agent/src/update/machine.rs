//! [`next`]: what follows from the journal and the facts. Pure: the same arguments give the same
//! decision. The rooms beside hold the phases before, during and after a switch.

mod back;
mod data;
mod prepare;
mod rest;
mod switch;

use sanaga_proto::code::{self, Code};
use sanaga_proto::wire::receipt::EventKind;

use super::effect::{Answer, Decision, Effect, EffectKind, Occurrence};
use super::facts::{Facts, Fault, Order, Seal, Service};
use super::journal::{Backoff, Installed, Journal, Release, SlotNumber};
use super::phase::Phase;
use super::policy::{Policy, Reach};

/// The longest detail of an event, characters.
const DETAIL_CHARS_MAX: usize = 200;

/// What is to be done next for one app, and what is to be remembered before it is done.
///
/// Every effect is decided again until an outcome in the same life of the daemon confirms it, or
/// until the facts show that it lasts; so a kill at any point repeats an effect and loses none.
#[must_use]
pub fn next(journal: &Journal, facts: &Facts, policy: &Policy) -> Decision {
    let mut turn = Turn {
        journal: journal.clone(),
        facts,
        policy,
        events: Vec::new(),
    };
    let answer = facts.order.map(|order| turn.take_order(order));
    let effect = turn.act();
    Decision {
        journal: turn.journal,
        events: turn.events,
        effect,
        answer,
    }
}

/// One decision in the making.
struct Turn<'a> {
    journal: Journal,
    facts: &'a Facts,
    policy: &'a Policy,
    events: Vec<Occurrence>,
}

/// The service, seen from a release that should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It runs this release, or there is nothing to run.
    Ours,
    /// It is on its way up with this release.
    Rising,
    /// It runs something else.
    Other,
    /// It does not run.
    Down,
}

impl Turn<'_> {
    fn act(&mut self) -> Effect {
        match self.journal.phase {
            Phase::Idle
            | Phase::Committed
            | Phase::RolledBack
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => self.rest(),
            Phase::Fetching => self.fetching(),
            Phase::Staged => self.staged(),
            Phase::Armed => self.armed(),
            Phase::Held => self.held(),
            Phase::Snapshotting => self.snapshotting(),
            Phase::Activating => self.activating(),
            Phase::Probation => self.probation(),
            Phase::RollingBack => self.rolling_back(),
        }
    }

    /// Takes a new order into the journal, so that a crash does not lose it.
    fn take_order(&mut self, order: Order) -> Answer {
        let refusal = match order {
            Order::Rollback => self.refusal_of_rollback(),
            Order::Activate | Order::Stage => self.refusal_of_update(true),
            Order::Pull => self.refusal_of_update(false),
        };
        if let Some(code) = refusal {
            return Answer::Refused(code);
        }
        let already = match order {
            Order::Rollback => self.journal.phase == Phase::RollingBack,
            Order::Activate | Order::Stage | Order::Pull => {
                self.journal.phase.is_switching()
                    || (self.journal.target.is_none() && self.pick().is_none())
            }
        };
        if !already {
            self.journal.order = Some(order);
            self.journal.retry = Backoff::default();
        }
        Answer::Accepted
    }

    fn refusal_of_rollback(&self) -> Option<Code> {
        let to = match self.journal.phase {
            Phase::RollingBack => return None,
            Phase::Activating | Phase::Probation => self.journal.installed.as_ref(),
            Phase::Idle
            | Phase::Fetching
            | Phase::Staged
            | Phase::Armed
            | Phase::Snapshotting
            | Phase::Committed
            | Phase::RolledBack
            | Phase::Held
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => self.journal.previous.as_ref(),
        };
        let possible = to.is_some_and(|to| self.is_present(to.slot));
        if !possible {
            return Some(code::NO_PREVIOUS);
        }
        if self.journal.phase.is_switching() {
            return None;
        }
        match self.journal.data.previous {
            Some(number) if self.facts.data.sets.contains(&number) => None,
            Some(_) => Some(code::DATA_NOT_KEPT),
            None if self.facts.data.previous_cannot_read.is_some() => Some(code::SCHEMA_TOO_NEW),
            None => None,
        }
    }

    fn refusal_of_update(&self, needs_target: bool) -> Option<Code> {
        if self.facts.hold {
            return Some(code::HELD);
        }
        let wanted = self.facts.wanted.as_ref();
        if wanted.is_some_and(|wanted| self.journal.quarantined(wanted).is_some()) {
            return Some(code::QUARANTINED);
        }
        let is_there = wanted.is_none_or(|wanted| self.is_installed(wanted));
        let nothing = self.journal.target.is_none() && is_there;
        (needs_target && nothing).then_some(code::NOTHING_STAGED)
    }

    /// How far the present update may go.
    fn reach(&self) -> Reach {
        match self.journal.order {
            Some(Order::Activate) => Reach::Activate,
            Some(Order::Stage) => Reach::Stage,
            Some(Order::Pull) => self.policy.reach.max(Reach::Fetch),
            Some(Order::Rollback) | None => self.policy.reach,
        }
    }

    /// The fault of the effect just before, if it was this one and failed.
    fn fault(&self, kind: EffectKind) -> Option<&Fault> {
        let last = self
            .facts
            .last
            .as_ref()
            .filter(|last| last.effect == kind)?;
        last.result.as_ref().err()
    }

    /// Whether the effect just before was this one and ended well.
    fn is_done(&self, kind: EffectKind) -> bool {
        let last = self.facts.last.as_ref();
        last.is_some_and(|last| last.effect == kind && last.result.is_ok())
    }

    fn is_sealed(&self, slot: SlotNumber) -> bool {
        matches!(self.facts.slots.get(&slot), Some(Seal::Sealed(_)))
    }

    /// Whether the slot holds a tree that was verified once; a damaged one may still run.
    fn is_present(&self, slot: SlotNumber) -> bool {
        match self.facts.slots.get(&slot) {
            Some(Seal::Sealed(_) | Seal::Damaged(_)) => true,
            Some(Seal::Unsealed) | None => false,
        }
    }

    fn see_service(&self, release: &Installed) -> Seen {
        let is_ours = |slot, settings| slot == release.slot && settings == release.release.settings;
        match self.facts.service {
            Service::NotDeclared => Seen::Ours,
            Service::Running { slot, settings } if is_ours(slot, settings) => Seen::Ours,
            Service::Starting { slot, settings } if is_ours(slot, settings) => Seen::Rising,
            Service::Running { .. } | Service::Starting { .. } => Seen::Other,
            Service::Absent | Service::Exited { .. } => Seen::Down,
        }
    }

    fn record(
        &mut self,
        kind: EventKind,
        release: Option<&Release>,
        code: Option<u16>,
        detail: &str,
    ) {
        self.events.push(Occurrence {
            kind,
            release: release.cloned(),
            code,
            detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
        });
    }

    /// A wait that no pause outlasts.
    fn wait(&self, seconds: u64) -> Effect {
        let pauses = [
            &self.journal.retry,
            &self.journal.restart,
            &self.journal.upkeep,
        ];
        let seconds = pauses
            .iter()
            .map(|pause| self.left_s(pause))
            .filter(|left_s| *left_s > 0)
            .fold(seconds, u64::min);
        Effect::Wait {
            seconds: seconds.max(1),
        }
    }

    /// What is left of a pause, seconds; a reboot ends it.
    fn left_s(&self, pause: &Backoff) -> u64 {
        if pause.boot == self.facts.boot {
            pause.until_uptime_s.saturating_sub(self.facts.uptime_s)
        } else {
            0
        }
    }

    /// One more try that may not last, and the pause after it.
    fn lengthen(&self, pause: &Backoff, first_s: u64, max_s: u64) -> Backoff {
        let tries = pause.tries.saturating_add(1);
        let doubled = first_s.saturating_mul(1 << tries.saturating_sub(1).min(32));
        Backoff {
            tries,
            boot: self.facts.boot.clone(),
            until_uptime_s: self.facts.uptime_s.saturating_add(doubled.min(max_s)),
        }
    }

    /// Pauses the update's own steps, and says why.
    fn pause(&mut self, code: u16) {
        self.journal.blocked = Some(code);
        self.journal.retry = self.lengthen(
            &self.journal.retry,
            self.policy.retry_first_s,
            self.policy.retry_max_s,
        );
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
