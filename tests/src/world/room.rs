//! A small disk of its own for some processes of a world, in a mount namespace: it can be filled
//! and made read-only without touching the machine's disk, and it is gone with its last process,
//! however that ends. Needs root.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Cmd, Proc, World};
use crate::needs::{Need, first_missing};

/// What makes the room full.
const FILLER: &str = "filler";
/// It is written in pieces of this size, bytes; the last one is cut to what fits.
static PIECE: [u8; 256 << 10] = [0; 256 << 10];
/// How often a [`Greed`] looks for room.
const LOOK: Duration = Duration::from_micros(500);

/// A small disk.
#[derive(Debug)]
pub struct Room {
    holder: Proc,
    inside: PathBuf,
    outside: PathBuf,
}

/// Takes every byte that becomes free, until it is dropped.
#[derive(Debug)]
pub struct Greed {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Room {
    /// What the machine lacks for one, if anything.
    #[must_use]
    pub fn missing() -> Option<String> {
        first_missing(&[Need::Root, Need::Namespaces])
    }

    /// Makes one at the folder `name` of the world. Only commands that [`Room::enter`] it see what
    /// is on it.
    ///
    /// # Errors
    /// When the machine cannot.
    pub fn new(world: &World, name: &str, bytes: u64) -> Result<Self> {
        let inside = world.dir(name)?;
        let script = format!(
            "mount -t tmpfs -o size={bytes},mode=0755 sanaga '{}' && echo mounted && exec sleep 86400",
            inside.display()
        );
        let cmd = world
            .cmd("unshare")
            .args(["-m", "--propagation", "private"]);
        let mut holder = world.spawn(
            &format!("room-{name}"),
            cmd.args(["sh", "-c", script.as_str()]),
        )?;
        holder.wait_for_line("mounted")?;
        let root = PathBuf::from(format!("/proc/{}/root", holder.pid()));
        let below = inside.strip_prefix("/").context("an absolute path")?;
        Ok(Self {
            outside: root.join(below),
            inside,
            holder,
        })
    }

    /// Its path, as commands that entered it know it.
    #[must_use]
    pub fn inside(&self) -> &Path {
        &self.inside
    }

    /// Its path, as this process knows it.
    #[must_use]
    pub fn outside(&self) -> &Path {
        &self.outside
    }

    /// The command, with this disk in its sight. Its working folder is `/`.
    #[must_use]
    pub fn enter(&self, cmd: Cmd) -> Cmd {
        let pid = self.holder.pid().to_string();
        cmd.through("nsenter", &["-m", "-t", &pid, "--"])
    }

    /// Fills it to the last page.
    ///
    /// # Errors
    /// When anything but the want of room ends it.
    pub fn fill(&self) -> Result<()> {
        fill(&self.outside).context("fill the room")
    }

    /// Fills it until so many bytes are left.
    ///
    /// # Errors
    /// When the filler cannot be written.
    pub fn leave(&self, bytes: u64) -> Result<()> {
        self.fill()?;
        let path = self.outside.join(FILLER);
        let filler = File::options().write(true).open(path).context("filler")?;
        let length = filler.metadata()?.len().saturating_sub(bytes);
        filler.set_len(length).context("leave some room")
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When the filler cannot be removed.
    pub fn clear(&self) -> Result<()> {
        match std::fs::remove_file(self.outside.join(FILLER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("make room"),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Fills it, and takes whatever is given back, until the guard is dropped; then it stays as
    /// full as it was. With `from`, it begins when that appears.
    #[must_use]
    pub fn greed(&self, from: Option<Box<dyn Fn() -> bool + Send>>) -> Greed {
        let (stop, room) = (Arc::new(AtomicBool::new(false)), self.outside.clone());
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut begun = from.is_none();
            while !told.load(Ordering::Relaxed) {
                begun = begun || from.as_ref().is_some_and(|seen| seen());
                if begun {
                    // The next look tries again; the proof sees what came of it.
                    let _ = fill(&room);
                }
                std::thread::sleep(LOOK);
            }
        });
        Greed {
            stop,
            thread: Some(thread),
        }
    }

    /// Makes it read-only for every command that enters from now on, or writable again. Whatever
    /// has files open on it goes on writing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read_only(&self, world: &World, on: bool) -> Result<()> {
        let run = |program: &str, args: &[&str], paths: usize| -> Result<()> {
            let paths = std::iter::repeat_n(&self.inside, paths);
            let cmd = world.cmd(program).args(args).args(paths);
            self.enter(cmd).ok().map(drop)
        };
        if !on {
            return run("umount", &["-l"], 1);
        }
        run("mount", &["--bind"], 2)?;
        run("mount", &["-o", "remount,bind,ro"], 1)
    }
}

impl Drop for Greed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn fill(room: &Path) -> std::io::Result<()> {
    let mut filler = File::options()
        .create(true)
        .append(true)
        .open(room.join(FILLER))?;
    loop {
        match filler.write(&PIECE) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
