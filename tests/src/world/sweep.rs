//! Finding and ending every process of a world, also those that left its process groups on purpose
//! (supervised services outlive their agent), and also when the test itself was killed.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::MARKER;

/// How long killed processes may take to disappear.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The ids of the processes that carry the world's marker in their environment, or whose program or
/// working folder lies in the world (their environment may have been cleaned). Zombies, which have
/// neither, do not count.
#[must_use]
pub fn processes_of(world: &str, root: &Path) -> BTreeSet<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && belongs(*pid, world, root))
        .collect()
}

fn belongs(pid: u32, world: &str, root: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.to_string());
    let marker = format!("{MARKER}={world}");
    let environment = std::fs::read(proc.join("environ")).unwrap_or_default();
    if environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == marker.as_bytes())
    {
        return true;
    }
    // A program that was replaced on disk is shown as "PATH (deleted)", which still starts so.
    ["exe", "cwd"].iter().any(|link| {
        std::fs::read_link(proc.join(link)).is_ok_and(|path| {
            path.as_os_str()
                .as_bytes()
                .starts_with(root.as_os_str().as_bytes())
        })
    })
}

/// Kills all of them and gives the ids of those that are still there after 10 s.
pub(super) fn kill_all(world: &str, root: &Path) -> BTreeSet<u32> {
    let started = Instant::now();
    loop {
        // Again and again, because what is killed last may have started another one.
        let left = processes_of(world, root);
        if left.is_empty() || started.elapsed() > END_PATIENCE {
            return left;
        }
        for pid in left.iter().filter_map(|pid| raw(*pid)) {
            let _gone = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Kills a process group; one that is gone is no error.
pub(super) fn kill_group(leader: u32) {
    if let Some(pid) = raw(leader) {
        let _gone = kill_process_group(pid, Signal::KILL);
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// What a process has computed so far, as a text that changes while it computes (nanoseconds on the
/// processor, proc(5) `schedstat`).
pub(super) fn cpu_time(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/schedstat"))
        .ok()
        .and_then(|text| text.split(' ').next().map(str::to_owned))
        .unwrap_or_default()
}

/// A line of `/proc/PID/status` that is given in kB.
pub(super) fn status_kib(pid: u32, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{key} in {path}"))
}

/// A shell that waits for the end of its stdin, which comes when this process dies in whatever way,
/// and then does what `World::drop` could not do.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// `$1` is the marker, `$2` the folder. "keep" on stdin calls it off.
const WATCHDOG: &str = r#"
read -r word && [ "$word" = keep ] && exit 0
for file in $(grep -ls -- "$1" /proc/[0-9]*/environ); do
  pid=${file#/proc/}
  kill -KILL "${pid%/environ}" 2>/dev/null
done
sleep 1
rm -rf -- "$2"
"#;

impl Watchdog {
    pub(super) fn start(world: &str, root: &Path) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(format!("{MARKER}={world}"))
            .arg(root)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the watchdog")?;
        let stdin = child.stdin.take();
        Ok(Self { child, stdin })
    }

    /// Calls it off.
    pub(super) fn dismiss(mut self) {
        self.call_off();
    }

    fn call_off(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _gone = stdin.write_all(b"keep\n");
        }
        let _status = self.child.wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.call_off();
    }
}
