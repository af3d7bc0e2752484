//! What the machine is told: observed facts about one app, never beliefs. The daemon gathers them
//! anew before each decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use sanaga_proto::code::{Code, Retry};
use sanaga_proto::failure::Coded;
use sanaga_proto::ids::Digest;

use super::effect::EffectKind;
use super::journal::{BootId, DataNumber, Release, SlotNumber};

/// What is so, for one app, at one moment.
#[derive(Debug, Clone)]
pub struct Facts {
    /// This life of the machine.
    pub boot: BootId,
    /// Seconds since it began, from a clock that no one can set.
    pub uptime_s: u64,
    /// What the newest trusted assignment asks for, with the settings in force; none when it does not
    /// name the app, which then stays as it is.
    pub wanted: Option<Release>,
    /// Whether a hold is on for this node or for all.
    pub hold: bool,
    /// Whether this is a time at which activation is allowed.
    pub window_open: bool,
    /// A new order of the operator. The decision's `answer` says what became of it; once that
    /// decision is stored the order is in the journal and is not given again.
    pub order: Option<Order>,
    /// The pack of the journal's target.
    pub pack: Pack,
    /// Every slot on disk, by number.
    pub slots: BTreeMap<SlotNumber, Seal>,
    /// The slot that `current` names; none when there is no such link. A number without a slot is a
    /// dangling link.
    pub current: Option<SlotNumber>,
    /// The slot that `previous` names.
    pub previous: Option<SlotNumber>,
    /// The app's service.
    pub service: Service,
    /// What runs and what is to run may run at once: the new one is started beside the old one and
    /// takes over once it is healthy (`blue-green`). Starting stands for all of that, and the
    /// service is that of the release that was taken over to.
    pub beside: bool,
    /// How long the app did not answer in the switch that was just made, milliseconds; none when
    /// that is not known.
    pub outage_ms: Option<u64>,
    /// The probes of what the service runs.
    pub probe: Verdict,
    /// What the app keeps.
    pub data: Data,
    /// Room on the file system of the slots, bytes.
    pub free_bytes: u64,
    /// Room that the next steps towards the journal's target still take (fetching and staging it, or
    /// setting data aside), bytes; 0 when not known yet.
    pub needed_bytes: u64,
    /// What came of the effect of the decision just before, in this life of the daemon; none after
    /// a start, and none for `Wait`, `Probe` and `None`.
    pub last: Option<Outcome>,
}

/// An order that an operator gave at the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Leave what runs and go back to `previous`.
    Rollback,
    /// Activate what is staged (or fetch and stage it first), window or not.
    Activate,
    /// Fetch what is assigned now, without waiting for a pause to end.
    Pull,
    /// Fetch and stage what is assigned, and no more.
    Stage,
}

/// How much of the target's pack is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// Nothing.
    Absent,
    /// Some of it.
    Partial {
        /// Bytes on disk.
        bytes: u64,
    },
    /// All that staging needs; also when the target needs no pack.
    Complete,
}

/// The state of a slot on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// In place with a sidecar that fits it; this is the release that was staged.
    Sealed(Release),
    /// Sealed once, but files were found changed or missing since.
    Damaged(Release),
    /// Half made: not in place, or without its sidecar.
    Unsealed,
}

/// What the app's service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The release has no service: there is nothing to run.
    NotDeclared,
    /// Not running, and nothing is known of how it ended.
    Absent,
    /// On its way up.
    Starting {
        /// The slot it runs from.
        slot: SlotNumber,
        /// The settings it was started with.
        settings: Digest,
    },
    /// Running.
    Running {
        /// The slot it runs from.
        slot: SlotNumber,
        /// The settings it was started with.
        settings: Digest,
    },
    /// It ended by itself.
    Exited {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
    },
}

/// What the probes say together, thresholds and start period included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough looks yet, or within the start period.
    Pending,
    /// Every probe is healthy; also when the release has none and its service runs, or has no service.
    Passing,
    /// A probe failed so often in a row that it counts.
    Failing {
        /// Which one, in a few words.
        probe: String,
    },
}

/// What the app keeps, and what of it was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Data {
    /// The target or what is installed declares data.
    pub is_declared: bool,
    /// The target brings a migration.
    pub migrates: bool,
    /// Why the target cannot run on the data as they are: their schema is too new for it.
    pub target_cannot_read: Option<String>,
    /// The same of the previous release.
    pub previous_cannot_read: Option<String>,
    /// The sets of data that are whole on the disk.
    pub sets: BTreeSet<DataNumber>,
    /// What was exported on the journal's way back, in a few English words; none before.
    pub exported: Option<String>,
}

/// What came of an effect.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which effect.
    pub effect: EffectKind,
    /// How it ended.
    pub result: Result<(), Fault>,
}

/// A failure of an effect, as far as a decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// What a retry is worth.
    pub retry: Retry,
    /// A few words in English for the receipt.
    pub detail: String,
}

impl Fault {
    /// A fault as a typed error describes it.
    pub fn of(error: &dyn Coded) -> Self {
        let args = error.args();
        let words: Vec<&str> = ["probe", "problem"]
            .iter()
            .filter_map(|name| args.get(name).map(String::as_str))
            .collect();
        let detail = if words.is_empty() {
            error.to_string()
        } else {
            words.join(": ")
        };
        Self {
            code: error.code(),
            retry: error.retry(),
            detail: detail.chars().take(200).collect(),
        }
    }
}
