//! What can be wrong with something that asks to be trusted.

use crate::code::{self, Code};
use crate::failure::{Args, Coded};

use super::canonical::to_rfc3339;

/// A refusal. Rollback, bad signature, freeze and expiry are kept apart (rule 11).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not signed by enough of the right keys.
    #[error("{role}: {problem}")]
    BadSignature {
        /// The role or document.
        role: String,
        /// What is missing.
        problem: String,
    },
    /// Older than what was seen before.
    #[error("{what} went back from {trusted} to {offered}")]
    Rollback {
        /// What went back.
        what: String,
        /// The floor.
        trusted: u64,
        /// What was offered.
        offered: u64,
    },
    /// Past its date at the attempt time.
    #[error("{role} expired")]
    Expired {
        /// The role.
        role: String,
        /// Its date, seconds since 1970.
        expired_s: i64,
    },
    /// Polls succeed but nothing newer is signed.
    #[error("the newest signature does not move")]
    Frozen {
        /// When the timestamp was signed, seconds since 1970.
        signed_s: i64,
    },
    /// Malformed, or not what its parent says.
    #[error("{what}: {problem}")]
    BadMetadata {
        /// The document.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Over its bound.
    #[error("{what} is bigger than {limit} bytes")]
    TooBig {
        /// The document.
        what: String,
        /// Its bound, bytes.
        limit: u64,
    },
    /// The repository says that it has no such document.
    #[error("{what} is missing")]
    Missing {
        /// The document.
        what: String,
    },
    /// Made for somebody else.
    #[error("{what} is for {found}, not for {expected}")]
    NotForUs {
        /// The document.
        what: String,
        /// Who we are.
        expected: String,
        /// Whom it names.
        found: String,
    },
    /// The environment's role does not list the release.
    #[error("{release} is not signed for {environment}")]
    NotSignedHere {
        /// `APP@VERSION`.
        release: String,
        /// The environment.
        environment: String,
    },
    /// What is stored does not verify, and no key was rotated.
    #[error("stored {what} does not verify")]
    StoreDamaged {
        /// The stored document.
        what: String,
    },
    /// No copy of the floors is left on a node that had them.
    #[error("all floors are lost")]
    FloorsLost,
    /// A signed date that cannot be.
    #[error("{role}: {problem}")]
    BadSignedDate {
        /// The role.
        role: String,
        /// Why it cannot be.
        problem: String,
    },
    /// A chain of roots longer than one refresh may walk.
    #[error("more than {limit} new roots")]
    TooManyRoots {
        /// The bound.
        limit: u64,
    },
    /// An offline bundle expired too long ago.
    #[error("{role} of the bundle is too old")]
    BundleTooOld {
        /// The role.
        role: String,
        /// Its date, seconds since 1970.
        expired_s: i64,
    },
    /// An offline bundle expired, which a local operator may confirm.
    #[error("{role} of the bundle expired and nobody confirmed it")]
    BundleNeedsConfirmation {
        /// The role.
        role: String,
        /// Its date, seconds since 1970.
        expired_s: i64,
    },
    /// The caller broke the protocol of [`super::Refresh`].
    #[error("{problem}")]
    Misuse {
        /// What it did.
        problem: &'static str,
    },
}

impl Coded for TrustError {
    fn code(&self) -> Code {
        match self {
            Self::BadSignature { .. } => code::BAD_SIGNATURE,
            Self::Rollback { .. } => code::ROLLBACK,
            Self::Expired { .. } => code::EXPIRED,
            Self::Frozen { .. } => code::FROZEN,
            Self::BadMetadata { .. } => code::BAD_METADATA,
            Self::TooBig { .. } => code::TOO_BIG,
            Self::Missing { .. } => code::MISSING_DOCUMENT,
            Self::NotForUs { .. } => code::NOT_FOR_US,
            Self::NotSignedHere { .. } => code::NOT_SIGNED_HERE,
            Self::StoreDamaged { .. } => code::STORE_DAMAGED,
            Self::FloorsLost => code::FLOORS_LOST,
            Self::BadSignedDate { .. } => code::BAD_SIGNED_DATE,
            Self::TooManyRoots { .. } => code::TOO_MANY_ROOTS,
            Self::BundleTooOld { .. } => code::BUNDLE_TOO_OLD,
            Self::BundleNeedsConfirmation { .. } => code::BUNDLE_NEEDS_CONFIRMATION,
            Self::Misuse { .. } => code::INTERNAL,
        }
    }

    fn args(&self) -> Args {
        let mut args = Args::new();
        let mut put = |name, value: &dyn std::fmt::Display| {
            args.insert(name, value.to_string());
        };
        match self {
            Self::BadSignature { role, problem } | Self::BadSignedDate { role, problem } => {
                put("role", role);
                put("problem", problem);
            }
            Self::Rollback {
                what,
                trusted,
                offered,
            } => {
                put("what", what);
                put("trusted", trusted);
                put("offered", offered);
            }
            Self::Expired { role, expired_s }
            | Self::BundleTooOld { role, expired_s }
            | Self::BundleNeedsConfirmation { role, expired_s } => {
                put("role", role);
                put("expired", &to_rfc3339(*expired_s));
            }
            Self::Frozen { signed_s } => put("signed", &to_rfc3339(*signed_s)),
            Self::BadMetadata { what, problem } => {
                put("what", what);
                put("problem", problem);
            }
            Self::TooBig { what, limit } => {
                put("what", what);
                put("limit", limit);
            }
            Self::Missing { what } | Self::StoreDamaged { what } => put("what", what),
            Self::NotForUs {
                what,
                expected,
                found,
            } => {
                put("what", what);
                put("expected", expected);
                put("found", found);
            }
            Self::NotSignedHere {
                release,
                environment,
            } => {
                put("release", release);
                put("environment", environment);
            }
            Self::FloorsLost => {}
            Self::TooManyRoots { limit } => put("limit", limit),
            Self::Misuse { problem } => put("problem", problem),
        }
        args
    }
}
