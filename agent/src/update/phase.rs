//! The phases of an update of one app.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an update of one app stands. Stored in the journal before the effect that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was asked for yet, or what was asked for runs.
    Idle,
    /// The pack is on its way to the disk, then to a slot.
    Fetching,
    /// The release is whole, verified and synced in its slot.
    Staged,
    /// It may be activated; a window, a hold or a pause is all that keeps it.
    Armed,
    /// The data that the release declares are being set aside.
    Snapshotting,
    /// The old service stops, `current` is replaced, the new service starts.
    Activating,
    /// The new release runs and has to stay healthy through its soak.
    Probation,
    /// It stayed healthy; the old release is `previous`.
    Committed,
    /// The release before is on its way back.
    RollingBack,
    /// The release before runs again; the one that was left is quarantined.
    RolledBack,
    /// A hold froze an update that had not begun to activate.
    Held,
    /// A newer assignment took the place of a release that had not begun to activate.
    Superseded,
    /// The release cannot be installed here.
    Refused {
        /// The number of the failure's code, as in `SNG-0305`.
        code: u16,
    },
    /// Taking a release back did not work either; whatever can run is kept running.
    NeedsHands,
}

impl Phase {
    /// One value of each phase, in the order in which they are documented.
    pub const ALL: [Self; 14] = [
        Self::Idle,
        Self::Fetching,
        Self::Staged,
        Self::Armed,
        Self::Snapshotting,
        Self::Activating,
        Self::Probation,
        Self::Committed,
        Self::RollingBack,
        Self::RolledBack,
        Self::Held,
        Self::Superseded,
        Self::Refused { code: 0 },
        Self::NeedsHands,
    ];

    /// The word for it in status, receipts and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Fetching => "fetching",
            Self::Staged => "staged",
            Self::Armed => "armed",
            Self::Snapshotting => "snapshotting",
            Self::Activating => "activating",
            Self::Probation => "probation",
            Self::Committed => "committed",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::Held => "held",
            Self::Superseded => "superseded",
            Self::Refused { .. } => "refused",
            Self::NeedsHands => "needs_hands",
        }
    }

    /// Whether `current` and the service may differ from what was committed last.
    #[must_use]
    pub const fn is_switching(self) -> bool {
        matches!(self, Self::Activating | Self::Probation | Self::RollingBack)
    }

    /// Whether the phase has ended its update and only a new wish leads out of it.
    #[must_use]
    pub const fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::Idle
                | Self::Committed
                | Self::RolledBack
                | Self::Superseded
                | Self::Refused { .. }
                | Self::NeedsHands
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
