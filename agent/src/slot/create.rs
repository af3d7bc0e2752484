//! Creating things below a folder that is held open, so that no name can lead out of it.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{self, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// A folder that is being filled.
#[derive(Debug)]
pub struct Below {
    folder: OwnedFd,
    has_openat2: bool,
}

impl Below {
    /// Makes a new folder that only we may enter, and opens it.
    ///
    /// # Errors
    /// Any fault of the disk, and an existing one.
    pub fn make(path: &Path) -> Result<Self, Errno> {
        fs::mkdir(path, Mode::RWXU)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = fs::openat(CWD, path, flags, Mode::empty())?;
        let probe = fs::openat2(
            &folder,
            ".",
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH,
        );
        Ok(Self {
            folder,
            has_openat2: probe.is_ok(),
        })
    }

    /// A new file.
    ///
    /// # Errors
    /// Any fault of the disk, an existing name, and a name that passes through a link.
    pub fn file(&self, path: &str) -> Result<File, Errno> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.open(path, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
    }

    /// A new folder, open to its owner alone.
    ///
    /// # Errors
    /// As [`Below::file`].
    pub fn folder(&self, path: &str) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        fs::mkdirat(&parent, name, Mode::RWXU)
    }

    /// A new link. Its target is only text here.
    ///
    /// # Errors
    /// As [`Below::file`].
    pub fn link(&self, path: &str, target: &str) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        fs::symlinkat(target, &parent, name)
    }

    /// Sets the final mode of a file or folder.
    ///
    /// # Errors
    /// Any fault of the disk.
    pub fn set_mode(&self, path: &str, mode: u16) -> Result<(), Errno> {
        let open = self.open(
            path,
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        fs::fchmod(&open, Mode::from_bits_truncate(mode.into()))
    }

    fn parent<'a>(&self, path: &'a str) -> Result<(OwnedFd, &'a str), Errno> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match path.rsplit_once('/') {
            Some((parent, name)) => Ok((self.open(parent, flags, Mode::empty())?, name)),
            None => Ok((rustix::io::fcntl_dupfd_cloexec(&self.folder, 0)?, path)),
        }
    }

    fn open(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        if self.has_openat2 {
            let resolve =
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            return fs::openat2(&self.folder, path, flags, mode, resolve);
        }
        // Older kernels: one component after the other, and none of them may be a link.
        let mut here: Option<OwnedFd> = None;
        let mut components = path.split('/').peekable();
        while let Some(component) = components.next() {
            if matches!(component, "" | "." | "..") {
                return Err(Errno::INVAL);
            }
            let at = here
                .as_ref()
                .map_or(self.folder.as_fd(), |folder| folder.as_fd());
            if components.peek().is_none() {
                return fs::openat(at, component, flags, mode);
            }
            let step = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = fs::openat(at, component, step, Mode::empty())?;
            here = Some(next);
        }
        Err(Errno::INVAL)
    }
}
