//! The search: every way through a story, with cuts and kills at every step, each state once.

use std::collections::HashSet;
use std::rc::Rc;

use super::disk::Disk;
use super::perform::{Step, steps};
use super::scenario::{ALWAYS, Keeping, Scenario};
use super::world::{World, double_hash, policy};
use super::{Report, Sabotage};
use crate::update::effect::{Decision, Effect};
use crate::update::journal::SlotNumber;
use crate::update::machine::next;
use crate::update::phase::Phase;
use crate::update::policy::Policy;

/// All subsets are taken of so many un-synced effects, and samples of more.
const EXHAUSTIVE_MAX: usize = 12;
/// Subsets that are taken of more.
const SAMPLES: u64 = 4_096;
/// Waits in which nothing moves, after which a story has ended.
pub(super) const QUIET_MAX: u8 = 9;
/// Decisions of one life, after which it is held to go round in circles.
const DECISIONS_MAX: u32 = 600;
/// Violations that are written down for one scenario.
pub(super) const VIOLATIONS_MAX: usize = 3;

/// Runs one scenario through everything, and adds to the report what was seen.
pub(super) fn explore(
    scenario: &Scenario,
    depth: usize,
    sabotage: Option<Sabotage>,
    seed: u64,
    report: &mut Report,
) {
    let mut search = Search {
        scenario,
        sabotage,
        seed,
        policy: policy(),
        visited: HashSet::new(),
        waiting: vec![Life {
            world: World::new(scenario),
            depth,
            decisions: 0,
            trail: None,
        }],
        found: 0,
        report,
    };
    while let Some(life) = search.waiting.pop() {
        if search.found >= VIOLATIONS_MAX {
            return;
        }
        search.live(life);
    }
}

/// How a state was reached, newest first; for messages only.
pub(super) struct Trail {
    pub line: String,
    pub before: Option<Rc<Self>>,
}

/// A world that runs on, and how often it may still be interrupted.
pub(super) struct Life {
    pub world: World,
    pub depth: usize,
    pub decisions: u32,
    pub trail: Option<Rc<Trail>>,
}

impl Life {
    fn note(&mut self, line: String) {
        self.trail = Some(Rc::new(Trail {
            line,
            before: self.trail.take(),
        }));
    }
}

pub(super) struct Search<'a> {
    pub scenario: &'a Scenario,
    sabotage: Option<Sabotage>,
    seed: u64,
    pub policy: Policy,
    visited: HashSet<u128>,
    waiting: Vec<Life>,
    pub found: usize,
    pub report: &'a mut Report,
}

impl Search<'_> {
    /// Runs one life to its end, or to a state from which another life ran on.
    fn live(&mut self, mut life: Life) {
        loop {
            life.world.advance_script(self.scenario);
            if !self.visited.insert(double_hash(&(&life.world, life.depth))) {
                return;
            }
            self.report.states += 1;
            life.decisions += 1;
            let facts = life.world.facts(self.scenario);
            let decision = next(&life.world.journal, &facts, &self.policy);
            life.note(format!(
                "boot {} {} → {:?}",
                life.world.boot,
                decision.journal.phase,
                decision.effect.kind()
            ));
            self.see(&life, &decision);
            if self.is_over(&mut life, &decision) || self.found >= VIOLATIONS_MAX {
                return;
            }
            for step in steps(&life.world, self.scenario, &decision, self.sabotage) {
                if life.depth > 0 {
                    self.interrupt(&life, &step);
                }
                if !self.take(&mut life, &step) {
                    return;
                }
            }
        }
    }

    /// Adds a decision to the table of phases.
    fn see(&mut self, life: &Life, decision: &Decision) {
        let before = plain(life.world.journal.phase);
        let phase = plain(decision.journal.phase);
        if phase != before {
            let seen = self.report.seen.entry(before).or_default();
            seen.next.insert(phase);
        }
        let seen = self.report.seen.entry(phase).or_default();
        seen.effects.insert(decision.effect.kind());
        let events = decision.events.iter().map(|event| event.kind.as_str());
        seen.events.extend(events);
        self.report.phases.insert(phase.as_str());
    }

    /// Whether the story has ended, as it must end or otherwise.
    fn is_over(&mut self, life: &mut Life, decision: &Decision) -> bool {
        self.check_disk(life);
        if life.decisions > DECISIONS_MAX {
            self.violation(life, "it does not come to rest");
            return true;
        }
        let is_waiting = matches!(decision.effect, Effect::Wait { .. } | Effect::Probe { .. });
        if !is_waiting || decision.journal != *life.world.journal {
            life.world.quiet = 0;
            return false;
        }
        life.world.quiet += 1;
        if life.world.quiet <= QUIET_MAX {
            return false;
        }
        self.check_end(life);
        true
    }

    /// Branches off what happens when the agent is killed, or the power cut, just before a step.
    fn interrupt(&mut self, life: &Life, step: &Step) {
        let branch = |world: World, line: String| {
            let mut branch = Life {
                world,
                depth: life.depth - 1,
                decisions: 0,
                trail: life.trail.clone(),
            };
            branch.note(line);
            branch
        };
        self.report.kills += 1;
        let killed = branch(life.world.killed(), format!("  killed before {step:?}"));
        let mut branches = vec![killed];
        self.report.cuts += 1;
        for disk in self.disks(&life.world) {
            let line = format!("  cut before {step:?}, leaves {disk:?}");
            branches.push(branch(life.world.rebooted(disk), line));
        }
        for branch in branches {
            self.check_disk(&branch);
            self.waiting.push(branch);
        }
    }

    /// The disks that a cut may leave at this moment.
    fn disks(&mut self, world: &World) -> HashSet<Disk> {
        let unsynced = world.disk.unsynced();
        self.report.unsynced_max = self.report.unsynced_max.max(unsynced);
        let disks: HashSet<Disk> = if unsynced <= EXHAUSTIVE_MAX {
            self.report.disks += 1 << unsynced;
            (0..1_u64 << unsynced)
                .map(|survivors| world.disk.cut(survivors))
                .collect()
        } else {
            self.report.sampled += 1;
            self.report.disks += SAMPLES;
            (0..SAMPLES)
                .map(|number| match number {
                    // Nothing and everything are always among them.
                    0 => world.disk.cut(0),
                    1 => world.disk.cut(u64::MAX),
                    _ => world.disk.cut(random(self.seed, number)),
                })
                .collect()
        };
        disks
    }

    /// Takes one step; false when this life ends with it.
    fn take(&mut self, life: &mut Life, step: &Step) -> bool {
        match step {
            Step::Begin(kind) => self.count(life, *kind),
            Step::Remove(slot) if life.world.is_in_use(*slot) => {
                self.violation(life, &format!("slot {slot} is in use and was removed"));
                return false;
            }
            Step::Start { slot, .. } => {
                self.check_start(life, *slot);
                if self.is_poison(life, *slot) {
                    return false;
                }
            }
            Step::Stop => self.check_stop(life),
            Step::TakeOver => self.check_take_over(life),
            Step::Migrating { rows } => {
                self.check_migration(life, *rows);
                if self.scenario.data == Keeping::Poison {
                    self.go_down(life);
                    return false;
                }
            }
            Step::Store(_, events) => self.write_receipts(life, events),
            Step::Answered
            | Step::Change(_)
            | Step::Remove(_)
            | Step::Sync(_)
            | Step::Beside { .. }
            | Step::GiveUp
            | Step::Sleep(_)
            | Step::End(..) => {}
        }
        step.take(&mut life.world, self.scenario);
        true
    }

    /// Cuts the power when the code in this slot always does, which uses up no depth.
    fn is_poison(&mut self, life: &mut Life, slot: SlotNumber) -> bool {
        let code = life
            .world
            .disk
            .seen()
            .trees
            .get(&slot)
            .map(|tree| tree.code);
        let at = self
            .scenario
            .poison
            .iter()
            .position(|(poison, _)| Some(*poison) == code);
        let left = at.and_then(|at| life.world.poison.get_mut(at));
        let Some(left) = left.filter(|left| **left > 0) else {
            return false;
        };
        if *left != ALWAYS {
            *left -= 1;
        }
        self.go_down(life);
        true
    }

    /// What was just begun brings the machine down.
    fn go_down(&mut self, life: &Life) {
        let mut down = Life {
            world: life.world.rebooted(life.world.disk.cut(0)),
            depth: life.depth,
            decisions: life.decisions,
            trail: life.trail.clone(),
        };
        down.note("  it brings the machine down".to_owned());
        self.check_disk(&down);
        self.waiting.push(down);
    }
}

/// A phase without what it carries.
fn plain(phase: Phase) -> Phase {
    if let Phase::Refused { .. } = phase {
        return Phase::Refused { code: 0 };
    }
    phase
}

/// A number that depends on nothing but its arguments (splitmix64).
fn random(seed: u64, number: u64) -> u64 {
    let mut state = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
