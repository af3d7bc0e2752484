//! Whom the worker's folder and socket belong to. Root hands over only what is still its own, and
//! follows no link: the worker may have put something else in the place.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use crate::disk;
use crate::identity::IdentityFiles;
use crate::service::user::{Account, account};

/// Gives the worker its folder, key and certificate. Returns the users that may be the worker: that
/// one, and ourselves, who could do all of it anyway.
///
/// # Errors
/// A user that is not here, or a fault of the disk.
pub fn hand_over(files: &IdentityFiles, packs: &Path, user: &str) -> Result<Vec<u32>, Failure> {
    let own = rustix::process::geteuid().as_raw();
    let Some(account) = known(user)? else {
        return Ok(vec![own]);
    };
    let (key, certificate) = (files.tls_key(), files.tls_certificate());
    for path in [files.worker(), packs, &key, &certificate] {
        give(path, account).map_err(|error| disk::failure(path, error))?;
    }
    Ok(vec![own, account.uid])
}

/// Lets the worker's group connect to a socket that we made just now, in a folder of ours.
///
/// # Errors
/// As [`hand_over`].
pub fn give_socket(socket: &Path, user: &str) -> Result<(), Failure> {
    let Some(account) = known(user)? else {
        return Ok(());
    };
    let group = Some(Gid::from_raw(account.gid));
    rustix::fs::chown(socket, None, group).map_err(|error| disk::failure(socket, error.into()))
}

/// None where there is nobody to hand to: we are that user, or may not become another.
fn known(user: &str) -> Result<Option<Account>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    account(Some(user)).map_err(|problem| {
        Failure::new(code::BAD_VALUE)
            .arg("path", "command line")
            .arg("line", "")
            .arg("key", "worker-user")
            .arg("problem", problem)
    })
}

fn give(path: &Path, account: Account) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: OwnedFd = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let found = rustix::fs::fstat(&file)?;
    let is_ours = found.st_uid == rustix::process::geteuid().as_raw();
    let kind = FileType::from_raw_mode(found.st_mode);
    // A file with another name belongs to something else as well.
    let fits =
        kind == FileType::Directory || (kind == FileType::RegularFile && found.st_nlink == 1);
    if is_ours && fits {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    Ok(())
}
