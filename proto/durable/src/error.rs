//! Why something could not be made to last.

use std::io;
use std::path::{Path, PathBuf};

/// An operation that failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}")]
pub struct DurableError {
    /// What was tried.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl DurableError {
    /// The kind of the cause.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The system's error number, if the system gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// No room, or a quota is used up: it goes on when there is room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    /// The folder is not ours to write, or its file system is read-only.
    #[must_use]
    pub fn is_not_writable(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        )
    }

    pub(crate) fn at(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}
