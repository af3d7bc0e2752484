//! Whole folders.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::file::{beside, rename, sync_dir, sync_file, sync_folders, sync_if_there};
use crate::trace::trace;
use crate::{DurableError, UNFINISHED};

/// Moves a folder to its place, which must be free, and syncs the folders above both names. What is
/// in it must be synced before, by [`sync_tree`].
///
/// # Errors
/// Any fault of the disk, and an existing `to`.
pub fn rename_dir(from: &Path, to: &Path) -> Result<(), DurableError> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {
            trace("rename", to);
            sync_folders(from, to)
        }
        // A file system that does not know the flag; only our own process writes in the folder, so
        // that looking first will do.
        Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(to).is_err() => rename(from, to),
        Err(Errno::INVAL | Errno::NOSYS) => {
            Err(DurableError::at("rename to", to)(Errno::EXIST.into()))
        }
        Err(errno) => Err(DurableError::at("rename to", to)(errno.into())),
    }
}

/// Makes everything below a folder last: files first, then folders from the leaves up. Links are not
/// followed.
///
/// # Errors
/// Any fault of the disk.
pub fn sync_tree(path: &Path) -> Result<(), DurableError> {
    let error = DurableError::at("sync tree", path);
    for entry in fs::read_dir(path).map_err(&error)? {
        let entry = entry.map_err(&error)?;
        let kind = entry.file_type().map_err(&error)?;
        if kind.is_dir() {
            sync_tree(&entry.path())?;
        } else if kind.is_file() {
            sync_file(&open(&entry.path())?)?;
        }
    }
    sync_dir(path)
}

/// Removes a folder with all that is in it. It is moved aside first, so that half a removal is never
/// taken for a whole folder. An absent one is no error.
///
/// # Errors
/// Any other fault of the disk.
pub fn remove_tree(path: &Path) -> Result<(), DurableError> {
    let aside = beside(path);
    match rename(path, &aside) {
        Ok(()) => remove_now(&aside),
        // An earlier removal may have been cut before its sync.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(above) if !above.as_os_str().is_empty() => sync_if_there(above),
            Some(_) | None => Ok(()),
        },
        Err(error) => Err(error),
    }
}

/// Removes what an interrupted operation left behind in a folder. An absent folder is no error.
///
/// # Errors
/// Any other fault of the disk.
pub fn sweep(path: &Path) -> Result<(), DurableError> {
    let error = DurableError::at("sweep", path);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(error(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(&error)?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            remove_now(&entry.path())?;
        }
    }
    Ok(())
}

/// The room that is left for us on the file system of a path, bytes.
///
/// # Errors
/// What the system says, as for a path that does not exist.
pub fn free_bytes(path: &Path) -> Result<u64, DurableError> {
    let space = rustix::fs::statvfs(path)
        .map_err(|error| DurableError::at("ask for room", path)(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Opens a regular file to sync it; a link or pipe that took its place is not followed or waited for.
fn open(path: &Path) -> Result<File, DurableError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.map_err(DurableError::at("open", path))
}

fn remove_now(path: &Path) -> Result<(), DurableError> {
    trace("remove", path);
    let error = DurableError::at("remove", path);
    let kind = fs::symlink_metadata(path).map_err(&error)?.file_type();
    if !kind.is_dir() {
        return fs::remove_file(path).map_err(error);
    }
    unlock(path);
    fs::remove_dir_all(path).map_err(error)
}

/// Gives the owner the right to remove below: trees are installed with the modes of their release.
fn unlock(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}
