//! What can go wrong with data that are put aside.

use std::io;
use std::path::{Path, PathBuf};

use sanaga_durable::DurableError;
use sanaga_proto::code::{self, Code, Retry};
use sanaga_proto::failure::{Args, Coded};

use crate::disk;

/// Data that cannot be put aside, brought back or exported.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
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
    /// A database that `SQLite` cannot read or copy.
    #[error("{operation} {path}", path = path.display())]
    Database {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// A database or set that is not what it was.
    #[error("{path}: {problem}", path = path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to compare with: the set went back as it was, for want of room for a copy.
    #[error("{path} went back as it was", path = path.display())]
    NoBase {
        /// The file that went back.
        path: PathBuf,
    },
}

impl DataError {
    pub(super) fn disk(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn database(
        operation: &'static str,
        path: &Path,
    ) -> impl Fn(rusqlite::Error) -> Self {
        move |source| Self::Database {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Disk { source, .. } => disk::code_of(source) == code::DISK_FULL,
            Self::Database { .. } | Self::Damaged { .. } | Self::NoBase { .. } => false,
        }
    }
}

impl From<DurableError> for DataError {
    fn from(error: DurableError) -> Self {
        Self::Disk {
            operation: error.operation,
            path: error.path,
            source: error.source,
        }
    }
}

impl Coded for DataError {
    fn code(&self) -> Code {
        match self {
            Self::Full { .. } => code::DISK_FULL,
            Self::Disk { source, .. } => disk::code_of(source),
            Self::Database { source, .. }
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
            {
                code::DISK_FULL
            }
            Self::Database { .. } | Self::Damaged { .. } | Self::NoBase { .. } => {
                code::DATA_NOT_KEPT
            }
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Full { path, needed, free } => Args::from([
                ("path", path.display().to_string()),
                ("needed", needed.to_string()),
                ("free", free.to_string()),
            ]),
            Self::Disk { path, source, .. } => disk::args_of(path, source),
            Self::Database { path, source, .. } => Args::from([
                ("path", path.display().to_string()),
                ("problem", source.to_string()),
                ("needed", String::new()),
                ("free", String::new()),
            ]),
            Self::Damaged { path, problem } => Args::from([
                ("path", path.display().to_string()),
                ("problem", problem.clone()),
            ]),
            Self::NoBase { path } => Args::from([
                ("path", path.display().to_string()),
                (
                    "problem",
                    "it went back as it was, for want of room".to_owned(),
                ),
            ]),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::NoBase { .. } => Retry::Never,
            Self::Full { .. }
            | Self::Disk { .. }
            | Self::Database { .. }
            | Self::Damaged { .. } => self.code().retry,
        }
    }
}
