//! Before a switch: fetching, staging, waiting for a window, and holds. Whatever is installed keeps
//! running all the while, and a newer assignment may take the target's place.

use std::ops::ControlFlow;

use sanaga_proto::code::{self, Retry};
use sanaga_proto::wire::receipt::EventKind;

use super::Turn;
use crate::update::effect::{Effect, EffectKind};
use crate::update::facts::{Fault, Order, Pack, Seal};
use crate::update::journal::{Backoff, Installed, Meter, Quarantined};
use crate::update::phase::Phase;
use crate::update::policy::Reach;

/// Entries of the quarantine list; the oldest go first.
const QUARANTINE_MAX: usize = 16;

impl Turn<'_> {
    pub(super) fn fetching(&mut self) -> Effect {
        let target = match self.before_switch() {
            ControlFlow::Continue(target) => target,
            ControlFlow::Break(effect) => return effect,
        };
        if self.holds_target(&target) && self.is_known_good(&target) {
            return self.enter_staged(&target);
        }
        let target = self.beside_what_runs(target);
        if let Some(fault) = self.fault(EffectKind::Fetch).cloned() {
            return self.fetch_failed(&fault);
        }
        if let Some(fault) = self.fault(EffectKind::Stage).cloned() {
            return self.stage_failed(&target, &fault);
        }
        if self.left_s(&self.journal.retry) > 0 {
            return self.wait(self.policy.idle_s);
        }
        let is_complete = self.facts.pack == Pack::Complete || self.holds_target(&target);
        let reach = if is_complete {
            Reach::Stage
        } else {
            Reach::Fetch
        };
        if self.reach() < reach {
            return self.wait(self.policy.idle_s);
        }
        if let Some(effect) = self.make_room(self.facts.needed_bytes) {
            return effect;
        }
        if is_complete {
            self.journal.attempts.stage = self.journal.attempts.stage.saturating_add(1);
            return Effect::Stage { target };
        }
        self.journal.attempts.fetch = self.journal.attempts.fetch.saturating_add(1);
        Effect::Fetch { target }
    }

    pub(super) fn staged(&mut self) -> Effect {
        let target = match self.before_switch() {
            ControlFlow::Continue(target) => target,
            ControlFlow::Break(effect) => return effect,
        };
        if !self.holds_target(&target) {
            return self.stage_again();
        }
        if self.reach() < Reach::Activate {
            return self.wait(self.policy.idle_s);
        }
        self.journal.phase = Phase::Armed;
        Effect::None
    }

    pub(super) fn armed(&mut self) -> Effect {
        let target = match self.before_switch() {
            ControlFlow::Continue(target) => target,
            ControlFlow::Break(effect) => return effect,
        };
        if !self.holds_target(&target) {
            return self.stage_again();
        }
        if self.reach() < Reach::Activate {
            self.journal.phase = Phase::Staged;
            return Effect::None;
        }
        let is_time = self.facts.window_open || self.journal.order == Some(Order::Activate);
        if !is_time || self.left_s(&self.journal.retry) > 0 {
            return self.wait(self.policy.idle_s);
        }
        if let Some(effect) = self.make_room(self.facts.needed_bytes) {
            return effect;
        }
        self.journal.data.end_update();
        if !self.keeps_data(&target) {
            return self.enter_activating();
        }
        if let Some(problem) = self.facts.data.target_cannot_read.clone() {
            let code = code::SCHEMA_TOO_NEW;
            let fault = Fault {
                code,
                retry: code.retry,
                detail: problem,
            };
            return self.refuse(&target, &fault);
        }
        self.journal.data.snapshot = Some(self.fresh_data_number());
        self.journal.phase = Phase::Snapshotting;
        self.snapshotting()
    }

    pub(super) fn held(&mut self) -> Effect {
        if let ControlFlow::Break(effect) = self.before_switch() {
            return effect;
        }
        self.journal.blocked = None;
        self.journal.phase = Phase::Fetching;
        Effect::None
    }

    /// What comes first in every phase before the switch; the target when its turn has come.
    fn before_switch(&mut self) -> ControlFlow<Effect, Installed> {
        if let Some(effect) = self.keep_running() {
            return ControlFlow::Break(effect);
        }
        self.turn_of_target()
    }

    /// The target, unless something came in between.
    pub(super) fn turn_of_target(&mut self) -> ControlFlow<Effect, Installed> {
        if self.journal.order == Some(Order::Rollback) {
            return ControlFlow::Break(self.leave_installed());
        }
        let Some(mut target) = self.journal.target.clone() else {
            // A journal without a target has nothing to prepare.
            self.journal.phase = Phase::Idle;
            return ControlFlow::Break(Effect::None);
        };
        match self.facts.wanted.as_ref() {
            Some(wanted) if wanted.is_same(&target.release) => {
                target.release.clone_from(wanted);
                self.journal.target = Some(target.clone());
            }
            Some(_) | None => return ControlFlow::Break(self.supersede(&target)),
        }
        if self.facts.hold {
            return ControlFlow::Break(self.hold(&target));
        }
        ControlFlow::Continue(target)
    }

    fn supersede(&mut self, target: &Installed) -> Effect {
        self.record(EventKind::Superseded, Some(&target.release), None, "");
        self.journal.phase = Phase::Superseded;
        self.journal.data.end_update();
        self.journal.target = None;
        self.journal.blocked = None;
        self.journal.order = None;
        self.journal.retry = Backoff::default();
        Effect::None
    }

    fn hold(&mut self, target: &Installed) -> Effect {
        if self.journal.phase != Phase::Held {
            let code = code::HELD.number;
            self.record(EventKind::Held, Some(&target.release), Some(code), "");
            self.journal.phase = Phase::Held;
            self.journal.blocked = Some(code);
        }
        self.wait(self.policy.idle_s)
    }

    /// Whether the target's slot is in place with what the target names.
    pub(super) fn holds_target(&self, target: &Installed) -> bool {
        matches!(self.facts.slots.get(&target.slot), Some(Seal::Sealed(found)) if found.is_same_code(&target.release))
    }

    /// Staging begins by removing what lies in its slot. A target that was to use the installed or
    /// the previous release as it lies there gets a slot of its own once that is damaged.
    fn beside_what_runs(&mut self, mut target: Installed) -> Installed {
        if !self.holds_target(&target) && self.known_slots().any(|slot| slot == target.slot) {
            target.slot = self.fresh_slot();
            self.journal.next_slot = target.slot.saturating_add(1);
            self.journal.target = Some(target.clone());
        }
        target
    }

    /// Whether the slot is known to be synced: staging returned, or it was installed before. A slot
    /// that is merely seen may still be lost, when the daemon was killed before it synced it.
    fn is_known_good(&self, target: &Installed) -> bool {
        let known = [&self.journal.installed, &self.journal.previous];
        let is_known = known
            .into_iter()
            .flatten()
            .any(|known| known.slot == target.slot);
        self.journal.staged || is_known || self.is_done(EffectKind::Stage)
    }

    fn enter_staged(&mut self, target: &Installed) -> Effect {
        if !self.journal.staged {
            self.journal.staged = true;
            self.record(EventKind::Staged, Some(&target.release), None, "");
        }
        if self.journal.order == Some(Order::Pull) {
            self.journal.order = None;
        }
        self.journal.phase = Phase::Staged;
        self.journal.attempts.failures = 0;
        self.journal.retry = Backoff::default();
        self.journal.blocked = None;
        Effect::None
    }

    pub(super) fn stage_again(&mut self) -> Effect {
        self.journal.staged = false;
        self.journal.phase = Phase::Fetching;
        Effect::None
    }

    pub(super) fn enter_activating(&mut self) -> Effect {
        self.journal.phase = Phase::Activating;
        self.journal.swapped = false;
        self.journal.soak = Meter::default();
        self.journal.attempts.failures = 0;
        self.journal.retry = Backoff::default();
        self.journal.blocked = None;
        self.activating()
    }

    /// Gives up this activation, not the target: what is installed runs on, and it is tried again.
    pub(super) fn back_to_armed(&mut self, fault: &Fault) -> Effect {
        self.journal.phase = Phase::Armed;
        self.journal.restart = Backoff::default();
        self.pause(fault.code.number);
        Effect::None
    }

    /// What comes from the network is not authenticated until its frames match, so that no answer of
    /// a host, however wrong, is held against the release.
    fn fetch_failed(&mut self, fault: &Fault) -> Effect {
        self.pause(fault.code.number);
        self.wait(self.policy.idle_s)
    }

    /// A damaged base or a full disk is not the target's fault; a tree that does not fit is, in the end.
    fn stage_failed(&mut self, target: &Installed, fault: &Fault) -> Effect {
        let is_final = match fault.retry {
            Retry::Never => true,
            Retry::Later => false,
            Retry::Now if fault.code == code::BASE_DAMAGED => false,
            Retry::Now => {
                self.journal.attempts.failures = self.journal.attempts.failures.saturating_add(1);
                self.journal.attempts.failures >= self.policy.failures_max
            }
        };
        if is_final {
            return self.refuse(target, fault);
        }
        self.pause(fault.code.number);
        self.wait(self.policy.idle_s)
    }

    fn refuse(&mut self, target: &Installed, fault: &Fault) -> Effect {
        let code = fault.code.number;
        self.record(
            EventKind::Refused,
            Some(&target.release),
            Some(code),
            &fault.detail,
        );
        self.quarantine(target, code);
        self.journal.phase = Phase::Refused { code };
        self.journal.target = None;
        self.journal.order = None;
        self.journal.retry = Backoff::default();
        self.journal.blocked = Some(code);
        Effect::None
    }

    pub(super) fn quarantine(&mut self, left: &Installed, code: u16) {
        let release = &left.release;
        let wanted = self.facts.wanted.as_ref();
        let asked = wanted.filter(|wanted| wanted.is_same(release));
        let generation = asked.map_or(0, |wanted| wanted.generation);
        self.journal
            .quarantine
            .retain(|entry| entry.root != release.root || entry.settings != release.settings);
        self.journal.quarantine.push(Quarantined {
            root: release.root,
            settings: release.settings,
            generation: generation.max(release.generation),
            code,
        });
        let excess = self.journal.quarantine.len().saturating_sub(QUARANTINE_MAX);
        self.journal.quarantine.drain(..excess);
    }

    /// Room for `needed_bytes` and the reserve: old slots go first, else the update waits.
    fn make_room(&mut self, needed_bytes: u64) -> Option<Effect> {
        let needed_bytes = needed_bytes.saturating_add(self.policy.reserve_bytes);
        if self.facts.free_bytes >= needed_bytes {
            self.journal.blocked = None;
            return None;
        }
        if let Some(effect) = self.prune(true) {
            return Some(effect);
        }
        self.journal.blocked = Some(code::DISK_FULL.number);
        Some(self.wait(self.policy.idle_s))
    }
}
