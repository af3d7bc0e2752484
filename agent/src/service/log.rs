//! What an app prints: one file of about a fixed size, and one older file.
//!
//! The app holds the file itself, so that its output does not depend on the agent. It writes by
//! appending, so the file can be cut to nothing under it; what it prints between the copy and the
//! cut is lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Opens the file to append, for the app.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

/// The older file: `service.log.1`.
pub(super) fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// Moves the last `bytes_max` bytes into the older file once there are more than that. If there is
/// no room for it they are dropped: output is never what fills the disk.
pub(super) fn trim(path: &Path, bytes_max: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    if bytes <= bytes_max {
        return Ok(());
    }
    let kept = keep(&mut file, bytes - bytes_max, bytes_max, &older(path));
    file.set_len(0)?;
    kept
}

fn keep(file: &mut File, from: u64, bytes_max: u64, to: &Path) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    let mut older = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(to)?;
    io::copy(&mut file.take(bytes_max), &mut older)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn keeps_the_newest_and_goes_on_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        let mut app = open(&path).unwrap();
        app.write_all(b"0123456789").unwrap();
        trim(&path, 10).unwrap();
        assert!(!older(&path).exists(), "not over the bound");
        app.write_all(b"abc").unwrap();
        trim(&path, 10).unwrap();
        assert_eq!(std::fs::read(older(&path)).unwrap(), b"3456789abc");
        app.write_all(b"next").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"next");
        app.write_all(b"0123456789").unwrap();
        trim(&path, 4).unwrap();
        assert_eq!(std::fs::read(older(&path)).unwrap(), b"6789");
    }

    #[test]
    fn is_cut_even_if_nothing_can_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.log");
        open(&path).unwrap().write_all(b"0123456789").unwrap();
        std::fs::create_dir(older(&path)).unwrap();
        assert!(trim(&path, 4).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
