//! The controller's folder: where everything is, and who holds it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;

/// Where the state of a controller that runs as root lives.
const SYSTEM: &str = "/var/lib/sanaga-controller";

/// The controller's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

/// What [`Home::find`] decides from; read once, in `main`.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `--home` or `SANAGA_HOME`.
    pub named: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state: Option<PathBuf>,
    /// `HOME`.
    pub user_home: Option<PathBuf>,
    /// Whether the effective user is root.
    pub root: bool,
}

impl Surroundings {
    /// Reads them from this process.
    #[must_use]
    pub fn of_process(named: Option<PathBuf>) -> Self {
        let folder = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        Self {
            named,
            xdg_state: folder("XDG_STATE_HOME"),
            user_home: folder("HOME"),
            root: rustix::process::geteuid().is_root(),
        }
    }
}

impl Home {
    /// `--home`, else `SANAGA_HOME`, else the system's folder as root, else the user's state folder.
    ///
    /// # Errors
    /// `CONFIG_UNREADABLE` when nothing says where the user's files are.
    pub fn find(surroundings: &Surroundings) -> Result<Self, Failure> {
        if let Some(named) = &surroundings.named {
            return Ok(Self(named.clone()));
        }
        if surroundings.root && surroundings.xdg_state.is_none() {
            return Ok(Self(PathBuf::from(SYSTEM)));
        }
        let state = surroundings.xdg_state.clone().or_else(|| {
            let home = surroundings.user_home.as_ref()?;
            Some(home.join(".local/state"))
        });
        state
            .map(|state| Self(state.join("sanaga/controller")))
            .ok_or_else(|| {
                Failure::new(code::CONFIG_UNREADABLE)
                    .arg("path", "$HOME")
                    .arg("problem", "it is not set")
            })
    }

    /// A folder that is known already.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("controller.db")
    }

    /// The private keys of people, each in a file with a passphrase, and public ones beside.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The online keys.
    #[must_use]
    pub fn server(&self) -> PathBuf {
        self.0.join("server")
    }

    /// The published files; those of `/v1/` are below `v1`.
    #[must_use]
    pub fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    /// What was handed in and is not yet published.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }

    /// Scratch space for packs and trees; what is left in it after a crash is of no use.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where a running server takes operations.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("run/sanaga.sock")
    }

    /// Makes the folder and those inside it; only the owner may enter.
    ///
    /// # Errors
    /// `NOT_WRITABLE` or `DISK_FULL` with the folder that could not be made.
    pub fn create(&self) -> Result<(), Failure> {
        let inside = [self.keys(), self.server(), self.uploads(), self.work()];
        let run = self.0.join("run");
        for folder in [self.0.clone()].into_iter().chain(inside).chain([run]) {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|error| not_writable(&folder, &error))?;
        }
        Ok(())
    }

    /// Takes the folder for this process; none when another process has it.
    ///
    /// # Errors
    /// `NOT_INITIALISED` when there is no such folder, `NOT_WRITABLE` when it cannot be used.
    pub fn lock(&self) -> Result<Option<HomeLock>, Failure> {
        if !self.0.is_dir() {
            return Err(Failure::new(code::NOT_INITIALISED).arg("path", self.0.display()));
        }
        let path = self.0.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| not_writable(&path, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(HomeLock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(not_writable(&path, &error.into())),
        }
    }
}

/// Held while this process is the only one that writes in the folder.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

fn not_writable(path: &Path, error: &io::Error) -> Failure {
    crate::disk::failure(path, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::failure::Coded as _;

    #[test]
    fn the_folder_is_found_in_the_documented_order() {
        let all = Surroundings {
            named: Some("/named".into()),
            xdg_state: Some("/xdg".into()),
            user_home: Some("/u".into()),
            root: true,
        };
        let find = |s: Surroundings| Home::find(&s).map(|home| home.path().to_owned());
        assert_eq!(find(all.clone()).unwrap(), Path::new("/named"));
        let unnamed = Surroundings { named: None, ..all };
        assert_eq!(
            find(unnamed.clone()).unwrap(),
            Path::new("/xdg/sanaga/controller")
        );
        let plain = Surroundings {
            xdg_state: None,
            ..unnamed
        };
        assert_eq!(find(plain.clone()).unwrap(), Path::new(SYSTEM));
        let user = Surroundings {
            root: false,
            ..plain
        };
        assert_eq!(
            find(user).unwrap(),
            Path::new("/u/.local/state/sanaga/controller")
        );
        assert!(find(Surroundings::default()).is_err());
    }

    #[test]
    fn two_processes_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        assert_eq!(home.lock().unwrap_err().code(), code::NOT_INITIALISED);
        home.create().unwrap();
        let held = home.lock().unwrap();
        assert!(held.is_some());
        assert!(home.lock().unwrap().is_none());
        drop(held);
        assert!(home.lock().unwrap().is_some());
    }
}
