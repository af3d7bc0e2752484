//! Data as the other half of a release: they are set aside when nothing runs, brought into the target's
//! form before it runs, and go back with the release that wrote them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sanaga_proto::code::{self, Retry};
use sanaga_proto::wire::receipt::EventKind;

use super::Turn;
use crate::update::effect::{Effect, EffectKind};
use crate::update::facts::{Fault, Service};
use crate::update::journal::{Back, BackData, DataNumber, Installed};
use crate::update::phase::Phase;

/// Sets that were left on ways back and are kept; the oldest go first.
const ASIDE_MAX: usize = 4;

impl Turn<'_> {
    /// Whether this update changes the code under data that are declared. New settings alone do not.
    pub(super) fn keeps_data(&self, target: &Installed) -> bool {
        let installed = self.journal.installed.as_ref();
        let same_slot = installed.is_some_and(|installed| installed.slot == target.slot);
        self.facts.data.is_declared && !same_slot
    }

    /// A number that no set ever had.
    pub(super) fn fresh_data_number(&mut self) -> DataNumber {
        let on_disk = self.facts.data.sets.last().copied().unwrap_or(0);
        let number = self.journal.data.last.max(on_disk).saturating_add(1);
        self.journal.data.last = number;
        number
    }

    /// The service is stopped, and what it keeps is set aside. A set counts only when the effect
    /// returned in this life and nothing was started since: one that is merely seen may be old.
    pub(super) fn snapshotting(&mut self) -> Effect {
        let target = match self.turn_of_target() {
            ControlFlow::Continue(target) => target,
            // The service is down: nothing is waited for before it is up again.
            ControlFlow::Break(_) if self.journal.phase == Phase::Held => return Effect::None,
            ControlFlow::Break(effect) => return effect,
        };
        let Some(number) = self.journal.data.snapshot else {
            // A journal without a number begins anew.
            self.journal.phase = Phase::Armed;
            return Effect::None;
        };
        if !self.holds_target(&target) {
            return self.stage_again();
        }
        let fault = self
            .fault(EffectKind::StopService)
            .or_else(|| self.fault(EffectKind::SnapshotData))
            .cloned();
        if let Some(fault) = fault {
            return self.back_to_armed(&fault);
        }
        if self.is_up() {
            return Effect::StopService;
        }
        if self.is_done(EffectKind::SnapshotData) {
            self.journal.data.is_taken = true;
            return self.enter_activating();
        }
        self.journal.attempts.snapshot = self.journal.attempts.snapshot.saturating_add(1);
        Effect::SnapshotData {
            number,
            from: self.journal.installed.clone(),
            target,
        }
    }

    /// Whether something runs or may come up again by itself.
    fn is_up(&self) -> bool {
        match self.facts.service {
            Service::NotDeclared | Service::Absent => false,
            Service::Starting { .. } | Service::Running { .. } => true,
            Service::Exited { .. } => !self.is_done(EffectKind::StopService),
        }
    }

    /// Between the set and the switch: what ran all the same is stopped, and the migration is run.
    /// None when the code may follow.
    pub(super) fn prepare_data(&mut self, target: &Installed) -> Option<Effect> {
        if !self.journal.data.is_taken || self.journal.swapped {
            return None;
        }
        if let Some(fault) = self.fault(EffectKind::Migrate).cloned() {
            return Some(self.fail(target, code::MIGRATION_FAILED, &fault.detail));
        }
        if self.is_up() {
            if !self.journal.data.is_touched {
                // The release before came up, and has perhaps written.
                self.journal.data.is_taken = false;
                self.journal.phase = Phase::Snapshotting;
            }
            return Some(Effect::StopService);
        }
        if self.is_done(EffectKind::Migrate) && !self.journal.data.is_migrated {
            self.journal.data.is_migrated = true;
            self.record(EventKind::Migrated, Some(&target.release), None, "");
        }
        if !self.facts.data.migrates || self.journal.data.is_migrated {
            return None;
        }
        Some(self.migrate(target))
    }

    /// Runs the migration, always from the data as they were set aside: half a migration is undone
    /// before it is run again.
    fn migrate(&mut self, target: &Installed) -> Effect {
        if let Some(fault) = self.fault(EffectKind::RestoreData).cloned() {
            if let Some(effect) = self.step_failed(target, &fault) {
                return effect;
            }
            self.pause(fault.code.number);
        }
        if self.is_done(EffectKind::RestoreData) {
            self.journal.data.is_touched = false;
        }
        if self.left_s(&self.journal.retry) > 0 {
            return self.wait(self.policy.idle_s);
        }
        let data = &mut self.journal.data;
        if let (true, Some(number)) = (data.is_touched, data.snapshot) {
            return Effect::RestoreData {
                number,
                aside: None,
            };
        }
        if data.migrations >= self.policy.starts_max {
            let detail = format!("begun {} times, and never ended", data.migrations);
            return self.fail(target, code::MIGRATION_FAILED, &detail);
        }
        data.migrations = data.migrations.saturating_add(1);
        data.is_touched = true;
        Effect::Migrate {
            target: target.clone(),
        }
    }

    /// What the data need on the way from the target back to `to`.
    pub(super) fn data_of_failure(&mut self, to: Option<&Installed>) -> Option<BackData> {
        let data = &self.journal.data;
        if !data.is_taken || !data.is_touched {
            return None;
        }
        let can_stay = data.is_migrated || !self.facts.data.migrates;
        let is_installed = to == self.journal.installed.as_ref();
        let restore = if is_installed {
            data.snapshot
        } else {
            data.previous
        };
        let is_started = data.is_started;
        let aside = is_started.then(|| self.fresh_data_number());
        Some(back_data(restore?, aside, can_stay))
    }

    /// What the data need on the operator's way from what is installed to `previous`.
    pub(super) fn data_of_leaving(&mut self) -> Option<BackData> {
        let restore = self.journal.data.previous?;
        let aside = self.fresh_data_number();
        Some(back_data(restore, Some(aside), true))
    }

    /// Brings the data back, with everything stopped; none when they are back or were never touched.
    pub(super) fn restore(&mut self, back: &Back) -> Option<Effect> {
        let data = back.data.as_ref().filter(|data| !data.is_restored)?;
        if self.is_up() {
            return Some(Effect::StopService);
        }
        if self.is_done(EffectKind::RestoreData) {
            if let Some(data) = self.data_on_way_back() {
                data.is_restored = true;
            }
            return None;
        }
        if self.left_s(&self.journal.retry) > 0 {
            return Some(self.wait(self.policy.idle_s));
        }
        Some(Effect::RestoreData {
            number: data.restore,
            aside: data.aside,
        })
    }

    /// Writes down what the data that were left have more, while the release before runs already.
    pub(super) fn export(&mut self, back: &Back) -> Option<Effect> {
        let data = back.data.as_ref()?;
        let aside = data.aside?;
        if data.is_exported {
            return None;
        }
        let mut is_over = self.is_done(EffectKind::ExportData);
        if let Some(fault) = self.fault(EffectKind::ExportData).cloned() {
            let failures = self.journal.attempts.failures.saturating_add(1);
            self.journal.attempts.failures = failures;
            self.pause(fault.code.number);
            // The set itself is kept; that must do.
            is_over = fault.retry == Retry::Never || failures >= self.policy.failures_max;
        }
        if is_over {
            if let Some(data) = self.data_on_way_back() {
                data.is_exported = true;
            }
            return None;
        }
        if self.left_s(&self.journal.retry) > 0 {
            return Some(self.wait(self.policy.idle_s));
        }
        Some(Effect::ExportData {
            base: data.restore,
            aside,
        })
    }

    fn data_on_way_back(&mut self) -> Option<&mut BackData> {
        self.journal.back.as_mut()?.data.as_mut()
    }

    /// The data do not come back. The release that was to be left goes on with them, if it can;
    /// otherwise nothing can run on them, and it is tried again and again.
    pub(super) fn data_stay(&mut self, back: &Back, fault: &Fault) -> Option<Effect> {
        let data = back.data.as_ref().filter(|data| !data.is_restored)?;
        let tries = self.journal.attempts.failures;
        if tries < self.policy.failures_max {
            return None;
        }
        if !data.can_stay {
            if tries == self.policy.failures_max {
                let code = Some(fault.code.number);
                let left = Some(&back.left.release);
                self.record(EventKind::NeedsHands, left, code, &fault.detail);
            }
            return None;
        }
        let code = fault.code.number;
        let left = Some(&back.left.release);
        self.record(EventKind::NeedsHands, left, Some(code), &fault.detail);
        if self.journal.installed.as_ref() != Some(&back.left) {
            // As if it were committed: its data are here, and those of the release before set aside.
            let before = self.journal.installed.replace(back.left.clone());
            self.journal.previous = before;
            self.journal.data.previous = Some(data.restore);
        }
        self.journal.back = None;
        self.end_switch();
        self.journal.phase = Phase::NeedsHands;
        self.journal.blocked = Some(code);
        Some(Effect::None)
    }

    /// Takes note of where the sets of a way back are from now on.
    pub(super) fn settle_data(&mut self, back: &Back, is_leaving_installed: bool) {
        let restored = back.data.as_ref().filter(|data| data.is_restored);
        let aside = restored.and_then(|data| data.aside);
        let data = &mut self.journal.data;
        if is_leaving_installed {
            data.previous = aside;
        } else if self.journal.previous.is_none() {
            data.previous = None;
        }
        data.aside.extend(aside);
        let excess = data.aside.len().saturating_sub(ASIDE_MAX);
        data.aside.drain(..excess);
    }

    /// Removes sets that nothing names. Those that were left on ways back go when a later update has
    /// settled.
    pub(super) fn prune_data(&mut self, is_settled: bool) -> Option<Effect> {
        if is_settled && self.journal.phase == Phase::Committed {
            self.journal.data.aside.clear();
        }
        let data = &self.journal.data;
        let back = self.journal.back.as_ref();
        let back = back.and_then(|back| back.data.as_ref());
        let named: BTreeSet<DataNumber> = [
            data.snapshot,
            data.previous,
            back.map(|back| back.restore),
            back.and_then(|back| back.aside),
        ]
        .into_iter()
        .flatten()
        .chain(data.aside.iter().copied())
        .collect();
        let numbers: Vec<DataNumber> = self.facts.data.sets.difference(&named).copied().collect();
        if numbers.is_empty() || self.left_s(&self.journal.upkeep) > 0 {
            return None;
        }
        self.count_upkeep();
        Some(Effect::PruneData { numbers })
    }
}

fn back_data(restore: DataNumber, aside: Option<DataNumber>, can_stay: bool) -> BackData {
    BackData {
        restore,
        aside,
        can_stay,
        is_restored: false,
        is_exported: false,
    }
}

#[cfg(test)]
mod tests;
