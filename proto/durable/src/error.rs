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

    pub(crate) fn at(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}
