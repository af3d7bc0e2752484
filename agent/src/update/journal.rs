//! The journal of one app: all that the machine remembers. It is stored before each effect, and at
//! boot it is compared with what is really on disk; it alone is never believed.

use serde::{Deserialize, Serialize};

use sanaga_proto::ids::{AppName, Counter, Digest, Generation, TreeRoot, Version};

use super::facts::Order;
use super::phase::Phase;

/// The version of the journal's form. A newer one is refused, never guessed at.
pub const JOURNAL_VERSION: u32 = 1;

/// The number of a slot; grows with each release that is staged, and is never used twice.
pub type SlotNumber = u32;

/// The number of a set of data that was put aside; grows, and is never used twice.
pub type DataNumber = u32;

/// The kernel's boot id: which of the machine's lives this is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct BootId(pub String);

/// A release as an assignment asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// The root of its tree.
    pub root: TreeRoot,
    /// The SHA-256 of its manifest.
    pub manifest: Digest,
    /// Its place in the order of releases of its environment.
    pub counter: Counter,
    /// The assignment that asks for it.
    pub generation: Generation,
    /// The SHA-256 of the settings that are in force for it, in canonical form.
    pub settings: Digest,
}

impl Release {
    /// Whether both are the same code, description and settings; who asked for them does not matter.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_same_code(other) && self.settings == other.settings
    }

    /// Whether one slot can serve both: the same tree and the same manifest.
    #[must_use]
    pub fn is_same_code(&self, other: &Self) -> bool {
        self.root == other.root && self.manifest == other.manifest
    }
}

/// A release in its slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// The release.
    pub release: Release,
    /// Its slot.
    pub slot: SlotNumber,
}

/// The release that an update leads to.
pub type Target = Installed;

/// A way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Back {
    /// What is to run again; none when nothing was installed before.
    pub to: Option<Installed>,
    /// What is left, and quarantined at the end.
    pub left: Installed,
    /// Why, as the number of a failure's code.
    pub code: u16,
    /// A few words in English, at most 200 bytes.
    pub detail: String,
    /// The data that come back with it; none when none were touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<BackData>,
}

/// The way back of the data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BackData {
    /// The set that is brought back.
    pub restore: DataNumber,
    /// The set that what is left becomes; none when no release has written to it.
    pub aside: Option<DataNumber>,
    /// Whether the release that is left could go on with its data if they cannot be brought back:
    /// not after half a migration.
    pub can_stay: bool,
    /// Whether they are back.
    pub is_restored: bool,
    /// Whether what was written since is exported, or cannot be.
    pub is_exported: bool,
}

/// What is remembered of the data of an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Kept {
    /// The greatest number that was given to a set.
    pub last: DataNumber,
    /// The set that the present update puts aside; none before that begins.
    pub snapshot: Option<DataNumber>,
    /// Whether that returned, so that the set is whole and synced.
    pub is_taken: bool,
    /// Times that the migration was begun.
    pub migrations: u32,
    /// Whether it ended well.
    pub is_migrated: bool,
    /// Whether the target may have changed the data: its migration was begun, or it was started.
    pub is_touched: bool,
    /// Whether the target was started, so that somebody may have written with it.
    pub is_started: bool,
    /// The set that goes with `previous`.
    pub previous: Option<DataNumber>,
    /// Sets that were left on a way back, oldest first; kept until a later update has settled.
    pub aside: Vec<DataNumber>,
}

impl Kept {
    /// Forgets what belonged to the update that ended; what leads back stays.
    pub(super) fn end_update(&mut self) {
        *self = Self {
            last: self.last,
            previous: self.previous,
            aside: std::mem::take(&mut self.aside),
            ..Self::default()
        };
    }

    /// Whether there is nothing to remember. Such a journal is stored without it.
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A release that is not tried again until a newer assignment names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its tree.
    pub root: TreeRoot,
    /// Its settings.
    pub settings: Digest,
    /// The newest assignment that it is not to be tried for.
    pub generation: Generation,
    /// Why, as the number of a failure's code.
    pub code: u16,
}

/// Attempts at the steps of the present update, each counted before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Attempts {
    /// Times that fetching was begun or taken up again.
    pub fetch: u32,
    /// Times that the slot was staged.
    pub stage: u32,
    /// Times that data were set aside.
    pub snapshot: u32,
    /// Times that `current` was replaced.
    pub swap: u32,
    /// Times that the new service was started before the soak ended.
    pub start: u32,
    /// Times that the old service was started on the way back.
    pub start_back: u32,
    /// Failures that steps of the present phase reported. A cut is none.
    pub failures: u32,
    /// The boot in which `start` was counted last, so that a service which the system itself starts
    /// at boot is counted too.
    pub boot: Option<BootId>,
}

/// Failures in a row, and when the next try is due. A reboot ends the pause but keeps the count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Backoff {
    /// Tries in a row that did not last.
    pub tries: u32,
    /// The boot in which the pause runs.
    pub boot: BootId,
    /// Its end, seconds since that boot.
    pub until_uptime_s: u64,
}

/// Time with power, added up over boots; no wall clock is needed for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Meter {
    /// The boot of the mark; none when the meter stands.
    pub boot: Option<BootId>,
    /// From where the running stretch counts, seconds since that boot.
    pub mark_uptime_s: u64,
    /// What was added up before the mark, seconds.
    pub total_s: u64,
}

/// All that is remembered about the updates of one app.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Journal {
    /// [`JOURNAL_VERSION`].
    pub version: u32,
    /// The app.
    pub app: AppName,
    /// Where the update stands.
    pub phase: Phase,
    /// What was committed last: what runs whenever no switch is under way.
    pub installed: Option<Installed>,
    /// What ran before it.
    pub previous: Option<Installed>,
    /// Where the present update leads.
    pub target: Option<Target>,
    /// The way back that is under way (phase `RollingBack`).
    pub back: Option<Back>,
    /// Whether staging of the target returned, so that its slot is known to be verified and synced.
    pub staged: bool,
    /// Whether a replacement of `current` returned, so that it is known to be synced.
    pub swapped: bool,
    /// Attempts of the present update.
    pub attempts: Attempts,
    /// Healthy time of the present probation.
    pub soak: Meter,
    /// Time with power since the last commit or roll back.
    pub settled: Meter,
    /// What is not tried again, oldest first; bounded.
    pub quarantine: Vec<Quarantined>,
    /// Why the update does not move at this moment, as the number of a failure's code.
    pub blocked: Option<u16>,
    /// An order of the operator that is not yet fulfilled.
    pub order: Option<Order>,
    /// Pause of the update's own steps.
    pub retry: Backoff,
    /// Pause of restarts of the installed service.
    pub restart: Backoff,
    /// Pause of repairs of links, and of pruning.
    pub upkeep: Backoff,
    /// The number that the next staged slot gets, at the least.
    pub next_slot: SlotNumber,
    /// What the app keeps.
    #[serde(default, skip_serializing_if = "Kept::is_nothing")]
    pub data: Kept,
}

impl Journal {
    /// The journal of an app that was never seen here.
    #[must_use]
    pub fn new(app: AppName) -> Self {
        Self::adopted(app, None, None)
    }

    /// The journal of an app whose database was lost, made from the slots and links on disk.
    #[must_use]
    pub fn adopted(
        app: AppName,
        installed: Option<Installed>,
        previous: Option<Installed>,
    ) -> Self {
        Self {
            version: JOURNAL_VERSION,
            app,
            phase: Phase::Idle,
            installed,
            previous,
            target: None,
            back: None,
            staged: false,
            swapped: false,
            attempts: Attempts::default(),
            soak: Meter::default(),
            settled: Meter::default(),
            quarantine: Vec::new(),
            blocked: None,
            order: None,
            retry: Backoff::default(),
            restart: Backoff::default(),
            upkeep: Backoff::default(),
            next_slot: 1,
            data: Kept::default(),
        }
    }

    /// The journal as it is stored.
    ///
    /// # Errors
    /// [`JournalError::Malformed`] never in practice: every field has a form in JSON.
    pub fn to_json(&self) -> Result<String, JournalError> {
        serde_json::to_string(self).map_err(JournalError::Malformed)
    }

    /// A stored journal.
    ///
    /// # Errors
    /// When a newer agent wrote it, or when it is not a journal at all.
    pub fn from_json(text: &str) -> Result<Self, JournalError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(JournalError::Malformed)?;
        if head.version != JOURNAL_VERSION {
            return Err(JournalError::Version {
                found: head.version,
            });
        }
        serde_json::from_str(text).map_err(JournalError::Malformed)
    }

    /// The release that the app's `current` is to lead to at this moment.
    #[must_use]
    pub fn running(&self) -> Option<&Installed> {
        match self.phase {
            Phase::Activating | Phase::Probation => self.target.as_ref(),
            Phase::RollingBack => self.back.as_ref().and_then(|back| back.to.as_ref()),
            Phase::Idle
            | Phase::Fetching
            | Phase::Staged
            | Phase::Armed
            | Phase::Snapshotting
            | Phase::Committed
            | Phase::RolledBack
            | Phase::Held
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => self.installed.as_ref(),
        }
    }

    /// The entry that keeps `release` from being tried for the assignment that it names, if any.
    #[must_use]
    pub fn quarantined(&self, release: &Release) -> Option<&Quarantined> {
        self.quarantine.iter().find(|entry| {
            entry.root == release.root
                && entry.settings == release.settings
                && release.generation <= entry.generation
        })
    }
}

/// A stored journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another version of the agent wrote it.
    #[error("the journal is of version {found}; this agent knows version {JOURNAL_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Not a journal.
    #[error("the journal is not readable")]
    Malformed(#[source] serde_json::Error),
}

impl BootId {
    /// The boot id from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
