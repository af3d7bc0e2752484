//! How an effect is performed: the small steps that `sanaga-durable` and the service keeper take,
//! each of which a cut may precede.

use std::rc::Rc;

use super::Sabotage;
use super::disk::{Change, CodeId, Disk, Rows, Sync};
use super::scenario::{Keeping, Scenario};
use super::world::{FRAMES, Running, Stored, World, form};
use crate::update::effect::{Decision, Effect, EffectKind, Occurrence};
use crate::update::journal::{DataNumber, Installed, Journal, SlotNumber, Target};
use crate::update::phase::Phase;

/// One step.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The database commits the journal and the receipts.
    Store(Stored, Rc<[Occurrence]>),
    /// The operator has the answer.
    Answered,
    /// An effect begins.
    Begin(EffectKind),
    /// The disk changes, as every program sees at once.
    Change(Change),
    /// A slot is moved aside for removal.
    Remove(SlotNumber),
    /// A part of what changed is made to last.
    Sync(Sync),
    /// The service comes up.
    Start { slot: SlotNumber, settings: u8 },
    /// The service ends, every instance of it.
    Stop,
    /// An instance comes up beside the one that answers.
    Beside { slot: SlotNumber, settings: u8 },
    /// The other instance answers from now on.
    TakeOver,
    /// The other instance ends.
    GiveUp,
    /// A migration begins.
    Migrating { rows: Rows },
    /// Time passes.
    Sleep(u64),
    /// An effect ends, well or not.
    End(EffectKind, bool),
}

impl Step {
    /// What it does to the world.
    pub(super) fn take(&self, world: &mut World, scenario: &Scenario) {
        match self {
            Self::Store(journal, _) => world.store(journal),
            Self::Answered => world.order = None,
            Self::Begin(kind) => world.use_up_failure(scenario, *kind),
            Self::Change(change) => world.disk.change(*change),
            Self::Remove(slot) => world.disk.change(Change::Remove { slot: *slot }),
            Self::Sync(sync) => world.disk.sync(*sync),
            Self::Start { slot, settings } => {
                world.running = Some(Running {
                    slot: *slot,
                    settings: *settings,
                    since_s: world.uptime_s,
                });
                let code = world.disk.seen().trees.get(slot).map(|tree| tree.code);
                if let Some(code) = code.filter(|_| scenario.data != Keeping::Nothing) {
                    world.write_rows(scenario, code);
                }
            }
            Self::Stop => (world.running, world.other) = (None, None),
            Self::Beside { slot, settings } => {
                world.other = Some(Running {
                    slot: *slot,
                    settings: *settings,
                    since_s: world.uptime_s,
                });
            }
            Self::TakeOver => std::mem::swap(&mut world.running, &mut world.other),
            Self::GiveUp => world.other = None,
            Self::Migrating { .. } => {}
            Self::Sleep(seconds) => {
                world.uptime_s += seconds;
                world.last = None;
            }
            Self::End(kind, is_well) => world.last = Some((*kind, *is_well)),
        }
    }
}

/// The steps of a decision, in order.
pub(super) fn steps(
    world: &World,
    scenario: &Scenario,
    decision: &Decision,
    sabotage: Option<Sabotage>,
) -> Vec<Step> {
    let effect = Performer {
        world,
        scenario,
        sabotage,
    }
    .perform(decision);
    let is_changed = decision.journal != *world.journal || !decision.events.is_empty();
    let store =
        |journal: Journal, events: &[Occurrence]| Step::Store(Stored::new(journal), events.into());
    let mut intent = Vec::new();
    let mut after = Vec::new();
    match sabotage {
        Some(Sabotage::NoIntent) if is_changed => {
            after.push(store(decision.journal.clone(), &decision.events));
        }
        Some(Sabotage::LateCount) if is_changed => {
            let mut uncounted = decision.journal.clone();
            if uncounted.phase == world.journal.phase {
                uncounted.attempts.clone_from(&world.journal.attempts);
            }
            intent.push(store(uncounted, &decision.events));
            after.push(store(decision.journal.clone(), &[]));
        }
        Some(_) | None if is_changed => {
            intent.push(store(decision.journal.clone(), &decision.events));
        }
        Some(_) | None => {}
    }
    if decision.answer.is_some() {
        let answered = if intent.is_empty() {
            &mut after
        } else {
            &mut intent
        };
        answered.push(Step::Answered);
    }
    intent.into_iter().chain(effect).chain(after).collect()
}

struct Performer<'a> {
    world: &'a World,
    scenario: &'a Scenario,
    sabotage: Option<Sabotage>,
}

impl Performer<'_> {
    fn perform(&self, decision: &Decision) -> Vec<Step> {
        let effect = &decision.effect;
        let kind = effect.kind();
        let (steps, is_well) = self.work(effect);
        let mut all = Vec::new();
        if self.sabotage == Some(Sabotage::EarlyPrune) && decision.journal.phase == Phase::Probation
        {
            let current = self.disk().current;
            let placed = self.disk().trees.iter().filter(|(_, tree)| tree.placed);
            let old = placed
                .map(|(slot, _)| *slot)
                .filter(|slot| Some(*slot) != current);
            all.extend(self.prune(old.collect()));
        }
        match effect {
            Effect::None | Effect::Wait { .. } | Effect::Probe { .. } => all.extend(steps),
            Effect::Fetch { .. }
            | Effect::Stage { .. }
            | Effect::SnapshotData { .. }
            | Effect::Migrate { .. }
            | Effect::RestoreData { .. }
            | Effect::ExportData { .. }
            | Effect::PruneData { .. }
            | Effect::StopService
            | Effect::SwapCurrent { .. }
            | Effect::RemoveCurrent
            | Effect::StartService { .. }
            | Effect::RewritePrevious { .. }
            | Effect::Prune { .. } => {
                all.push(Step::Begin(kind));
                all.extend(self.failing(kind, &steps).unwrap_or(steps));
                let is_well = is_well && !self.is_failing(kind);
                all.push(Step::End(kind, is_well));
            }
        }
        all
    }

    fn is_failing(&self, kind: EffectKind) -> bool {
        let is_meant = self
            .scenario
            .failing
            .is_some_and(|failing| failing.effect == kind);
        is_meant && self.world.fail_skip == 0 && self.world.fail_times > 0
    }

    /// What is still done of an effect that fails: its first change, if that is to be seen.
    fn failing(&self, kind: EffectKind, steps: &[Step]) -> Option<Vec<Step>> {
        let failing = self.scenario.failing.filter(|_| self.is_failing(kind))?;
        let is_change = |step: &&Step| matches!(step, Step::Change(_));
        let seen = steps.iter().find(is_change).filter(|_| failing.is_seen);
        Some(seen.into_iter().cloned().collect())
    }

    fn disk(&self) -> &Disk {
        self.world.disk.seen()
    }

    /// The steps of an effect, and whether it ends well.
    fn work(&self, effect: &Effect) -> (Vec<Step>, bool) {
        let steps = match effect {
            // No effect has no outcome either.
            Effect::None => vec![Step::Sleep(0)],
            Effect::Wait { seconds } | Effect::Probe { seconds, .. } => vec![Step::Sleep(*seconds)],
            Effect::Fetch { target } => self.fetch(code_of(target)),
            Effect::Stage { target } => return self.stage(target),
            Effect::SnapshotData { number, .. } => {
                let (number, of) = (*number, self.disk().rows);
                let mut steps = vec![Step::Change(Change::Set { number, of })];
                steps.extend(self.sync_data(Sync::Sets));
                steps
            }
            Effect::Migrate { target } => self.migrate(target),
            Effect::RestoreData { number, aside } => return self.restore(*number, *aside),
            Effect::ExportData { base, aside } => {
                let sets = &self.disk().sets;
                return (
                    Vec::new(),
                    sets.contains_key(base) && sets.contains_key(aside),
                );
            }
            Effect::PruneData { numbers } => {
                let remove = |number: &DataNumber| {
                    let number = *number;
                    [
                        Step::Change(Change::Unset { number }),
                        Step::Sync(Sync::Sets),
                    ]
                };
                numbers.iter().flat_map(remove).collect()
            }
            Effect::StopService => vec![Step::Stop],
            Effect::SwapCurrent { to_slot } => self.link(Change::Current { to: Some(*to_slot) }),
            Effect::RemoveCurrent => self.link(Change::Current { to: None }),
            Effect::RewritePrevious { to_slot } => self.link(Change::Previous { to: *to_slot }),
            Effect::StartService { installed } => {
                let start = Step::Start {
                    slot: installed.slot,
                    settings: installed.release.settings.0[0],
                };
                let is_whole = self.disk().is_whole(installed.slot);
                if is_whole && self.scenario.is_beside && self.world.running.is_some() {
                    return self.beside(installed, start);
                }
                return (if is_whole { vec![start] } else { Vec::new() }, is_whole);
            }
            Effect::Prune { slots } => self.prune(slots.clone()),
        };
        (steps, true)
    }

    /// An instance takes over from the one that answers, once its probes pass. One that still runs
    /// is taken as it is.
    fn beside(&self, installed: &Installed, start: Step) -> (Vec<Step>, bool) {
        let (slot, settings) = (installed.slot, installed.release.settings.0[0]);
        let is_up = self
            .world
            .other
            .is_some_and(|other| (other.slot, other.settings) == (slot, settings));
        let is_bad = self.world.is_bad(self.scenario, slot, settings);
        match self.sabotage {
            Some(Sabotage::StopFirst) => return (vec![Step::Stop, start], true),
            Some(Sabotage::SwitchBlind) => {
                return (vec![Step::Beside { slot, settings }, Step::TakeOver], true);
            }
            Some(
                Sabotage::NoSlotSync
                | Sabotage::NoFolderSync
                | Sabotage::NoIntent
                | Sabotage::EarlyPrune
                | Sabotage::LateCount
                | Sabotage::NoDataSync,
            )
            | None => {}
        }
        let begin = (!is_up).then_some(Step::Beside { slot, settings });
        let end = if is_bad { Step::GiveUp } else { Step::TakeOver };
        (begin.into_iter().chain([end]).collect(), !is_bad)
    }

    fn fetch(&self, code: CodeId) -> Vec<Step> {
        let held = match self.disk().pack {
            Some((held_code, frames)) if held_code == code => frames,
            Some(_) | None => 0,
        };
        let frames = (held + 1..=FRAMES).flat_map(|frames| {
            let frame = Step::Change(Change::Pack { code, frames });
            [frame, Step::Sync(Sync::Pack)]
        });
        frames.collect()
    }

    fn stage(&self, target: &Target) -> (Vec<Step>, bool) {
        let slot = target.slot;
        let (code, files) = (code_of(target), self.scenario.files);
        let placed = self.disk().trees.get(&slot).filter(|tree| tree.placed);
        if placed.is_some_and(|tree| tree.sidecar && tree.code == code) {
            let mut steps = self.sync_tree(slot, files);
            steps.extend(self.sync_folder(Sync::Slots));
            return (steps, self.disk().is_whole(slot));
        }
        if self.scenario.undecodable == Some(code) {
            return (Vec::new(), false);
        }
        let mut steps = Vec::new();
        if placed.is_some() {
            steps.push(Step::Change(Change::Remove { slot }));
            steps.extend(self.sync_folder(Sync::Slots));
        }
        steps.push(Step::Change(Change::Begin { slot, code, files }));
        for file in 0..files {
            steps.push(Step::Change(Change::Name { slot, file }));
            steps.push(Step::Change(Change::Content { slot, file }));
        }
        steps.extend(self.sync_tree(slot, files));
        for change in [Change::Sidecar { slot }, Change::Place { slot }] {
            steps.push(Step::Change(change));
            steps.extend(self.sync_folder(Sync::Slots));
        }
        (steps, true)
    }

    /// A migration that is cut leaves half of its work; one that ends has synced it.
    fn migrate(&self, target: &Target) -> Vec<Step> {
        let before = self.disk().rows;
        let half = Rows {
            is_half: true,
            ..before
        };
        let whole = Rows {
            form: form(self.scenario, code_of(target)),
            ..before
        };
        vec![
            Step::Migrating { rows: before },
            Step::Change(Change::Rows(half)),
            Step::Change(Change::Rows(whole)),
            Step::Sync(Sync::Rows),
        ]
    }

    /// What stands there is moved away as one rename, unless that was done before; then the copy is
    /// renamed into its place.
    fn restore(&self, number: DataNumber, aside: Option<DataNumber>) -> (Vec<Step>, bool) {
        let Some(rows) = self.disk().sets.get(&number).copied() else {
            return (Vec::new(), false);
        };
        let mut steps = Vec::new();
        if let Some(number) = aside.filter(|aside| !self.disk().sets.contains_key(aside)) {
            steps.push(Step::Change(Change::MoveAside { number }));
        }
        steps.extend(self.sync_data(Sync::Sets));
        steps.push(Step::Change(Change::Rows(rows)));
        steps.extend(self.sync_data(Sync::Rows));
        (steps, true)
    }

    fn sync_data(&self, sync: Sync) -> Option<Step> {
        (self.sabotage != Some(Sabotage::NoDataSync)).then_some(Step::Sync(sync))
    }

    fn sync_tree(&self, slot: SlotNumber, files: u8) -> Vec<Step> {
        if self.sabotage == Some(Sabotage::NoSlotSync) {
            return Vec::new();
        }
        let contents = (0..files).map(|file| Sync::File { slot, file });
        let all = contents.chain([Sync::Tree { slot }]);
        all.map(Step::Sync).collect()
    }

    fn sync_folder(&self, sync: Sync) -> Option<Step> {
        (self.sabotage != Some(Sabotage::NoFolderSync)).then_some(Step::Sync(sync))
    }

    fn link(&self, change: Change) -> Vec<Step> {
        let mut steps = vec![Step::Change(change)];
        steps.extend(self.sync_folder(Sync::App));
        steps
    }

    fn prune(&self, slots: Vec<SlotNumber>) -> Vec<Step> {
        let mut steps: Vec<Step> = self.sync_folder(Sync::App).into_iter().collect();
        for slot in slots {
            steps.push(Step::Remove(slot));
            steps.extend(self.sync_folder(Sync::Slots));
        }
        steps
    }
}

fn code_of(installed: &Installed) -> CodeId {
    installed.release.root.0[0]
}
