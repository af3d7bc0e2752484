//! What can go wrong with a slot.

use std::io;
use std::path::{Path, PathBuf};

use sanaga_durable::DurableError;
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::tree::TreeError;

/// A slot that cannot be made, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// No room for it.
    #[error("no room in {path}", path = path.display())]
    Full {
        /// The folder.
        path: PathBuf,
        /// What it takes, bytes.
        needed: u64,
        /// What there is, bytes.
        free: u64,
    },
    /// A fault of the disk.
    #[error("{operation} {path}", path = path.display())]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// An installed file, from which a new one was to be made, is not what it was.
    #[error("{path} is damaged")]
    BaseDamaged {
        /// The file, in its tree.
        path: String,
    },
    /// What was written is not the tree that was signed.
    #[error("the tree is not {expected}")]
    Mismatch {
        /// The signed root.
        expected: String,
    },
    /// What came does not fit the list of entries.
    #[error("{problem}")]
    Unfitting {
        /// What is wrong.
        problem: String,
    },
    /// A sidecar that does not read.
    #[error("{path}: {problem}", path = path.display())]
    Sidecar {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The running and the previous release are never removed.
    #[error("slot {slot} is in use")]
    InUse {
        /// Its number.
        slot: u32,
    },
}

impl SlotError {
    pub(super) fn disk(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Disk {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn unfitting(problem: impl Into<String>) -> Self {
        Self::Unfitting {
            problem: problem.into(),
        }
    }
}

impl From<DurableError> for SlotError {
    fn from(error: DurableError) -> Self {
        Self::Disk {
            operation: error.operation,
            path: error.path,
            source: error.source,
        }
    }
}

impl From<TreeError> for SlotError {
    fn from(error: TreeError) -> Self {
        Self::unfitting(error.to_string())
    }
}

impl Coded for SlotError {
    fn code(&self) -> Code {
        match self {
            Self::Full { .. } => code::DISK_FULL,
            Self::Disk { source, .. } => crate::disk::code_of(source),
            Self::BaseDamaged { .. } => code::BASE_DAMAGED,
            Self::Mismatch { .. } => code::TREE_MISMATCH,
            Self::Unfitting { .. } => code::BAD_PACK,
            Self::Sidecar { .. } => code::DRIFT,
            Self::InUse { .. } => code::INTERNAL,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Full { path, needed, free } => Args::from([
                ("path", path.display().to_string()),
                ("needed", needed.to_string()),
                ("free", free.to_string()),
            ]),
            Self::Disk { path, source, .. } => crate::disk::args_of(path, source),
            Self::BaseDamaged { path } => Args::from([("path", path.clone())]),
            Self::Mismatch { expected } => Args::from([("release", expected.clone())]),
            Self::Sidecar { path, .. } => Args::from([("path", path.display().to_string())]),
            Self::Unfitting { .. } | Self::InUse { .. } => {
                Args::from([("problem", self.to_string())])
            }
        }
    }
}
