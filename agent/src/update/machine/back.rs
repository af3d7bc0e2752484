//! The way back: the release before takes the place of one that failed or that the operator leaves.
//! It needs no network, no clock and no metadata, and nothing that is not on the disk already.

use sanaga_proto::code::{self, Code};
use sanaga_proto::wire::receipt::EventKind;

use super::{Seen, Turn};
use crate::update::effect::{Effect, EffectKind};
use crate::update::facts::{Service, Verdict};
use crate::update::journal::{Attempts, Back, Backoff, Installed, Meter};
use crate::update::phase::Phase;

/// What is left of a cause in a detail that has more to say, characters.
const CAUSE_CHARS_MAX: usize = 100;

impl Turn<'_> {
    /// Takes the target back because of `code`.
    pub(super) fn fail(&mut self, target: &Installed, code: Code, detail: &str) -> Effect {
        let was_installed = self.journal.installed.is_some();
        let candidates = [&self.journal.installed, &self.journal.previous];
        let to = candidates
            .into_iter()
            .flatten()
            .find(|to| self.is_present(to.slot))
            .cloned();
        let is_lost = was_installed && to.is_none();
        let data = if is_lost {
            None
        } else {
            self.data_of_failure(to.as_ref())
        };
        let back = Back {
            to: if is_lost { Some(target.clone()) } else { to },
            left: target.clone(),
            code: code.number,
            detail: detail.to_owned(),
            data,
        };
        self.enter_way_back(back);
        if is_lost {
            // Nothing else is on the disk; what runs badly is better than nothing.
            return self.need_hands(code.number, "no release to go back to is on the disk");
        }
        self.rolling_back()
    }

    /// Leaves what is installed for `previous`, because the operator says so.
    pub(super) fn leave_installed(&mut self) -> Effect {
        let to = self.journal.previous.clone();
        let to = to.filter(|to| self.is_present(to.slot));
        let (Some(to), Some(left)) = (to, self.journal.installed.clone()) else {
            self.journal.order = None;
            return Effect::None;
        };
        let data = self.data_of_leaving();
        self.enter_way_back(Back {
            to: Some(to),
            left,
            code: code::ROLLED_BACK.number,
            detail: "by the operator".to_owned(),
            data,
        });
        self.rolling_back()
    }

    fn enter_way_back(&mut self, back: Back) {
        // Only the settings change back: there is no link to replace.
        let same_slot = back.to.as_ref().map(|to| to.slot) == Some(back.left.slot);
        self.journal.swapped = same_slot && self.facts.current == Some(back.left.slot);
        self.journal.back = Some(back);
        self.journal.phase = Phase::RollingBack;
        self.journal.attempts = Attempts::default();
        self.journal.soak = Meter::default();
        self.journal.retry = Backoff::default();
        self.journal.blocked = None;
        self.journal.order = None;
    }

    pub(super) fn rolling_back(&mut self) -> Effect {
        let Some(back) = self.journal.back.clone() else {
            // A journal without a way back has nowhere to go.
            self.journal.phase = Phase::Idle;
            return Effect::None;
        };
        let fault = [
            EffectKind::StopService,
            EffectKind::RestoreData,
            EffectKind::SwapCurrent,
            EffectKind::RemoveCurrent,
            EffectKind::StartService,
        ]
        .into_iter()
        .find_map(|kind| self.fault(kind).cloned());
        if let Some(fault) = fault {
            let failures = self.journal.attempts.failures.saturating_add(1);
            self.journal.attempts.failures = failures;
            self.pause(fault.code.number);
            if let Some(effect) = self.data_stay(&back, &fault) {
                return effect;
            }
            let is_data_back = back.data.as_ref().is_none_or(|data| data.is_restored);
            if failures >= self.policy.failures_max && back.to.is_some() && is_data_back {
                return self.need_hands(fault.code.number, &fault.detail);
            }
        }
        if let Some(effect) = self.restore(&back) {
            return effect;
        }
        match back.to {
            None => self.back_to_nothing(),
            Some(to) => self.back_to(&to),
        }
    }

    /// A first installation is taken back: nothing runs, and `current` names nothing.
    fn back_to_nothing(&mut self) -> Effect {
        if self.left_s(&self.journal.retry) > 0 {
            return self.wait(self.policy.idle_s);
        }
        let is_swapped = self.is_done(EffectKind::RemoveCurrent);
        self.journal.swapped = self.journal.swapped || is_swapped;
        match self.facts.service {
            Service::Running { .. } | Service::Starting { .. } => return Effect::StopService,
            Service::NotDeclared | Service::Absent | Service::Exited { .. } => {}
        }
        if !self.journal.swapped || self.facts.current.is_some() {
            return Effect::RemoveCurrent;
        }
        if let Some(effect) = self.export_on_way_back() {
            return effect;
        }
        self.settle_way_back();
        self.end_way_back()
    }

    fn back_to(&mut self, to: &Installed) -> Effect {
        if !self.is_present(to.slot) {
            return self.need_hands(code::DRIFT.number, "the release to go back to is gone");
        }
        if self.is_done(EffectKind::SwapCurrent) && self.facts.current == Some(to.slot) {
            self.journal.swapped = true;
        }
        let is_paused = self.left_s(&self.journal.retry) > 0;
        let is_linked = self.journal.swapped && self.facts.current == Some(to.slot);
        let seen = self.see_service(to);
        if seen == Seen::Other && !is_paused && !self.facts.beside {
            return Effect::StopService;
        }
        if !is_linked && !is_paused {
            self.journal.attempts.swap = self.journal.attempts.swap.saturating_add(1);
            return Effect::SwapCurrent { to_slot: to.slot };
        }
        if let Some(effect) = self.raise_back(to, seen, is_linked) {
            return effect;
        }
        if let Some(effect) = self.export_on_way_back() {
            return effect;
        }
        match self.facts.probe.clone() {
            Verdict::Passing if is_linked => {
                self.settle_way_back();
                self.end_way_back()
            }
            Verdict::Failing { probe } if is_linked => {
                self.need_hands(code::PROBE_FAILED.number, &probe)
            }
            Verdict::Passing | Verdict::Failing { .. } | Verdict::Pending => Effect::Probe {
                installed: to.clone(),
                seconds: self.policy.probe_interval_s.max(1),
            },
        }
    }

    fn export_on_way_back(&mut self) -> Option<Effect> {
        let back = self.journal.back.clone()?;
        self.export(&back)
    }

    /// Brings the release before up. It may run before `current` names it again: when the link cannot
    /// be replaced (a full disk), the site works all the same.
    fn raise_back(&mut self, to: &Installed, seen: Seen, is_linked: bool) -> Option<Effect> {
        let is_paused = self.left_s(&self.journal.retry) > 0;
        match seen {
            Seen::Ours => None,
            Seen::Rising => Some(Effect::Wait { seconds: 1 }),
            Seen::Other if !self.facts.beside => Some(self.wait(self.policy.idle_s)),
            Seen::Other | Seen::Down if is_paused && is_linked => {
                Some(self.wait(self.policy.idle_s))
            }
            Seen::Other | Seen::Down if self.fault(EffectKind::StartService).is_some() => {
                Some(self.wait(self.policy.idle_s))
            }
            Seen::Other | Seen::Down => {
                let starts = self.journal.attempts.start_back;
                if starts >= self.policy.starts_back_max {
                    let detail = format!("started {starts} times on the way back");
                    return Some(self.need_hands(code::START_FAILED.number, &detail));
                }
                self.journal.attempts.start_back = starts.saturating_add(1);
                Some(Effect::StartService {
                    installed: to.clone(),
                })
            }
        }
    }

    /// Makes the release before the installed one, and quarantines the one that is left.
    fn settle_way_back(&mut self) {
        let Some(back) = self.journal.back.clone() else {
            return;
        };
        let is_leaving_installed = self.journal.installed.as_ref() == Some(&back.left);
        if is_leaving_installed {
            self.journal.previous = Some(back.left.clone());
        } else if self.journal.previous == back.to {
            self.journal.previous = None;
        }
        self.settle_data(&back, is_leaving_installed);
        self.quarantine(&back.left, back.code);
        if let Some(to) = &back.to {
            // Whoever goes back to what was set aside has decided anew.
            let to = &to.release;
            self.journal
                .quarantine
                .retain(|entry| entry.root != to.root || entry.settings != to.settings);
        }
        self.journal.installed.clone_from(&back.to);
        self.end_switch();
    }

    /// The way back has ended well.
    pub(super) fn end_way_back(&mut self) -> Effect {
        if let Some(back) = self.journal.back.take() {
            let to = back.to.as_ref().map_or_else(
                || "to nothing".to_owned(),
                |to| format!("to {}", to.release.version),
            );
            let mut detail = if back.detail.is_empty() {
                to
            } else {
                format!("{to}: {}", back.detail)
            };
            if let Some(exported) = &self.facts.data.exported {
                // A long cause must not hide where the rows are.
                detail = detail.chars().take(CAUSE_CHARS_MAX).collect();
                detail = format!("{detail}; {exported}");
            }
            self.record(
                EventKind::RolledBack,
                Some(&back.left.release),
                Some(back.code),
                &detail,
            );
        }
        self.journal.phase = Phase::RolledBack;
        Effect::None
    }

    /// The way back does not work. What is to run is kept running from here on, as at rest.
    fn need_hands(&mut self, code: u16, detail: &str) -> Effect {
        let left = self
            .journal
            .back
            .as_ref()
            .map(|back| back.left.release.clone());
        self.record(EventKind::NeedsHands, left.as_ref(), Some(code), detail);
        self.settle_way_back();
        self.journal.phase = Phase::NeedsHands;
        self.journal.blocked = Some(code);
        Effect::None
    }
}
