//! A model of disk and power that the machine is run against: every power cut at every step, nested,
//! with every part of what was not synced surviving, and every kill of the agent's process as well.
//!
//! The machine itself is the real one. The disk tells synced from un-synced effects; performing an
//! effect is a list of small steps as `sanaga-durable` takes them. Eight sabotages break the way in
//! which effects are performed or the journal is stored; the enumeration must find each of them.

mod check;
mod disk;
mod explore;
mod perform;
mod scenario;
mod table;
mod transcript;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::effect::EffectKind;
use super::phase::Phase;

pub use table::{stories, table};

/// A way of performing that loses something in a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// Files of a slot are not synced before the slot is named.
    NoSlotSync,
    /// Folders are not synced after a name in them changed.
    NoFolderSync,
    /// The journal is stored after the effect instead of before it.
    NoIntent,
    /// Old slots are removed when the probation begins.
    EarlyPrune,
    /// Attempts are counted after the effect instead of before it.
    LateCount,
    /// The old instance is stopped before the new one answers.
    StopFirst,
    /// The proxy is told of the new instance before its probes pass.
    SwitchBlind,
    /// Data are not synced when they are set aside or brought back.
    NoDataSync,
}

impl Sabotage {
    /// Every sabotage.
    pub const ALL: [Self; 8] = [
        Self::NoSlotSync,
        Self::NoFolderSync,
        Self::NoIntent,
        Self::EarlyPrune,
        Self::LateCount,
        Self::StopFirst,
        Self::SwitchBlind,
        Self::NoDataSync,
    ];

    /// What it is called in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSlotSync => "no slot sync",
            Self::NoFolderSync => "no folder sync",
            Self::NoIntent => "no intent record",
            Self::EarlyPrune => "early prune",
            Self::LateCount => "attempt counted late",
            Self::StopFirst => "old instance stopped first",
            Self::SwitchBlind => "switched before the probes pass",
            Self::NoDataSync => "no data sync",
        }
    }
}

/// What an enumeration saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Scenarios that were run.
    pub scenarios: usize,
    /// Distinct states of the world in which a decision was made.
    pub states: u64,
    /// Moments at which the power was cut.
    pub cuts: u64,
    /// Moments at which the agent was killed and the machine ran on.
    pub kills: u64,
    /// Disks that were left by a cut, one for each part of the un-synced effects that survived.
    pub disks: u64,
    /// Cuts with more than 12 un-synced effects, of which 4,096 seeded subsets were taken.
    pub sampled: u64,
    /// The most un-synced effects at one cut.
    pub unsynced_max: usize,
    /// The phases that were reached.
    pub phases: BTreeSet<&'static str>,
    /// For each phase, what was decided in it.
    pub seen: BTreeMap<Phase, Seen>,
    /// What must not be, with the way that led to it; at most a few for each scenario.
    pub violations: Vec<String>,
}

/// What was decided in one phase.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The effects that were decided together with this phase.
    pub effects: BTreeSet<EffectKind>,
    /// The phases that followed.
    pub next: BTreeSet<Phase>,
    /// The receipts that were stored together with this phase.
    pub events: BTreeSet<&'static str>,
}

/// Runs every scenario through cuts and kills nested `depth` deep, performing as `sabotage` says. The
/// seed chooses the subsets where there are too many to take all.
#[must_use]
pub fn enumerate(depth: usize, sabotage: Option<Sabotage>, seed: u64) -> Report {
    let mut report = Report::default();
    for scenario in scenario::all() {
        report.scenarios += 1;
        explore::explore(&scenario, depth, sabotage, seed, &mut report);
    }
    report
}

/// What is decided in the named scenario when nothing interrupts it, one line for each effect and
/// receipt, repeated looks and waits once; nothing for a name that there is not.
#[must_use]
pub fn transcript(name: &str) -> Vec<String> {
    let all = scenario::all();
    let found = all.iter().find(|scenario| scenario.name == name);
    found.map(transcript::transcript).unwrap_or_default()
}

#[cfg(test)]
mod tests;
