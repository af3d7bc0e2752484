//! Copies of files and folders with all that belongs to them: content, mode, owner, times and links.
//! Where the file system can, a copy shares its blocks with the original until one of them changes.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Gid, OFlags, Timespec, Timestamps, Uid, chownat, fchown, futimens, ioctl_ficlone,
    utimensat,
};

use crate::DurableError;
use crate::file::{sync_dir, sync_file};
use crate::trace::trace;

/// Copies a regular file to a path that must be free, and syncs it; not its name. A link in the place
/// of the original is not followed. With `room` zero only a copy that shares blocks is made.
///
/// # Errors
/// Any fault of the disk; [`io::ErrorKind::StorageFull`] as well when the copy would take blocks of
/// its own and is larger than `room`, bytes.
pub fn copy_file(from: &Path, to: &Path, room: u64) -> Result<(), DurableError> {
    let error = DurableError::at("copy to", to);
    let mut original = open(from)?;
    let about = original.metadata().map_err(&error)?;
    if !about.is_file() {
        let problem = "what is to be copied is no regular file";
        return Err(error(io::Error::new(io::ErrorKind::InvalidInput, problem)));
    }
    trace("create", to);
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(&error)?;
    if ioctl_ficlone(&copy, &original).is_err() {
        if about.len() > room {
            let _ = fs::remove_file(to);
            return Err(error(io::ErrorKind::StorageFull.into()));
        }
        io::copy(&mut original, &mut copy).map_err(&error)?;
    }
    describe(&copy, &about).map_err(&error)?;
    sync_file(&copy).map_err(|cause| error(cause.source))
}

/// Copies a folder with all that is in it to a path that must be free, and syncs everything but its
/// name. Links are copied as links. Sockets, pipes and devices are no data, and are left out.
///
/// # Errors
/// As [`copy_file`]; then half a copy may be left.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that links"
)]
pub fn copy_tree(from: &Path, to: &Path, room: u64) -> Result<(), DurableError> {
    let error = DurableError::at("copy to", to);
    let about = fs::symlink_metadata(from).map_err(&error)?;
    if !about.is_dir() {
        let problem = "what is to be copied is no folder";
        return Err(error(io::Error::new(io::ErrorKind::NotADirectory, problem)));
    }
    trace("mkdir", to);
    fs::create_dir(to).map_err(&error)?;
    let mut left = room;
    for entry in fs::read_dir(from).map_err(&error)? {
        let entry = entry.map_err(&error)?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        let about = fs::symlink_metadata(&path).map_err(&error)?;
        if about.is_dir() {
            copy_tree(&path, &copy, left)?;
        } else if about.is_file() {
            copy_file(&path, &copy, left)?;
            left = left.saturating_sub(about.len());
        } else if about.is_symlink() {
            let target = fs::read_link(&path).map_err(&error)?;
            std::os::unix::fs::symlink(target, &copy).map_err(&error)?;
            let (uid, gid) = owner(&about);
            chownat(CWD, &copy, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| error(errno.into()))?;
        }
    }
    // Last, since making what is in it changes its times, and its mode may forbid that.
    let (uid, gid) = owner(&about);
    chownat(CWD, to, uid, gid, AtFlags::empty()).map_err(|errno| error(errno.into()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(about.mode())).map_err(&error)?;
    utimensat(CWD, to, &times(&about), AtFlags::empty()).map_err(|errno| error(errno.into()))?;
    sync_dir(to)
}

/// Gives a file, as far as a copy has them, the mode, owner and times of another.
fn describe(copy: &File, about: &Metadata) -> io::Result<()> {
    let (uid, gid) = owner(about);
    fchown(copy, uid, gid)?;
    copy.set_permissions(fs::Permissions::from_mode(about.mode()))?;
    futimens(copy, &times(about))?;
    Ok(())
}

fn owner(about: &Metadata) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(about.uid())),
        Some(Gid::from_raw(about.gid())),
    )
}

fn times(about: &Metadata) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: about.atime(),
            tv_nsec: about.atime_nsec(),
        },
        last_modification: Timespec {
            tv_sec: about.mtime(),
            tv_nsec: about.mtime_nsec(),
        },
    }
}

fn open(path: &Path) -> Result<File, DurableError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.map_err(DurableError::at("open", path))
}
