//! What the machine wants done. An effect carries what to do, never a verdict: whoever performs it
//! verifies the bytes for itself. Each one can be repeated at any point without harm.

use sanaga_proto::code::Code;
use sanaga_proto::wire::receipt::EventKind;

use super::journal::{DataNumber, Installed, Journal, Release, SlotNumber, Target};

/// What is to be done next. The journal of the same decision is stored before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: decide again at once, after the journal is stored.
    None,
    /// Nothing until a fact changes, or at the latest after so many seconds.
    Wait {
        /// At most so long, seconds.
        seconds: u64,
    },
    /// Bring the pack to the disk, from where it stands. Ends early, without a fault, when a fact of
    /// the app changes (assignment, hold, order, service), so that nothing waits for a slow link.
    Fetch {
        /// What for.
        target: Target,
    },
    /// Make the target's slot whole: verify, write, sync, check the tree root from disk, put it in
    /// place, sync the folder. What stands under the number already is removed first, or checked and
    /// synced again; that it is seen does not mean that it lasts.
    Stage {
        /// What, and in which slot.
        target: Target,
    },
    /// Set the app's data aside under a number, anew even if something stands there. Nothing runs.
    SnapshotData {
        /// The number.
        number: DataNumber,
        /// The release that wrote them; none when nothing is installed.
        from: Option<Installed>,
        /// The release for which they are set aside.
        target: Target,
    },
    /// Run the target's migration to its end. Nothing runs, and the data are as they were set aside.
    Migrate {
        /// Whose.
        target: Target,
    },
    /// Bring a set of data back. Nothing runs. What stands in its place is moved aside first, or
    /// thrown away when nobody has written to it; a set that is there under that number already is
    /// what stood there before an interruption. Ends badly only with the data as they were.
    RestoreData {
        /// The set.
        number: DataNumber,
        /// The number of the set that what stands there becomes.
        aside: Option<DataNumber>,
    },
    /// Write down what was written between two sets. Both are left as they are.
    ExportData {
        /// The older one.
        base: DataNumber,
        /// The newer one, in whose folder the export goes.
        aside: DataNumber,
    },
    /// Remove sets of data.
    PruneData {
        /// Which.
        numbers: Vec<DataNumber>,
    },
    /// End the service politely, then by force. Ends well when nothing runs.
    StopService,
    /// Replace `current` by a link to the slot and sync the folder: the only commit point. Also when
    /// the link seems to be right already.
    SwapCurrent {
        /// Where to.
        to_slot: SlotNumber,
    },
    /// Remove `current` and sync the folder: nothing is installed.
    RemoveCurrent,
    /// Write the settings, then start the service from the slot's real path.
    StartService {
        /// What, and from which slot.
        installed: Installed,
    },
    /// Run the probes that are due, and decide again when one of them ends, when a fact changes, or
    /// at the latest after so many seconds.
    Probe {
        /// What is looked at.
        installed: Installed,
        /// At most so long, seconds.
        seconds: u64,
    },
    /// Replace `previous` by a link to the slot, or remove it, and sync the folder.
    RewritePrevious {
        /// Where to; none to remove it.
        to_slot: Option<SlotNumber>,
    },
    /// Sync the app's folder (so that no link on disk still names one of them), then remove slots
    /// with their sidecars, each moved aside first.
    Prune {
        /// Which.
        slots: Vec<SlotNumber>,
    },
}

/// An effect without what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKind {
    /// [`Effect::None`]
    None,
    /// [`Effect::Wait`]
    Wait,
    /// [`Effect::Fetch`]
    Fetch,
    /// [`Effect::Stage`]
    Stage,
    /// [`Effect::SnapshotData`]
    SnapshotData,
    /// [`Effect::Migrate`]
    Migrate,
    /// [`Effect::RestoreData`]
    RestoreData,
    /// [`Effect::ExportData`]
    ExportData,
    /// [`Effect::PruneData`]
    PruneData,
    /// [`Effect::StopService`]
    StopService,
    /// [`Effect::SwapCurrent`]
    SwapCurrent,
    /// [`Effect::RemoveCurrent`]
    RemoveCurrent,
    /// [`Effect::StartService`]
    StartService,
    /// [`Effect::Probe`]
    Probe,
    /// [`Effect::RewritePrevious`]
    RewritePrevious,
    /// [`Effect::Prune`]
    Prune,
}

impl Effect {
    /// Which effect it is.
    #[must_use]
    pub const fn kind(&self) -> EffectKind {
        match self {
            Self::None => EffectKind::None,
            Self::Wait { .. } => EffectKind::Wait,
            Self::Fetch { .. } => EffectKind::Fetch,
            Self::Stage { .. } => EffectKind::Stage,
            Self::SnapshotData { .. } => EffectKind::SnapshotData,
            Self::Migrate { .. } => EffectKind::Migrate,
            Self::RestoreData { .. } => EffectKind::RestoreData,
            Self::ExportData { .. } => EffectKind::ExportData,
            Self::PruneData { .. } => EffectKind::PruneData,
            Self::StopService => EffectKind::StopService,
            Self::SwapCurrent { .. } => EffectKind::SwapCurrent,
            Self::RemoveCurrent => EffectKind::RemoveCurrent,
            Self::StartService { .. } => EffectKind::StartService,
            Self::Probe { .. } => EffectKind::Probe,
            Self::RewritePrevious { .. } => EffectKind::RewritePrevious,
            Self::Prune { .. } => EffectKind::Prune,
        }
    }
}

/// Something that a receipt is to say; the daemon stores it together with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// What happened.
    pub kind: EventKind,
    /// The release it is about.
    pub release: Option<Release>,
    /// Why, as the number of a failure's code.
    pub code: Option<u16>,
    /// A few words in English, at most 200 bytes; may be empty.
    pub detail: String,
}

/// What became of a new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is in the journal, or fulfilled.
    Accepted,
    /// It cannot be followed.
    Refused(Code),
}

/// What follows from the journal and the facts. Journal and events are stored in one transaction
/// before the effect starts; when the journal is unchanged and there are no events, nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The journal from now on.
    pub journal: Journal,
    /// Receipts to write, in this order.
    pub events: Vec<Occurrence>,
    /// What to do then.
    pub effect: Effect,
    /// The answer to `Facts::order`; none when there was no order.
    pub answer: Option<Answer>,
}
