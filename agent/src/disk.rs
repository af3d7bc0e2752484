//! What an error of the disk is called: full, not writable, or something else.

use std::io;
use std::path::Path;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Failure};

/// The code of an I/O error.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named here is handed on whole"
)]
pub fn code_of(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            code::DISK_FULL
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => code::NOT_WRITABLE,
        _ => code::DISK_FAULT,
    }
}

/// The words for it.
#[must_use]
pub fn args_of(path: &Path, error: &io::Error) -> Args {
    let folder = path.parent().unwrap_or(path);
    let free = sanaga_durable::free_bytes(folder)
        .map_or_else(|_| "?".to_owned(), |bytes| bytes.to_string());
    Args::from([
        ("path", path.display().to_string()),
        ("problem", error.to_string()),
        ("needed", String::new()),
        ("free", free),
    ])
}

/// A failure of `path`.
#[must_use]
pub fn failure(path: &Path, error: io::Error) -> Failure {
    args_of(path, &error)
        .into_iter()
        .fold(Failure::new(code_of(&error)), |failure, (name, value)| {
            failure.arg(name, value)
        })
        .because(error)
}

/// A failure of a durable operation on `path`.
#[must_use]
pub fn durable_failure(path: &Path, error: sanaga_durable::DurableError) -> Failure {
    let kind = error.kind();
    failure(path, io::Error::new(kind, error))
}
