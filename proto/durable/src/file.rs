//! Single files, links and folders.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::trace::{trace, trace_file};
use crate::{DurableError, UNFINISHED};

/// Makes `path` hold `bytes`, wholly or not at all: temporary file, sync, rename, sync of the folder.
///
/// # Errors
/// Any fault of the disk; then `path` is as it was, unless only the last sync failed.
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let unfinished = beside(path);
    let result = write_new(&unfinished, bytes, mode).and_then(|()| rename(&unfinished, path));
    if result.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    result
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let error = DurableError::at("write", path);
    trace("create", path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(&error)?;
    // Exactly what was asked for, whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))
        .map_err(&error)?;
    file.write_all(bytes).map_err(&error)?;
    sync_file(&file).map_err(|cause| error(cause.source))
}

/// Renames within one file system, and syncs the folders of both names.
///
/// # Errors
/// Any fault of the disk. When only a sync failed, the rename may or may not last.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that renames"
)]
pub fn rename(from: &Path, to: &Path) -> Result<(), DurableError> {
    trace("rename", to);
    fs::rename(from, to).map_err(DurableError::at("rename to", to))?;
    sync_folders(from, to)
}

pub(crate) fn sync_folders(from: &Path, to: &Path) -> Result<(), DurableError> {
    let (from, to) = (folder(from), folder(to));
    sync_dir(to)?;
    if from == to { Ok(()) } else { sync_dir(from) }
}

/// Makes `link` point to `target`, at one instant.
///
/// # Errors
/// Any fault of the disk; then `link` is as it was.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that links"
)]
pub fn replace_symlink(link: &Path, target: &Path) -> Result<(), DurableError> {
    let unfinished = beside(link);
    trace("symlink", &unfinished);
    std::os::unix::fs::symlink(target, &unfinished).map_err(DurableError::at("link", link))?;
    let result = rename(&unfinished, link);
    if result.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    result
}

/// Gives a file a second name, and syncs the folder of that name.
///
/// # Errors
/// Any fault of the disk, and an existing `to`.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that links"
)]
pub fn hard_link(from: &Path, to: &Path) -> Result<(), DurableError> {
    trace("link", to);
    fs::hard_link(from, to).map_err(DurableError::at("link", to))?;
    sync_dir(folder(to))
}

/// Makes a folder and those above it, each one synced into the one above.
///
/// # Errors
/// Any fault of the disk. An existing folder is none.
pub fn make_dir(path: &Path) -> Result<(), DurableError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder(path);
    make_dir(above)?;
    trace("mkdir", path);
    match fs::create_dir(path) {
        Ok(()) => sync_dir(above),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => sync_dir(above),
        Err(error) => Err(DurableError::at("make folder", path)(error)),
    }
}

/// Removes a file or link for good. An absent one is no error.
///
/// # Errors
/// Any other fault of the disk.
pub fn remove_file(path: &Path) -> Result<(), DurableError> {
    trace("unlink", path);
    match fs::remove_file(path) {
        Ok(()) => sync_dir(folder(path)),
        // An earlier removal may have been cut before its sync.
        Err(error) if error.kind() == io::ErrorKind::NotFound => sync_if_there(folder(path)),
        Err(error) => Err(DurableError::at("remove", path)(error)),
    }
}

/// Syncs a folder, unless it is gone itself.
pub(crate) fn sync_if_there(path: &Path) -> Result<(), DurableError> {
    match sync_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Makes the data of an open file last.
///
/// # Errors
/// What the disk says. After an error nothing is known about what was written.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that syncs"
)]
pub fn sync_file(file: &File) -> Result<(), DurableError> {
    trace_file("sync", file);
    file.sync_all()
        .map_err(DurableError::at("sync", Path::new("an open file")))
}

/// Makes the names in a folder last.
///
/// # Errors
/// What the disk says.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that syncs"
)]
pub fn sync_dir(path: &Path) -> Result<(), DurableError> {
    let error = DurableError::at("sync folder", path);
    trace("sync", path);
    File::open(path).map_err(&error)?.sync_all().map_err(&error)
}

/// Reserves room for a file, so that a full disk is known before the first byte is fetched. The
/// file's length does not change.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] when there is none. Where the file system cannot reserve, it is at
/// least looked whether there is room now.
pub fn reserve(file: &File, bytes: u64) -> Result<(), DurableError> {
    use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
    use rustix::io::Errno;
    let error = DurableError::at("reserve", Path::new("an open file"));
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes.max(1)) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let held = file.metadata().map_err(&error)?.len();
            let space = fstatvfs(file).map_err(|errno| error(errno.into()))?;
            if space.f_bavail.saturating_mul(space.f_frsize) < bytes.saturating_sub(held) {
                return Err(error(Errno::NOSPC.into()));
            }
            Ok(())
        }
        Err(errno) => Err(error(errno.into())),
    }
}

/// The folder of a path; of a bare name, the present one.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// A name beside `path` that no other call uses.
pub(crate) fn beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    folder(path).join(format!(
        "{UNFINISHED}{}-{number}-{name}",
        std::process::id()
    ))
}
