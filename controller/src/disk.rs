//! What a fault of the disk is called: full, not writable, or something else.

use std::error::Error;
use std::io;
use std::path::Path;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Failure};

/// The code of a fault; what the disk said may stand further down among its causes.
#[must_use]
pub fn code_of(error: &(dyn Error + 'static)) -> Code {
    let mut cause = Some(error);
    while let Some(this) = cause {
        match this.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                return code::DISK_FULL;
            }
            Some(
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::NotFound,
            ) => return code::NOT_WRITABLE,
            _ => cause = this.source(),
        }
    }
    code::DISK_FAULT
}

/// The words for it; `path` is what was written.
#[must_use]
pub fn args_of(path: &Path, error: &(dyn Error + 'static)) -> Args {
    let folder = path.parent().unwrap_or(path);
    let free = sanaga_durable::free_bytes(folder).unwrap_or_default();
    let mut root: &(dyn Error + 'static) = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    Args::from([
        ("path", path.display().to_string()),
        ("problem", root.to_string()),
        ("needed", String::new()),
        ("free", free.to_string()),
    ])
}

/// The failure to write `path`.
#[must_use]
pub fn failure(path: &Path, error: &(dyn Error + 'static)) -> Failure {
    args_of(path, error)
        .into_iter()
        .fold(Failure::new(code_of(error)), |failure, (name, value)| {
            failure.arg(name, value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::failure::Coded as _;

    #[test]
    fn a_full_disk_is_found_among_the_causes() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let path = Path::new("/tmp/x");
        assert_eq!(failure(path, &full()).code(), code::DISK_FULL);
        let wrapped = crate::publish::PublishError::Write(full());
        assert_eq!(code_of(&wrapped), code::DISK_FULL);
        let read_only = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(code_of(&read_only), code::NOT_WRITABLE);
        assert_eq!(code_of(&io::Error::other("odd")), code::DISK_FAULT);
    }
}
