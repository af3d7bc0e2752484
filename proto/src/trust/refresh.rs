//! One refresh, from what is stored to what is newest: the client workflow of the specification
//! (chapter 5) as a machine without I/O. The caller fetches, persists and goes on.
//!
//! `Start` → `Fetch` → `Found` or `Absent` → `Persist` → `Persisted` → … → `Done`. A transport error
//! is no answer: the caller drops the machine and starts again later from its store, where every
//! accepted step was persisted.

mod load;
mod online;
mod targets;

use std::collections::BTreeMap;

use super::error::TrustError;
use super::facts::{RootFacts, SnapshotFacts, TargetsFacts, TimestampFacts};
use super::floors::Floors;
use super::roles::Role;
use super::time::{Allowance, Clock, TimeClaim, check_fresh};
use super::trusted::Trusted;
use super::verify::{Sigstore, Verifier};
use crate::ids::EnvironmentName;
use crate::limits::ROOT_STEPS_MAX;

/// What the caller keeps: the newest trusted root and the other documents by store name
/// (`timestamp.json`, `production.json`). A file that cannot be read stands there with no bytes.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The newest trusted root.
    pub root: Vec<u8>,
    /// An older root that is trusted because of where it is kept (enrolment, package); used if the
    /// newest is damaged. The root floor has then to be reached again.
    pub pinned_root: Option<Vec<u8>>,
    /// The other documents.
    pub documents: BTreeMap<String, Vec<u8>>,
}

/// How this refresh judges.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The environment whose role is refreshed too.
    pub environment: Option<EnvironmentName>,
    /// When this program was built, seconds since 1970: it is not earlier than that.
    pub build_s: i64,
    /// Whether a bundle's online roles may be expired.
    pub allowance: Allowance,
}

/// What the caller tells the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Start,
    /// The file that was asked for.
    Found(Vec<u8>),
    /// The repository said that it has no such file. An error or silence is not that.
    Absent,
    /// The change is durable.
    Persisted,
}

/// What a fetch gave; errors are the caller's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The file.
    Found(Vec<u8>),
    /// The repository said that it has no such file.
    Absent,
}

/// One transaction of the store: all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The document to write, by store name; none if only the floors moved.
    pub write: Option<(String, Vec<u8>)>,
    /// Documents to delete: those whose keys were replaced.
    pub forget: Vec<String>,
    /// The floors to store with it.
    pub floors: Floors,
}

/// What the machine wants next.
#[derive(Debug)]
pub enum Step {
    /// Fetch a file, at most so many bytes.
    Fetch {
        /// Its name under the metadata URL.
        name: String,
        /// The bound; a longer file is refused.
        bytes_max: u64,
    },
    /// Make a change durable.
    Persist(Change),
    /// All is verified.
    Done(Box<Trusted>),
}

/// A stored document that does not verify though no key was replaced. The floors still hold; the
/// document is fetched again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The store name.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Root,
    Timestamp,
    Snapshot,
    Targets,
    Environment,
    Finish,
    Over,
}

/// The machine.
pub struct Refresh {
    verifier: Box<dyn Verifier>,
    root: RootFacts,
    documents: BTreeMap<String, Vec<u8>>,
    floors: Floors,
    /// The floors as they were last persisted.
    persisted: Floors,
    /// The root version that the floors ask for.
    root_floor: u64,
    /// Whether the stored documents were looked at, under a root at or above its floor.
    documents_checked: bool,
    clock: Clock,
    policy: Policy,
    stage: Stage,
    /// Whether a change is out and `stage` waits for it.
    persisting: bool,
    root_steps: u64,
    attempt_s: i64,
    timestamp: Option<TimestampFacts>,
    snapshot: Option<SnapshotFacts>,
    targets: Option<TargetsFacts>,
    environment: Option<TargetsFacts>,
    environment_problem: Option<TrustError>,
    alarms: Vec<Alarm>,
}

impl Refresh {
    /// A refresh from what is stored, with the verifier that we use.
    ///
    /// # Errors
    /// [`TrustError::StoreDamaged`] if no stored root verifies.
    pub fn new(
        stored: Stored,
        floors: Floors,
        clock: Clock,
        policy: Policy,
    ) -> Result<Self, TrustError> {
        Self::with_verifier(Box::<Sigstore>::default(), stored, floors, clock, policy)
    }

    /// What was found damaged so far.
    #[must_use]
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// The floors as they stand now.
    #[must_use]
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Goes one step.
    ///
    /// # Errors
    /// Why what was found is refused. The machine is then at its end; what was persisted stays.
    pub fn step(&mut self, input: Input) -> Result<Step, TrustError> {
        let result = self.advance(input);
        if result.is_err() {
            self.stage = Stage::Over;
        }
        result
    }

    fn advance(&mut self, input: Input) -> Result<Step, TrustError> {
        match input {
            Input::Start if self.stage == Stage::New => self.ask_root(),
            Input::Persisted if self.persisting => {
                self.persisting = false;
                self.proceed()
            }
            Input::Found(bytes) if !self.persisting => self.found(bytes),
            Input::Absent if !self.persisting => self.absent(),
            Input::Start | Input::Persisted | Input::Found(_) | Input::Absent => MISUSE,
        }
    }

    /// After a stage is through: the next one.
    fn proceed(&mut self) -> Result<Step, TrustError> {
        match self.stage {
            Stage::New | Stage::Root => self.ask_root(),
            Stage::Timestamp => self.ask_timestamp(),
            Stage::Snapshot => self.ask_snapshot(),
            Stage::Targets => self.ask_targets(),
            Stage::Environment => self.ask_environment(),
            Stage::Finish => self.finish(),
            Stage::Over => MISUSE,
        }
    }

    fn found(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        let role = self.role().ok_or(OUT_OF_TURN)?;
        let limit = role.bytes_max();
        if bytes.len() as u64 > limit {
            let what = role.to_string();
            return Err(TrustError::TooBig { what, limit });
        }
        match self.stage {
            Stage::Root => self.have_root(bytes),
            Stage::Timestamp => self.have_timestamp(bytes),
            Stage::Snapshot => self.have_snapshot(bytes),
            Stage::Targets => self.have_targets(bytes),
            Stage::Environment => self.have_environment(bytes),
            Stage::New | Stage::Finish | Stage::Over => MISUSE,
        }
    }

    fn absent(&mut self) -> Result<Step, TrustError> {
        match (self.stage, self.role()) {
            (Stage::Root, _) => self.end_of_roots(),
            (_, Some(role)) => Err(TrustError::Missing {
                what: role.to_string(),
            }),
            (_, None) => MISUSE,
        }
    }

    fn role(&self) -> Option<Role> {
        match self.stage {
            Stage::Root => Some(Role::Root),
            Stage::Timestamp => Some(Role::Timestamp),
            Stage::Snapshot => Some(Role::Snapshot),
            Stage::Targets => Some(Role::Targets),
            Stage::Environment => self.policy.environment.as_ref().map(Role::environment),
            Stage::New | Stage::Finish | Stage::Over => None,
        }
    }

    /// 5.3.2 and 5.3.3: ask for version N+1.
    fn ask_root(&mut self) -> Result<Step, TrustError> {
        if self.root_steps >= ROOT_STEPS_MAX {
            let limit = ROOT_STEPS_MAX;
            return Err(TrustError::TooManyRoots { limit });
        }
        self.stage = Stage::Root;
        let next = self.root.version.saturating_add(1);
        Ok(self.fetch(&Role::Root, next, None))
    }

    /// 5.3.4 to 5.3.8: signed by the old and by its own keys, exactly one version on, persisted
    /// before the next; 5.3.11 with each step, so that no replacement is skipped.
    fn have_root(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        self.root = self.verifier.next_root(&bytes)?;
        self.root_steps += 1;
        self.floors.root = self.floors.root.max(self.root.version);
        let forget = if self.root.version >= self.root_floor {
            self.follow_root()
        } else {
            Vec::new()
        };
        // A root cannot be refused for its date without cutting the chain: an impossible date of a
        // root only counts for nothing (rule 6).
        if let Some(at_s) = self
            .root
            .signed_at_s
            .filter(|at| *at <= self.root.expires_s)
        {
            let claim = self.claim(at_s);
            self.floors.accept_signed_at("root", &self.root.root, claim);
        }
        Ok(self.persist(Stage::Root, &Role::Root, bytes, forget))
    }

    /// 5.3.9 and 5.3.10: the walk ends where the repository says so; the newest root must be fresh.
    fn end_of_roots(&mut self) -> Result<Step, TrustError> {
        super::floors::at_least("root", self.root_floor, self.root.version)?;
        if !self.documents_checked {
            // The walk began below the floor, at a pinned root.
            self.check_documents();
        }
        let known_s = self.known_s();
        check_fresh(
            "root",
            self.root.expires_s,
            known_s,
            false,
            self.policy.allowance,
        )?;
        self.stage = Stage::Timestamp;
        self.proceed()
    }

    fn finish(&mut self) -> Result<Step, TrustError> {
        if self.floors != self.persisted {
            return Ok(self.change(Stage::Finish, None, Vec::new()));
        }
        self.stage = Stage::Over;
        let missing = || TrustError::Misuse {
            problem: "the refresh ended too early",
        };
        Ok(Step::Done(Box::new(Trusted {
            verifier: std::mem::take(&mut self.verifier),
            root: self.root.clone(),
            timestamp: self.timestamp.take().ok_or_else(missing)?,
            snapshot: self.snapshot.take().ok_or_else(missing)?,
            targets: self.targets.take().ok_or_else(missing)?,
            environment: self.policy.environment.take(),
            environment_facts: self.environment.take(),
            environment_problem: self.environment_problem.take(),
            attempt_s: self.attempt_s,
            floors: self.floors.clone(),
            documents: std::mem::take(&mut self.documents),
            alarms: std::mem::take(&mut self.alarms),
        })))
    }

    /// The lowest time that is known without the repository.
    fn known_s(&self) -> i64 {
        let lower_s = self.floors.lower_s(self.policy.build_s, &self.clock.now);
        super::time::attempt_time_s(lower_s, None, &self.clock)
    }

    fn claim(&self, at_s: i64) -> TimeClaim {
        TimeClaim {
            at_s,
            accepted: self.clock.now,
        }
    }

    fn fetch(&self, role: &Role, version: u64, length_bytes: Option<u64>) -> Step {
        let bytes_max = role.bytes_max();
        Step::Fetch {
            name: role.file_name(version, self.root.consistent),
            bytes_max: length_bytes.map_or(bytes_max, |length| length.min(bytes_max)),
        }
    }

    fn persist(&mut self, then: Stage, role: &Role, bytes: Vec<u8>, forget: Vec<String>) -> Step {
        let name = role.store_name();
        if *role != Role::Root {
            self.documents.insert(name.clone(), bytes.clone());
        }
        self.change(then, Some((name, bytes)), forget)
    }

    fn change(
        &mut self,
        then: Stage,
        write: Option<(String, Vec<u8>)>,
        forget: Vec<String>,
    ) -> Step {
        self.stage = then;
        self.persisting = true;
        self.persisted = self.floors.clone();
        Step::Persist(Change {
            write,
            forget,
            floors: self.floors.clone(),
        })
    }

    fn alarm(&mut self, what: &str, error: &TrustError) {
        self.alarms.push(Alarm {
            what: what.to_owned(),
            problem: error.to_string(),
        });
    }
}

const OUT_OF_TURN: TrustError = TrustError::Misuse {
    problem: "the refresh was stepped out of turn",
};
const MISUSE: Result<Step, TrustError> = Err(OUT_OF_TURN);

/// Drives a refresh to its end with two functions.
///
/// # Errors
/// The first error of either function, or why something was refused.
pub fn run<E: From<TrustError>>(
    refresh: &mut Refresh,
    mut fetch: impl FnMut(&str, u64) -> Result<Answer, E>,
    mut persist: impl FnMut(Change) -> Result<(), E>,
) -> Result<Trusted, E> {
    let mut input = Input::Start;
    loop {
        input = match refresh.step(input)? {
            Step::Fetch { name, bytes_max } => match fetch(&name, bytes_max)? {
                Answer::Found(bytes) => Input::Found(bytes),
                Answer::Absent => Input::Absent,
            },
            Step::Persist(change) => {
                persist(change)?;
                Input::Persisted
            }
            Step::Done(trusted) => return Ok(*trusted),
        };
    }
}
