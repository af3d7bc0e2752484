//! The switch and the probation. From here on the only ways are to commit and to take it back; a hold
//! or a newer assignment waits.

use sanaga_proto::code::{self, Retry};
use sanaga_proto::wire::receipt::EventKind;

use super::rest::RESTART_FIRST_S;
use super::{Seen, Turn};
use crate::update::effect::{Effect, EffectKind};
use crate::update::facts::{Fault, Order, Verdict};
use crate::update::journal::{Attempts, Backoff, Installed, Meter};
use crate::update::phase::Phase;

impl Turn<'_> {
    pub(super) fn activating(&mut self) -> Effect {
        let Some(target) = self.target_of_switch() else {
            return Effect::None;
        };
        if let Some(effect) = self.reason_to_leave(&target) {
            return effect;
        }
        let fault = self
            .fault(EffectKind::StopService)
            .or_else(|| self.fault(EffectKind::SwapCurrent))
            .cloned();
        if let Some(fault) = fault {
            // Once the data were touched, what is installed cannot simply run on.
            if !self.journal.swapped && !self.journal.data.is_touched {
                return self.back_to_armed(&fault);
            }
            if let Some(effect) = self.step_failed(&target, &fault) {
                return effect;
            }
            self.pause(fault.code.number);
        }
        if let Some(effect) = self.prepare_data(&target) {
            return effect;
        }
        self.note_swap(&target);
        let is_other = !self.facts.beside && self.see_service(&target) == Seen::Other;
        let is_linked = self.journal.swapped && self.facts.current == Some(target.slot);
        if (is_other || !is_linked) && self.left_s(&self.journal.retry) > 0 {
            return self.wait(self.policy.idle_s);
        }
        if is_other {
            return Effect::StopService;
        }
        if !is_linked {
            self.journal.attempts.swap = self.journal.attempts.swap.saturating_add(1);
            return Effect::SwapCurrent {
                to_slot: target.slot,
            };
        }
        match self.raise(&target) {
            Some(effect) => effect,
            None => {
                self.journal.phase = Phase::Probation;
                Effect::None
            }
        }
    }

    pub(super) fn probation(&mut self) -> Effect {
        let Some(target) = self.target_of_switch() else {
            return Effect::None;
        };
        if let Some(effect) = self.reason_to_leave(&target) {
            return effect;
        }
        if self.facts.current != Some(target.slot) {
            self.journal.phase = Phase::Activating;
            return self.activating();
        }
        if let Some(effect) = self.raise(&target) {
            return effect;
        }
        let before = self.journal.installed.as_ref();
        let before = before.filter(|before| self.is_present(before.slot));
        let to_slot = before.map(|before| before.slot);
        if let Some(effect) = self.rewrite_previous(to_slot) {
            return effect;
        }
        match self.facts.probe.clone() {
            Verdict::Failing { probe } => self.fail(&target, code::PROBE_FAILED, &probe),
            Verdict::Pending => {
                self.journal.soak.boot = None;
                self.look(target, self.policy.soak_s)
            }
            Verdict::Passing => self.soak(target),
        }
    }

    /// Adds healthy time. A stretch counts only as far as somebody looked.
    fn soak(&mut self, target: Installed) -> Effect {
        let soak = &mut self.journal.soak;
        if soak.boot.as_ref() == Some(&self.facts.boot) {
            let stretch_s = self.facts.uptime_s.saturating_sub(soak.mark_uptime_s);
            let seen_s = stretch_s.min(self.policy.probe_interval_s.saturating_mul(2));
            soak.total_s = soak.total_s.saturating_add(seen_s);
        }
        soak.boot = Some(self.facts.boot.clone());
        soak.mark_uptime_s = self.facts.uptime_s;
        let left_s = self.policy.soak_s.saturating_sub(soak.total_s);
        if left_s == 0 {
            return self.commit(target);
        }
        self.look(target, left_s)
    }

    fn look(&self, installed: Installed, left_s: u64) -> Effect {
        Effect::Probe {
            installed,
            seconds: self.policy.probe_interval_s.min(left_s).max(1),
        }
    }

    fn commit(&mut self, target: Installed) -> Effect {
        let outage = self.facts.outage_ms;
        let detail = outage.map_or_else(String::new, |ms| format!("no answer for {ms} ms"));
        self.record(EventKind::Committed, Some(&target.release), None, &detail);
        let before = self.journal.installed.take();
        // A damaged slot that was repaired by this update is no way back.
        if let Some(before) = before.filter(|before| self.is_sealed(before.slot)) {
            self.journal.previous = Some(before);
            // After a change of settings alone the data are still those of both.
            let data = &mut self.journal.data;
            data.previous = data.snapshot.filter(|_| data.is_taken);
        }
        self.journal.installed = Some(target);
        self.journal.phase = Phase::Committed;
        self.end_switch();
        Effect::None
    }

    /// Forgets what belonged to the switch that ended.
    pub(super) fn end_switch(&mut self) {
        self.journal.target = None;
        self.journal.order = None;
        self.journal.staged = false;
        self.journal.swapped = false;
        self.journal.attempts = Attempts::default();
        self.journal.soak = Meter::default();
        self.journal.retry = Backoff::default();
        self.journal.restart = Backoff::default();
        self.journal.blocked = None;
        self.journal.data.end_update();
        self.journal.settled = Meter {
            boot: Some(self.facts.boot.clone()),
            mark_uptime_s: self.facts.uptime_s,
            total_s: 0,
        };
    }

    fn target_of_switch(&mut self) -> Option<Installed> {
        let target = self.journal.target.clone();
        if target.is_none() {
            // A journal without a target has nothing to switch to.
            self.journal.phase = Phase::Idle;
        }
        target
    }

    /// An order to go back, or a slot that is gone.
    fn reason_to_leave(&mut self, target: &Installed) -> Option<Effect> {
        if self.journal.order == Some(Order::Rollback) {
            return Some(self.fail(target, code::ROLLED_BACK, "by the operator"));
        }
        if self.is_sealed(target.slot) {
            return None;
        }
        if self.journal.swapped || self.journal.data.is_touched {
            return Some(self.fail(target, code::DRIFT, "its slot is gone"));
        }
        self.journal.staged = false;
        self.journal.phase = Phase::Fetching;
        Some(Effect::None)
    }

    /// Takes note that `current` names the target for good: the replacement returned, or there was
    /// nothing to replace because only the settings change.
    fn note_swap(&mut self, target: &Installed) {
        let installed = self.journal.installed.as_ref();
        let same_slot = installed.is_some_and(|installed| installed.slot == target.slot);
        let in_place = self.facts.current == Some(target.slot);
        let is_swapped = in_place && (same_slot || self.is_done(EffectKind::SwapCurrent));
        if is_swapped && !self.journal.swapped {
            self.journal.swapped = true;
            self.record(EventKind::Activated, Some(&target.release), None, "");
        }
    }

    /// Brings the target's service up, within its bounds; none when it runs.
    fn raise(&mut self, target: &Installed) -> Option<Effect> {
        if let Some(fault) = self.fault(EffectKind::StartService).cloned()
            && let Some(effect) = self.step_failed(target, &fault)
        {
            return Some(effect);
        }
        match self.see_service(target) {
            Seen::Ours | Seen::Rising if !self.is_start_counted() => {
                Some(self.count_start(target).unwrap_or(Effect::None))
            }
            Seen::Ours => None,
            Seen::Rising => Some(Effect::Wait { seconds: 1 }),
            Seen::Other if !self.facts.beside => Some(Effect::StopService),
            Seen::Other | Seen::Down if self.left_s(&self.journal.retry) > 0 => {
                Some(self.wait(self.policy.idle_s))
            }
            Seen::Other | Seen::Down => Some(self.start(target)),
        }
    }

    fn start(&mut self, target: &Installed) -> Effect {
        if let Some(effect) = self.count_start(target) {
            return effect;
        }
        let max_s = self.policy.restart_max_s;
        self.journal.retry = self.lengthen(&self.journal.retry, RESTART_FIRST_S, max_s);
        Effect::StartService {
            installed: target.clone(),
        }
    }

    /// Whether a start was counted in this boot. The system may have started the service itself, and
    /// a release that brings the machine down must not come up uncounted.
    fn is_start_counted(&self) -> bool {
        self.journal.attempts.boot.as_ref() == Some(&self.facts.boot)
    }

    /// Counts a start before it is made; the way back when there were too many.
    fn count_start(&mut self, target: &Installed) -> Option<Effect> {
        let starts = self.journal.attempts.start;
        if starts >= self.policy.starts_max {
            let detail = format!("started {starts} times, and never ended its soak");
            return Some(self.fail(target, code::START_FAILED, &detail));
        }
        self.journal.attempts.start = starts.saturating_add(1);
        self.journal.attempts.boot = Some(self.facts.boot.clone());
        self.journal.soak.boot = None;
        if self.journal.data.is_taken {
            self.journal.data.is_touched = true;
            self.journal.data.is_started = true;
        }
        None
    }

    /// Counts a failure of a step after the swap; the way back when it is one too many.
    pub(super) fn step_failed(&mut self, target: &Installed, fault: &Fault) -> Option<Effect> {
        let attempts = &mut self.journal.attempts;
        attempts.failures = attempts.failures.saturating_add(1);
        if fault.retry == Retry::Never || attempts.failures >= self.policy.failures_max {
            return Some(self.fail(target, fault.code, &fault.detail));
        }
        None
    }
}
