//! One temporary world: a folder for everything, the real binaries, and a promise that nothing that
//! was started in it is still running when it ends.
//!
//! ```no_run
//! use sanaga_tests::world::World;
//!
//! fn first_contact() -> anyhow::Result<()> {
//!     World::run("first-contact", |world| {
//!         let home = world.dir("controller")?;
//!         world.sanaga()?.arg("init").env("SANAGA_HOME", &home).ok()?;
//!         let mut server = world.spawn("serve", world.sanaga()?.arg("serve"))?;
//!         server.wait_for_line("Serving")?;
//!         Ok(())
//!     })
//! }
//! ```

mod binaries;
mod cmd;
mod mask;
mod patience;
mod process;
mod room;
mod sweep;

pub use binaries::{Binaries, binaries, workspace_root};
pub use cmd::{Cmd, Output};
pub use mask::{Mask, mask};
pub use patience::{PATIENCE, Step, eventually};
pub use process::Proc;
pub use room::{Greed, Room};
pub use sweep::processes_of;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// The environment variable that every process of a world inherits, so that it can be found.
pub const MARKER: &str = "SANAGA_WORLD";

/// How many lines of each log are shown when something fails.
const LOG_LINES_SHOWN: usize = 60;

/// A temporary folder and all processes that were started in it. Dropping it kills them, detached
/// services included, and removes the folder.
#[derive(Debug)]
pub struct World {
    root: PathBuf,
    folder: Option<TempDir>,
    id: String,
    watchdog: Option<sweep::Watchdog>,
    kept: AtomicBool,
}

impl World {
    /// Makes the folder. `name` stands in its path, which is kept short because Unix sockets that
    /// live below it may have 107 bytes.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn new(name: &str) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = tempfile::Builder::new()
            .prefix(&format!("sanaga-{name}-"))
            .tempdir()
            .context("a temporary folder")?;
        // macOS and some distributions have a symlink in the way; processes report the real path.
        let root = folder
            .path()
            .canonicalize()
            .context("the temporary folder's real path")?;
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{serial}-{name}", std::process::id());
        let watchdog = sweep::Watchdog::start(&id, &root).ok();
        let world = Self {
            root,
            folder: Some(folder),
            id,
            watchdog,
            kept: AtomicBool::new(false),
        };
        world.dir("logs")?;
        world.dir("home")?;
        Ok(world)
    }

    /// Makes a world, does the work in it, and prints the ends of all logs if it fails.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn run<T>(name: &str, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let world = Self::new(name)?;
        let result = work(&world);
        if result.is_err() {
            world.print_logs();
        }
        result
    }

    /// The folder of this world.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder below the root, made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Writes a file below the root, with the folders that it needs, and gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// A command of this world: clean environment, home folder inside the world, English, no colour.
    #[must_use]
    pub fn cmd(&self, program: impl AsRef<Path>) -> Cmd {
        Cmd::new(program.as_ref(), &self.root, &self.id)
    }

    /// The controller and operator's program.
    ///
    /// # Errors
    /// When the binaries cannot be built.
    pub fn sanaga(&self) -> Result<Cmd> {
        Ok(self.cmd(binaries()?.sanaga()?))
    }

    /// The agent.
    ///
    /// # Errors
    /// When the binaries cannot be built.
    pub fn agent(&self) -> Result<Cmd> {
        Ok(self.cmd(binaries()?.agent()?))
    }

    /// Starts a process that goes on in the background; its output goes to `logs/NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, cmd: Cmd) -> Result<Proc> {
        Proc::start(name, cmd, &self.root.join("logs"))
    }

    /// The ids of all processes that belong to this world, detached ones included.
    #[must_use]
    pub fn processes(&self) -> BTreeSet<u32> {
        processes_of(&self.id, &self.root)
    }

    /// Leaves folder and processes behind when the world ends (`demo --keep`).
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Prints the end of every log on stderr.
    pub fn print_logs(&self) {
        let Ok(logs) = std::fs::read_dir(self.root.join("logs")) else {
            return;
        };
        let mut paths: Vec<_> = logs.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<_> = text.lines().collect();
            let start = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("--- {} ({} lines)", path.display(), lines.len());
            for line in lines.iter().skip(start) {
                eprintln!("    {line}");
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        if self.kept.load(Ordering::Relaxed) {
            if let Some(folder) = self.folder.take() {
                let _left = folder.keep();
            }
            if let Some(watchdog) = self.watchdog.take() {
                watchdog.dismiss();
            }
            return;
        }
        let left = sweep::kill_all(&self.id, &self.root);
        if !left.is_empty() {
            eprintln!(
                "processes of {} that do not end: {left:?}",
                self.root.display()
            );
        }
    }
}

/// A port of 127.0.0.1 that nobody listens on, never given twice by this process.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut refused = Vec::new();
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
        let port = listener.local_addr()?.port();
        let mut given = GIVEN
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if given.insert(port) {
            return Ok(port);
        }
        // Held until a new one is found, or the system would give the same one again.
        refused.push(listener);
    }
}

#[cfg(test)]
mod tests;
