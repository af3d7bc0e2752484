//! A lock on a folder that ends with its process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::DurableError;

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Somebody else holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The other process, if it wrote its id.
    pub pid: Option<u32>,
}

impl Lock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// A fault of the disk, such as a folder that cannot be written.
    pub fn try_acquire(path: &Path) -> Result<Result<Self, Held>, DurableError> {
        let error = DurableError::at("lock", path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(&error)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Ok(Err(Held {
                    pid: text.trim().parse().ok(),
                }));
            }
            Err(cause) => return Err(error(cause.into())),
        }
        // The id only serves messages; the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Ok(Self { _file: file }))
    }
}
