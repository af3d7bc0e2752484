//! What must hold at every moment, and at the end of every story.

use std::collections::BTreeSet;

use sanaga_proto::wire::receipt::EventKind;

use super::disk::Rows;
use super::explore::{Life, Search, VIOLATIONS_MAX};
use super::scenario::Keeping;
use super::world::form;
use crate::update::effect::{EffectKind, Occurrence};
use crate::update::journal::{DataNumber, SlotNumber};
use crate::update::phase::Phase;

impl Search<'_> {
    /// An effect begins, and not too often. What brings the machine down is bounded by the count that
    /// the journal keeps; all else by the cuts, each of which may repeat it once.
    pub(super) fn count(&mut self, life: &mut Life, kind: EffectKind) {
        let world = &mut life.world;
        let done = &mut world.done;
        let phase = world.journal.phase;
        let is_target = matches!(phase, Phase::Activating | Phase::Probation);
        let is_back = phase == Phase::RollingBack;
        let done = match kind {
            EffectKind::Fetch => &mut done.fetch,
            EffectKind::Stage => &mut done.stage,
            EffectKind::SwapCurrent if is_target || is_back => &mut done.swap,
            EffectKind::StartService if is_target => &mut done.start,
            EffectKind::StartService if is_back => &mut done.start_back,
            EffectKind::None
            | EffectKind::Wait
            | EffectKind::SnapshotData
            | EffectKind::Migrate
            | EffectKind::RestoreData
            | EffectKind::ExportData
            | EffectKind::PruneData
            | EffectKind::StopService
            | EffectKind::SwapCurrent
            | EffectKind::RemoveCurrent
            | EffectKind::StartService
            | EffectKind::Probe
            | EffectKind::RewritePrevious
            | EffectKind::Prune => return,
        };
        *done += 1;
        let done = *done;
        let failures = self
            .scenario
            .failing
            .map_or(0, |failing| u32::from(failing.times));
        let most = if self.scenario.poison.is_empty() {
            1 + life.world.interruptions + failures
        } else {
            self.policy.starts_max
        };
        if done > most {
            self.violation(
                life,
                &format!("{kind:?} was begun {done} times, more than {most}"),
            );
        }
    }

    pub(super) fn write_receipts(&mut self, life: &mut Life, events: &[Occurrence]) {
        for event in events {
            let Some(release) = event.release.as_ref() else {
                continue;
            };
            let (code, settings) = (release.root.0[0], release.settings.0[0]);
            let key = (event.kind, code, settings, release.generation);
            let times = life.world.receipts.entry(key).or_default();
            *times += 1;
            if *times > 1 {
                let what = event.kind.as_str();
                self.violation(life, &format!("the receipt `{what}` was written twice"));
            }
            let is_blame = matches!(
                event.kind,
                EventKind::RolledBack
                    | EventKind::Refused
                    | EventKind::NeedsHands
                    | EventKind::Alarm
            );
            if is_blame && !self.scenario.is_blame_due {
                let what = event.kind.as_str();
                self.violation(life, &format!("`{what}` because of a cut alone"));
            }
        }
    }

    /// The site can run a whole release at this moment, and has one to go back to.
    pub(super) fn check_disk(&mut self, life: &Life) {
        let disk = life.world.disk.seen();
        let journal = &life.world.journal;
        if let Some(slot) = disk.current.filter(|slot| !disk.is_whole(*slot)) {
            self.violation(
                life,
                &format!("`current` names slot {slot}, which is not whole"),
            );
        }
        if disk.current.is_none() && journal.installed.is_some() {
            self.violation(life, "`current` names nothing");
        }
        let kept = [&journal.installed, &journal.previous];
        for kept in kept.into_iter().flatten() {
            if !disk.is_whole(kept.slot) {
                let what = format!("slot {} is not whole, and is needed", kept.slot);
                self.violation(life, &what);
            }
        }
    }

    /// Everything that runs is about to be stopped: never, where releases run beside each other and
    /// something is installed. Only a power cut leaves such a site without an answer.
    pub(super) fn check_stop(&mut self, life: &Life) {
        let world = &life.world;
        let is_installed = world.journal.installed.is_some();
        if self.scenario.is_beside && is_installed && world.running.is_some() {
            self.violation(life, "nothing answers while one release replaces the other");
        }
    }

    /// Another instance is about to answer: it must be a healthy one.
    pub(super) fn check_take_over(&mut self, life: &Life) {
        let world = &life.world;
        let is_healthy = world
            .other
            .is_some_and(|other| !world.is_bad(self.scenario, other.slot, other.settings));
        if !is_healthy {
            self.violation(life, "an instance answers that is not healthy");
        }
    }

    /// A code starts: its rows are in its form, and they are those that it wrote last.
    pub(super) fn check_start(&mut self, life: &Life, slot: SlotNumber) {
        let world = &life.world;
        let disk = world.disk.seen();
        let code = disk.trees.get(&slot).map(|tree| tree.code);
        let Some(code) = code.filter(|_| self.scenario.data != Keeping::Nothing) else {
            return;
        };
        let rows = disk.rows;
        let is_new = rows == Rows::default() && world.wrote.is_empty();
        let fits = rows.form == form(self.scenario, code) && !rows.is_half;
        if !fits && !is_new {
            self.violation(life, &format!("code {code} starts on rows {rows:?}"));
        }
        if let Some(wrote) = world.wrote.get(&code).filter(|wrote| **wrote != rows.write) {
            let what = format!("code {code} starts on rows {rows:?}, and wrote {wrote} last");
            self.violation(life, &what);
        }
    }

    /// A migration begins: the rows are whole, and in the form of what is installed.
    pub(super) fn check_migration(&mut self, life: &Life, rows: Rows) {
        let installed = life.world.journal.installed.as_ref();
        let from = installed.map_or(0, |installed| {
            form(self.scenario, installed.release.root.0[0])
        });
        if rows.is_half || rows.form != from {
            self.violation(life, &format!("a migration begins on rows {rows:?}"));
        }
    }

    /// At the end code and rows are a pair, and nothing is kept that nobody needs.
    fn check_data(&mut self, life: &Life) {
        if self.scenario.data == Keeping::Nothing {
            return;
        }
        let (disk, journal) = (life.world.disk.seen(), &life.world.journal);
        let installed = journal.installed.as_ref();
        let due = installed.map_or(0, |installed| {
            form(self.scenario, installed.release.root.0[0])
        });
        let rows = disk.rows;
        if rows.is_half || rows.form != due {
            self.violation(life, &format!("at the end the rows are {rows:?}"));
        }
        let data = &journal.data;
        let named = data
            .previous
            .iter()
            .chain(&data.aside)
            .chain(&data.snapshot);
        let named: BTreeSet<DataNumber> = named.copied().collect();
        let kept: BTreeSet<DataNumber> = disk.sets.keys().copied().collect();
        if named != kept {
            let what = format!("at the end sets {kept:?} are kept, and {named:?} are named");
            self.violation(life, &what);
        }
    }

    /// The story ended as it must.
    pub(super) fn check_end(&mut self, life: &Life) {
        self.check_data(life);
        let world = &life.world;
        let (journal, disk) = (&world.journal, world.disk.seen());
        let installed = journal.installed.as_ref();
        let end = installed
            .map(|installed| (installed.release.root.0[0], installed.release.settings.0[0]));
        if world.script < self.scenario.script.len() {
            self.violation(life, &format!("it rests in {}, too early", journal.phase));
        } else if end != self.scenario.end || journal.phase != self.scenario.end_phase {
            let what = format!("it ends with {end:?} in {}", journal.phase);
            self.violation(life, &what);
        }
        let slot = installed.map(|installed| installed.slot);
        let running = world
            .running
            .map(|running| (running.slot, running.settings));
        let is_right = running.map(|(slot, _)| slot) == slot
            && running.map(|(_, settings)| settings) == end.map(|(_, settings)| settings);
        if !is_right || disk.current != slot {
            self.violation(life, &format!("at the end {running:?} runs"));
        }
        let previous = journal.previous.as_ref().map(|previous| previous.slot);
        if disk.previous != previous && journal.phase != Phase::NeedsHands {
            self.violation(life, "at the end `previous` is wrong");
        }
        let placed = disk.trees.values().filter(|tree| tree.placed).count();
        if placed > 2 && journal.phase != Phase::NeedsHands {
            self.violation(life, &format!("at the end {placed} slots are kept"));
        }
    }

    pub(super) fn violation(&mut self, life: &Life, what: &str) {
        self.found += 1;
        if self.found > VIOLATIONS_MAX {
            return;
        }
        let mut lines = Vec::new();
        let mut at = life.trail.as_ref();
        while let Some(trail) = at {
            lines.push(trail.line.as_str());
            at = trail.before.as_ref();
        }
        lines.reverse();
        let name = &self.scenario.name;
        let violation = format!("{name}: {what}\n    {}", lines.join("\n    "));
        self.report.violations.push(violation);
    }
}
