//! A machine: a bare Debian with systemd, booted by `systemd-nspawn` in namespaces of its own. Commands
//! run inside it, files are put into it, and its power can be cut: its init is killed at once, and with
//! it everything that runs. Needs root. What it cannot show is a disk that loses what was not synced;
//! that is for the power-cut proofs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::needs::{Need, debian, first_missing};
use crate::world::{Cmd, Output, PATIENCE, Proc, Step, World, eventually};

/// What commands inside find programs by.
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Control groups of its own, so that two machines never share one: below where these hierarchies are.
const HIERARCHIES: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
];
/// `$1` is the group; the rest is what to become in it. A computer that has another way of groups, or none
/// to give, goes without.
const INTO_GROUP: &str = r#"
group=$1
shift
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  [ -f "$hierarchy/cgroup.procs" ] || continue
  mkdir -p "$hierarchy/$group" && echo $$ >"$hierarchy/$group/cgroup.procs" || true
done 2>/dev/null
exec "$@"
"#;

/// A command inside may say nothing for so long. How much it computes is not seen from here: it has
/// another process than `nsenter`, which is the one that is looked at.
const QUIET: Duration = Duration::from_secs(600);

/// A machine, on or off.
#[derive(Debug)]
pub struct Machine<'w> {
    world: &'w World,
    root: PathBuf,
    group: String,
    power: Option<Power>,
    boots: u32,
}

/// What runs while it is on.
#[derive(Debug)]
struct Power {
    nspawn: Proc,
    init: u32,
    since: Instant,
}

impl<'w> Machine<'w> {
    /// What this computer lacks for one, if anything.
    #[must_use]
    pub fn missing() -> Option<String> {
        first_missing(&[Need::Root, Need::Namespaces, Need::Machine])
    }

    /// Unpacks a machine that was never switched on.
    ///
    /// # Errors
    /// When the archive cannot be unpacked.
    pub fn new(world: &'w World) -> Result<Self> {
        let root = world.dir("machine")?;
        // Devices are made by systemd-nspawn.
        world
            .cmd("tar")
            .args(["--exclude=./dev/*", "-xf"])
            .arg(debian())
            .arg("-C")
            .arg(&root)
            .ok()?;
        let group = world.root().file_name().context("a folder")?;
        let group = group.to_string_lossy().into_owned();
        Ok(Self {
            world,
            root,
            group,
            power: None,
            boots: 0,
        })
    }

    /// Where a path of the machine is on this computer.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Copies a file into a folder of the machine.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn put(&self, file: &Path, folder: &str) -> Result<()> {
        let to = self.path(folder);
        std::fs::create_dir_all(&to).with_context(|| to.display().to_string())?;
        let name = file.file_name().context("a file")?;
        std::fs::copy(file, to.join(name)).with_context(|| file.display().to_string())?;
        Ok(())
    }

    /// Switches it on and waits until systemd has started everything.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(&mut self) -> Result<()> {
        self.switch_on()?;
        eventually("the boot", PATIENCE, || {
            let state = self.sh("systemctl is-system-running --wait")?.run()?;
            Ok(match state.stdout.trim() {
                "running" | "degraded" => Step::Done(()),
                // What it says first, before its bus is there, is all the same.
                _ => Step::Waiting(self.console()),
            })
        })
    }

    /// Switches it on and returns as soon as commands can run inside.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn switch_on(&mut self) -> Result<()> {
        ensure!(self.power.is_none(), "the machine is on");
        self.boots += 1;
        let cmd = self
            .world
            .cmd("sh")
            .args(["-c", INTO_GROUP, "sh", &self.group])
            .args(["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"])
            .args(["--boot", "--private-network", "--link-journal=no"])
            .arg("--console=pipe")
            .arg(format!("--directory={}", self.root.display()));
        let since = Instant::now();
        let mut nspawn = self.world.spawn(&format!("boot-{}", self.boots), cmd)?;
        let init = eventually("an init", PATIENCE, || {
            if let Some(status) = nspawn.ended()? {
                bail!("systemd-nspawn ended ({status}):\n{}", nspawn.text());
            }
            let child = child_of(nspawn.pid()).filter(|child| is_init(*child));
            Ok(child.map_or_else(|| Step::Waiting(nspawn.text()), Step::Done))
        })?;
        self.power = Some(Power {
            nspawn,
            init,
            since,
        });
        Ok(())
    }

    /// Cuts the power: everything that runs is gone at once.
    ///
    /// # Errors
    /// When it does not end.
    pub fn power_off(&mut self) -> Result<()> {
        if let Some(mut power) = self.power.take() {
            kill(power.init)?;
            power.nspawn.wait()?;
        }
        Ok(())
    }

    /// For so long it has been on.
    #[must_use]
    pub fn on_for(&self) -> Duration {
        self.power
            .as_ref()
            .map_or(Duration::ZERO, |power| power.since.elapsed())
    }

    /// A shell script of root inside the machine.
    ///
    /// # Errors
    /// When it is off.
    pub fn sh(&self, script: &str) -> Result<Cmd> {
        let power = self.power.as_ref().context("the machine is off")?;
        let init = power.init.to_string();
        let environment = [PATH, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"];
        Ok(self
            .world
            .cmd("nsenter")
            .args(["-t", &init, "-m", "-u", "-i", "-n", "-p", "-r", "-w"])
            .args(["/usr/bin/env", "-i"])
            .args(environment)
            .args(["/bin/sh", "-c", script])
            .patience(QUIET))
    }

    /// Runs a script inside; it must end with 0.
    ///
    /// # Errors
    /// When it does not, with everything that it said.
    pub fn ok(&self, script: &str) -> Result<Output> {
        self.sh(script)?.ok()
    }

    /// The last lines of the journal of the units of a pattern, for messages.
    #[must_use]
    pub fn journal(&self, units: &str) -> String {
        let script = format!("journalctl --no-pager --lines=60 --unit='{units}'");
        let shown = self.sh(&script).and_then(Cmd::run);
        shown.map_or_else(|error| format!("{error:#}"), |shown| shown.stdout)
    }

    fn console(&self) -> String {
        let power = self.power.as_ref();
        power.map_or_else(String::new, |power| power.nspawn.text())
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // What cannot be told to anybody any more is found by whoever looks for processes of the world.
        let _ = self.power_off();
        for hierarchy in HIERARCHIES {
            remove_groups(&Path::new(hierarchy).join(&self.group));
        }
    }
}

/// Removes control groups that systemd-nspawn leaves behind where no systemd keeps house. Those that are
/// in use stay.
fn remove_groups(group: &Path) {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

/// The only child of a process, by the table of processes.
fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| field(*pid, "PPid:").as_deref() == Some(&parent.to_string()))
}

/// Whether it is the first process of its namespace, and is the program by now that it is to be: before
/// that, its mounts are not in place.
fn is_init(pid: u32) -> bool {
    let first = field(pid, "NSpid:").is_some_and(|ids| ids.split_whitespace().last() == Some("1"));
    first && field(pid, "Name:").as_deref() == Some("systemd")
}

/// A line of `/proc/PID/status`.
fn field(pid: u32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.map(|value| value.trim().to_owned())
}

fn kill(pid: u32) -> Result<()> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let pid = pid.context("a process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).context("kill init")
}
