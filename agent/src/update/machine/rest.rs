//! At rest: what is installed is kept running, links and slots are kept tidy, and a new wish begins
//! an update.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::wire::receipt::EventKind;

use super::{Seen, Turn};
use crate::update::effect::{Effect, EffectKind};
use crate::update::facts::{Order, Seal, Verdict};
use crate::update::journal::{Attempts, Backoff, Installed, Meter, Release, SlotNumber};
use crate::update::phase::Phase;
use crate::update::policy::Reach;

/// The first pause before a service that ended is started once more, seconds.
pub(super) const RESTART_FIRST_S: u64 = 1;
/// A running meter is stored when so much has been added, seconds, to spare the flash.
const METER_STEP_S: u64 = 3_600;

impl Turn<'_> {
    pub(super) fn rest(&mut self) -> Effect {
        self.note_unreadable_data();
        if let Some(effect) = self.keep_running() {
            return effect;
        }
        if self.journal.order == Some(Order::Rollback) {
            return self.leave_installed();
        }
        if let Some(release) = self.pick() {
            return self.begin(release);
        }
        self.end_of_update();
        if self.journal.phase == Phase::NeedsHands {
            return self.wait_for_hands();
        }
        if let Some(effect) = self.tidy() {
            return effect;
        }
        self.wait(self.policy.idle_s)
    }

    /// The installed release cannot read its data, and is not started: somebody must come.
    fn note_unreadable_data(&mut self) {
        let fault = self.fault(EffectKind::StartService).cloned();
        let Some(fault) = fault.filter(|fault| fault.code == code::SCHEMA_TOO_NEW) else {
            return;
        };
        let number = fault.code.number;
        if self.journal.phase != Phase::NeedsHands {
            let installed = self.journal.installed.clone();
            let release = installed.as_ref().map(|installed| &installed.release);
            let kind = EventKind::NeedsHands;
            self.record(kind, release, Some(number), &fault.detail);
            self.journal.phase = Phase::NeedsHands;
        }
        self.journal.blocked = Some(number);
    }

    /// Keeps the installed release running and `current` on it, in every phase in which no switch is
    /// under way. Tries are counted before they start; between them other work goes on.
    pub(super) fn keep_running(&mut self) -> Option<Effect> {
        let home = self.home()?;
        let restart_due = self.left_s(&self.journal.restart) == 0;
        match self.see_service(&home) {
            Seen::Ours => {
                if self.journal.restart.tries > 0 && restart_due {
                    self.journal.restart = Backoff::default();
                }
            }
            Seen::Rising => {}
            Seen::Other if restart_due && !self.facts.beside => {
                self.count_restart();
                return Some(Effect::StopService);
            }
            Seen::Other | Seen::Down if restart_due => {
                self.count_restart();
                return Some(Effect::StartService { installed: home });
            }
            Seen::Other | Seen::Down => {}
        }
        let link_due = self.left_s(&self.journal.upkeep) == 0;
        if self.facts.current != Some(home.slot) && link_due {
            self.count_upkeep();
            return Some(Effect::SwapCurrent { to_slot: home.slot });
        }
        None
    }

    /// The release that is to run at rest. When its slot is gone the one before takes its place.
    fn home(&mut self) -> Option<Installed> {
        let installed = self.journal.installed.clone()?;
        if self.is_present(installed.slot) {
            return Some(installed);
        }
        let slot = self.journal.previous.as_ref()?.slot;
        if !self.is_present(slot) {
            return None;
        }
        let previous = self.journal.previous.take();
        self.journal.installed.clone_from(&previous);
        self.record(
            EventKind::Alarm,
            Some(&installed.release),
            Some(code::DRIFT.number),
            "its slot is gone; the release before runs",
        );
        previous
    }

    fn count_restart(&mut self) {
        let max_s = self.policy.restart_max_s;
        self.journal.restart = self.lengthen(&self.journal.restart, RESTART_FIRST_S, max_s);
    }

    pub(super) fn count_upkeep(&mut self) {
        let (first_s, max_s) = (self.policy.retry_first_s, self.policy.retry_max_s);
        self.journal.upkeep = self.lengthen(&self.journal.upkeep, first_s, max_s);
    }

    /// The release that an update should begin for, if any.
    pub(super) fn pick(&self) -> Option<Release> {
        let wanted = self.facts.wanted.as_ref()?;
        let wanted_now = self.reach() >= Reach::Fetch
            && !self.is_installed(wanted)
            && self.journal.quarantined(wanted).is_none();
        wanted_now.then(|| wanted.clone())
    }

    pub(super) fn is_installed(&self, wanted: &Release) -> bool {
        let installed = self.journal.installed.as_ref();
        installed.is_some_and(|installed| {
            installed.release.is_same(wanted) && self.is_sealed(installed.slot)
        })
    }

    fn begin(&mut self, release: Release) -> Effect {
        let slot = self.slot_for(&release);
        self.journal.next_slot = self.journal.next_slot.max(slot.saturating_add(1));
        self.journal
            .quarantine
            .retain(|entry| entry.root != release.root || entry.settings != release.settings);
        self.journal.target = Some(Installed { release, slot });
        self.journal.back = None;
        self.journal.staged = false;
        self.journal.swapped = false;
        self.journal.attempts = Attempts::default();
        self.journal.retry = Backoff::default();
        self.journal.blocked = None;
        self.journal.phase = Phase::Fetching;
        Effect::None
    }

    /// The slot of the installed or the previous release, if it is the same code; else a number that
    /// was never used. Other slots with the same tree are there to be copied from.
    fn slot_for(&self, release: &Release) -> SlotNumber {
        let holds = |slot: &SlotNumber| matches!(self.facts.slots.get(slot), Some(Seal::Sealed(found)) if found.is_same_code(release));
        self.known_slots()
            .find(holds)
            .unwrap_or_else(|| self.fresh_slot())
    }

    /// The slots of the installed and the previous release.
    pub(super) fn known_slots(&self) -> impl Iterator<Item = SlotNumber> + '_ {
        let known = [&self.journal.installed, &self.journal.previous];
        known.into_iter().flatten().map(|known| known.slot)
    }

    /// A number that was never used.
    pub(super) fn fresh_slot(&self) -> SlotNumber {
        let used = self.known_slots().chain(self.facts.slots.keys().copied());
        let used = used.max().unwrap_or(0);
        self.journal.next_slot.max(used.saturating_add(1))
    }

    /// Nothing is left to do: takes note of a newer assignment of what is installed.
    fn end_of_update(&mut self) {
        let Some(wanted) = self.facts.wanted.as_ref() else {
            return;
        };
        if !self.is_installed(wanted) {
            return;
        }
        if let Some(installed) = self.journal.installed.as_mut() {
            installed.release.clone_from(wanted);
        }
        match self.journal.phase {
            Phase::RolledBack | Phase::Superseded | Phase::Refused { .. } => {
                self.journal.phase = Phase::Idle;
                self.journal.blocked = None;
                self.journal.order = None;
            }
            Phase::Idle
            | Phase::Fetching
            | Phase::Staged
            | Phase::Armed
            | Phase::Snapshotting
            | Phase::Activating
            | Phase::Probation
            | Phase::Committed
            | Phase::RollingBack
            | Phase::Held
            | Phase::NeedsHands => {}
        }
    }

    /// Somebody must come, unless the release recovers: then the way back has ended after all.
    fn wait_for_hands(&mut self) -> Effect {
        let Some(home) = self.journal.installed.clone() else {
            return self.wait(self.policy.idle_s);
        };
        let is_well = self.see_service(&home) == Seen::Ours && self.facts.probe == Verdict::Passing;
        if is_well && self.facts.current == Some(home.slot) {
            return self.end_way_back();
        }
        Effect::Probe {
            installed: home,
            seconds: self.policy.probe_interval_s.max(1),
        }
    }

    /// Puts `previous` right and removes slots that nothing needs.
    fn tidy(&mut self) -> Option<Effect> {
        let to_slot = self.journal.previous.as_ref().map(|previous| previous.slot);
        if let Some(effect) = self.rewrite_previous(to_slot) {
            return Some(effect);
        }
        let is_old = self.is_settled();
        self.prune(is_old).or_else(|| self.prune_data(is_old))
    }

    /// Rewrites `previous` when it is wrong and no pause is on.
    pub(super) fn rewrite_previous(&mut self, to_slot: Option<SlotNumber>) -> Option<Effect> {
        let kept = [
            EffectKind::RewritePrevious,
            EffectKind::Prune,
            EffectKind::PruneData,
        ];
        if kept.into_iter().any(|kind| self.is_done(kind)) {
            self.journal.upkeep = Backoff::default();
        }
        if self.facts.previous == to_slot || self.left_s(&self.journal.upkeep) > 0 {
            return None;
        }
        self.count_upkeep();
        Some(Effect::RewritePrevious { to_slot })
    }

    /// Removes slots that nothing names; whole ones only when `with_sealed`.
    pub(super) fn prune(&mut self, with_sealed: bool) -> Option<Effect> {
        let slots: Vec<SlotNumber> = self
            .unnamed_slots()
            .into_iter()
            .filter(|slot| with_sealed || !self.is_sealed(*slot))
            .collect();
        if slots.is_empty() || self.left_s(&self.journal.upkeep) > 0 {
            return None;
        }
        self.count_upkeep();
        Some(Effect::Prune { slots })
    }

    /// Slots that neither the journal nor a link on disk names.
    fn unnamed_slots(&self) -> BTreeSet<SlotNumber> {
        let journal = &self.journal;
        let back = journal.back.as_ref();
        let named = [
            journal.installed.as_ref(),
            journal.previous.as_ref(),
            journal.target.as_ref(),
            back.and_then(|back| back.to.as_ref()),
            back.map(|back| &back.left),
        ];
        let named: BTreeSet<SlotNumber> = named
            .into_iter()
            .flatten()
            .map(|release| release.slot)
            .chain(self.facts.current)
            .chain(self.facts.previous)
            .collect();
        let on_disk = self.facts.slots.keys().copied();
        on_disk.filter(|slot| !named.contains(slot)).collect()
    }

    /// Whether the last switch is so long ago that slots from before it may go. The meter runs only
    /// while there is such a slot.
    fn is_settled(&mut self) -> bool {
        let has_aside =
            self.journal.phase == Phase::Committed && !self.journal.data.aside.is_empty();
        let is_due = self
            .unnamed_slots()
            .iter()
            .any(|slot| self.is_sealed(*slot));
        if !is_due && !has_aside {
            return false;
        }
        let meter = &self.journal.settled;
        let same_boot = meter.boot.as_ref() == Some(&self.facts.boot);
        let mark_s = if same_boot { meter.mark_uptime_s } else { 0 };
        let stretch_s = self.facts.uptime_s.saturating_sub(mark_s);
        let total_s = meter.total_s.saturating_add(stretch_s);
        if !same_boot || stretch_s >= METER_STEP_S {
            self.journal.settled = Meter {
                boot: Some(self.facts.boot.clone()),
                mark_uptime_s: self.facts.uptime_s,
                total_s,
            };
        }
        total_s >= self.policy.keep_s
    }
}
