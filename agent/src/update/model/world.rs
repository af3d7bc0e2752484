//! One node with its disk, its power, its operator and its assignments, between two decisions.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

use sanaga_proto::code;
use sanaga_proto::wire::receipt::EventKind;

use super::disk::{Cached, Change, CodeId, Disk, Rows, Sync, Tree};
use super::scenario::{ALWAYS, Keeping, Scenario, Tag, Then, When, installed};
use crate::update::effect::EffectKind;
use crate::update::facts::{Data, Facts, Fault, Order, Outcome, Pack, Seal, Service, Verdict};
use crate::update::journal::{BootId, Journal, SlotNumber};
use crate::update::phase::Phase;
use crate::update::policy::Policy;

/// Frames of every pack.
pub(super) const FRAMES: u8 = 2;
/// A service answers its probes after so long, seconds.
const RISE_S: u64 = 1;

/// The bounds of the model: short, so that a story ends soon.
pub(super) fn policy() -> Policy {
    Policy {
        soak_s: 20,
        keep_s: 100,
        retry_max_s: 60,
        restart_max_s: 8,
        ..Policy::production()
    }
}

/// What runs: a slot with settings, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Running {
    pub slot: SlotNumber,
    pub settings: u8,
    pub since_s: u64,
}

/// How often things were really done for the present update, whoever counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Done {
    pub fetch: u32,
    pub stage: u32,
    pub swap: u32,
    pub start: u32,
    pub start_back: u32,
}

/// A journal in the database. Its hash is taken once, since worlds are hashed far more often.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    journal: Rc<Journal>,
    hash: u128,
}

impl Stored {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            hash: double_hash(&journal),
            journal: Rc::new(journal),
        }
    }
}

impl Deref for Stored {
    type Target = Journal;
    fn deref(&self) -> &Journal {
        &self.journal
    }
}

impl Hash for Stored {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// Two hashes in one, so that two different things do not meet by chance.
pub(super) fn double_hash(thing: &impl Hash) -> u128 {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        thing.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(hash(0)) << 64 | u128::from(hash(1))
}

/// The world at one moment. Two equal worlds have the same future.
#[derive(Debug, Clone, Hash)]
pub(super) struct World {
    pub disk: Cached,
    /// As it is stored; a commit of the database lasts.
    pub journal: Stored,
    /// Receipts that are stored, and how often.
    pub receipts: BTreeMap<(EventKind, CodeId, u8, u64), u8>,
    pub boot: u32,
    pub uptime_s: u64,
    /// What answers: the only instance, or the one that the proxy was told of.
    pub running: Option<Running>,
    /// The other instance of releases that run beside each other.
    pub other: Option<Running>,
    /// The last effect in this life of the agent, and whether it ended well.
    pub last: Option<(EffectKind, bool)>,
    pub wanted: Option<Tag>,
    pub hold: bool,
    /// What the operator is about to order, until it is answered.
    pub order: Option<Order>,
    /// The last write of each code, as somebody at the site remembers it.
    pub wrote: BTreeMap<CodeId, u8>,
    pub is_healed: bool,
    /// How far the script is.
    pub script: usize,
    /// Starts that still bring the machine down, for each poisonous code.
    pub poison: Vec<u8>,
    pub fail_skip: u8,
    pub fail_times: u8,
    pub done: Done,
    /// Cuts and kills so far.
    pub interruptions: u32,
    /// Waits in a row in which nothing moved.
    pub quiet: u8,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut disk = Disk::default();
        let named = [scenario.installed, scenario.previous];
        let named = named
            .into_iter()
            .flatten()
            .map(|(tag, slot)| (slot, tag.code));
        for (slot, code) in named.chain(scenario.unnamed.iter().copied()) {
            disk.trees.insert(slot, Tree::whole(code, scenario.files));
        }
        if let Some((tag, _)) = scenario.installed {
            disk.rows.form = form(scenario, tag.code);
        }
        disk.current = scenario.installed.map(|(_, slot)| slot);
        disk.previous = scenario.previous.map(|(_, slot)| slot);
        #[expect(clippy::expect_used, reason = "a constant name")]
        let app = "shop".parse().expect("a name");
        let journal = Journal::adopted(
            app,
            installed(scenario.installed),
            installed(scenario.previous),
        );
        let failing = scenario.failing;
        Self {
            disk: Cached::new(disk),
            journal: Stored::new(journal),
            receipts: BTreeMap::new(),
            boot: 1,
            uptime_s: 100,
            running: scenario.installed.map(|(tag, slot)| Running {
                slot,
                settings: tag.settings,
                since_s: 0,
            }),
            other: None,
            last: None,
            wanted: None,
            hold: false,
            order: None,
            wrote: BTreeMap::new(),
            is_healed: false,
            script: 0,
            poison: scenario.poison.iter().map(|(_, times)| *times).collect(),
            fail_skip: failing.map_or(0, |failing| failing.skip),
            fail_times: failing.map_or(0, |failing| failing.times),
            done: Done::default(),
            interruptions: 0,
            quiet: 0,
        }
    }

    /// Lets the next thing of the script happen, if its time has come.
    pub(super) fn advance_script(&mut self, scenario: &Scenario) {
        let Some((when, then)) = scenario.script.get(self.script) else {
            return;
        };
        let is_time = match when {
            When::Now => true,
            When::Phase(phase) => self.journal.phase == *phase,
            When::Quiet(waits) => self.quiet >= *waits,
        };
        if !is_time {
            return;
        }
        match then {
            Then::Want(tag) => self.wanted = Some(*tag),
            Then::Hold(on) => self.hold = *on,
            Then::Order(order) => self.order = Some(*order),
            Then::Heal => self.is_healed = true,
        }
        self.script += 1;
        self.quiet = 0;
    }

    /// What the daemon would see.
    pub(super) fn facts(&self, scenario: &Scenario) -> Facts {
        let disk = self.disk.seen();
        let target = self.journal.target.as_ref();
        let target = target.map(|target| target.release.root.0[0]);
        let placed = disk.trees.iter().filter(|(_, tree)| tree.placed);
        Facts {
            boot: BootId(self.boot.to_string()),
            uptime_s: self.uptime_s,
            wanted: self.wanted.map(Tag::release),
            hold: self.hold,
            window_open: true,
            order: self.order,
            pack: match disk.pack {
                Some((code, frames)) if Some(code) == target && frames > 0 => {
                    if frames == FRAMES {
                        Pack::Complete
                    } else {
                        Pack::Partial {
                            bytes: u64::from(frames) << 16,
                        }
                    }
                }
                Some(_) | None => Pack::Absent,
            },
            slots: placed.map(|(slot, tree)| (*slot, seal(tree))).collect(),
            current: disk.current,
            previous: disk.previous,
            service: self
                .running
                .map_or(Service::Absent, |running| Service::Running {
                    slot: running.slot,
                    settings: settings(running.settings),
                }),
            beside: scenario.is_beside,
            outage_ms: None,
            probe: self.verdict(scenario),
            data: self.data(scenario),
            free_bytes: u64::MAX,
            needed_bytes: 1 << 20,
            last: self.last.map(|(effect, is_well)| Outcome {
                effect,
                result: if is_well {
                    Ok(())
                } else {
                    Err(fault(scenario, effect))
                },
            }),
        }
    }

    fn data(&self, scenario: &Scenario) -> Data {
        let back = self.journal.back.as_ref();
        let was_exported = back
            .and_then(|back| back.data.as_ref())
            .is_some_and(|data| data.is_exported);
        let is_exported = was_exported || self.last == Some((EffectKind::ExportData, true));
        Data {
            is_declared: scenario.data != Keeping::Nothing,
            migrates: matches!(scenario.data, Keeping::Migrating | Keeping::Poison),
            target_cannot_read: None,
            previous_cannot_read: None,
            sets: self.disk.seen().sets.keys().copied().collect(),
            exported: is_exported.then(|| "3 changes in 2/changes.sql".to_owned()),
        }
    }

    /// The service writes, as it does all the time; what it wrote lasts.
    pub(super) fn write_rows(&mut self, scenario: &Scenario, code: CodeId) {
        let rows = self.disk.seen().rows;
        let rows = Rows {
            form: form(scenario, code),
            write: rows.write.wrapping_add(1),
            ..rows
        };
        self.disk.change(Change::Rows(rows));
        self.disk.sync(Sync::Rows);
        self.wrote.insert(code, rows.write);
    }

    fn verdict(&self, scenario: &Scenario) -> Verdict {
        let Some(running) = self.running else {
            return Verdict::Pending;
        };
        if self.uptime_s < running.since_s.saturating_add(RISE_S) {
            return Verdict::Pending;
        }
        if self.is_bad(scenario, running.slot, running.settings) {
            return Verdict::Failing {
                probe: "http".to_owned(),
            };
        }
        Verdict::Passing
    }

    /// Whether the probes of this instance fail.
    pub(super) fn is_bad(&self, scenario: &Scenario, slot: SlotNumber, settings: u8) -> bool {
        let tree = self.disk.seen().trees.get(&slot);
        let is_bad = tree.is_some_and(|tree| scenario.bad.contains(&(tree.code, settings)));
        is_bad && !self.is_healed
    }

    /// An effect begins; if it is one that fails, that is one failure less to come.
    pub(super) fn use_up_failure(&mut self, scenario: &Scenario, kind: EffectKind) {
        if scenario
            .failing
            .is_none_or(|failing| failing.effect != kind)
        {
            return;
        }
        if self.fail_skip > 0 {
            self.fail_skip -= 1;
        } else if self.fail_times > 0 && self.fail_times != ALWAYS {
            self.fail_times -= 1;
        }
    }

    /// Whether a link or the journal names a slot.
    pub(super) fn is_in_use(&self, slot: SlotNumber) -> bool {
        let (seen, journal) = (self.disk.seen(), &self.journal);
        let named = [&journal.installed, &journal.previous, &journal.target];
        let named = named.into_iter().flatten().map(|named| named.slot);
        let links = seen.current.into_iter().chain(seen.previous);
        named.chain(links).any(|named| named == slot)
    }

    /// The same node after the power came back, with this disk.
    pub(super) fn rebooted(&self, disk: Disk) -> Self {
        Self {
            disk: Cached::new(disk),
            boot: self.boot + 1,
            uptime_s: 0,
            running: None,
            other: None,
            ..self.killed()
        }
    }

    /// The same node after its agent was killed: the cache and the service live on.
    pub(super) fn killed(&self) -> Self {
        Self {
            last: None,
            interruptions: self.interruptions + 1,
            quiet: 0,
            ..self.clone()
        }
    }

    /// Stores a journal; a new update or way back counts anew.
    pub(super) fn store(&mut self, journal: &Stored) {
        let is_new_target = journal.target.as_ref().map(|target| target.slot)
            != self.journal.target.as_ref().map(|target| target.slot);
        let is_turning = journal.phase == Phase::RollingBack && self.journal.phase != journal.phase;
        if is_new_target || is_turning {
            self.done = Done::default();
        }
        self.journal = journal.clone();
    }
}

fn seal(tree: &Tree) -> Seal {
    if !tree.sidecar {
        return Seal::Unsealed;
    }
    let tag = Tag {
        code: tree.code,
        settings: 1,
        generation: 0,
    };
    Seal::Sealed(tag.release())
}

/// The form in which a code keeps its rows.
pub(super) fn form(scenario: &Scenario, code: CodeId) -> CodeId {
    match scenario.data {
        Keeping::Nothing => 0,
        Keeping::Data => 1,
        Keeping::Migrating | Keeping::Poison => code,
    }
}

pub(super) fn settings(number: u8) -> sanaga_proto::ids::Digest {
    sanaga_proto::ids::Digest([number; 32])
}

/// The fault of a failed effect: the story's, or that of a pack that does not decode. A start of half
/// a tree fails too.
fn fault(scenario: &Scenario, effect: EffectKind) -> Fault {
    let is_beside = scenario.is_beside && effect == EffectKind::StartService;
    let own = if effect == EffectKind::Stage {
        code::BAD_PACK
    } else if is_beside {
        code::PROBE_FAILED
    } else {
        code::START_FAILED
    };
    let failing = scenario.failing.filter(|failing| failing.effect == effect);
    let code = failing.map_or(own, |failing| failing.code);
    Fault {
        code,
        retry: code.retry,
        detail: String::new(),
    }
}
