//! What can go wrong with what the controller keeps.

use std::error::Error;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};

/// A cause from below, whose type stays there.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer program wrote the database.
    #[error("{path} is of version {found}; this program knows {known}")]
    TooNew {
        /// The database.
        path: String,
        /// Its version.
        found: u64,
        /// The newest version that this program knows.
        known: u64,
    },
    /// The database is damaged, or is not ours.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The database.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No room on the disk.
    #[error("no room for {path}")]
    Full {
        /// The database.
        path: String,
    },
    /// Somebody else holds the database for too long.
    #[error("{path} is busy")]
    Busy {
        /// The database.
        path: String,
    },
    /// The folder or the file cannot be opened or written.
    #[error("{path} cannot be written")]
    NotWritable {
        /// The database.
        path: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// What is to be written is not what follows what is there: somebody was faster, or the name is
    /// taken.
    #[error("{what} {name}: {problem}")]
    Conflict {
        /// What kind of thing.
        what: &'static str,
        /// Which one.
        name: String,
        /// How it differs from what was expected.
        problem: String,
    },
    /// This controller was never initialised.
    #[error("the database is empty")]
    Empty {
        /// The database.
        path: String,
    },
    /// A stored file could not be published; it stays in the outbox.
    #[error("{path} could not be published")]
    Publish {
        /// Its path below `/v1/`.
        path: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Anything else.
    #[error("{operation} failed")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        cause: Cause,
    },
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::TooNew { .. } => code::DATABASE_TOO_NEW,
            Self::Damaged { .. } => code::DATABASE_DAMAGED,
            Self::Full { .. } => code::DISK_FULL,
            Self::Busy { .. } => code::LOCKED,
            Self::NotWritable { .. } => code::NOT_WRITABLE,
            Self::Conflict { .. } => code::NAME_TAKEN,
            Self::Empty { .. } => code::NOT_INITIALISED,
            Self::Publish { cause, .. } => crate::disk::code_of(cause.as_ref()),
            Self::Failed { .. } => code::INTERNAL,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::TooNew { path, found, known } => Args::from([
                ("path", path.clone()),
                ("found", found.to_string()),
                ("known", known.to_string()),
            ]),
            Self::Damaged { path, problem } => {
                Args::from([("path", path.clone()), ("problem", problem.clone())])
            }
            Self::Full { path } => Args::from([
                ("path", path.clone()),
                ("needed", String::new()),
                ("free", "0".to_owned()),
            ]),
            Self::Busy { path } | Self::Empty { path } => Args::from([("path", path.clone())]),
            Self::NotWritable { path, cause } => {
                Args::from([("path", path.clone()), ("problem", cause.to_string())])
            }
            Self::Publish { path, cause } => crate::disk::args_of(path.as_ref(), cause.as_ref()),
            Self::Conflict { what, name, .. } => {
                Args::from([("what", (*what).to_owned()), ("name", name.clone())])
            }
            Self::Failed { operation, cause } => {
                Args::from([("problem", format!("{operation}: {cause}"))])
            }
        }
    }
}
