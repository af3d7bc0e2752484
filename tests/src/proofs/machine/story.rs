//! The story of one machine, from its first boot to the day on which it leaves its fleet.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::kills::{self, FAILED, Loops};
use super::{packages, site};
use crate::machine::Machine;
use crate::notebook::{Broken, Release};
use crate::world::{PATIENCE, Step, World, eventually};

/// Steps of the packages' life that are looked at: install, idle and enrolled, a hanging agent replaced,
/// upgrade in the middle of an update, removal, purge.
pub const STEPS: u64 = 6;
/// Site data that no package put there.
const BACKUP: &str = "/var/lib/sanaga/backups/yesterday";

/// What happened.
#[derive(Debug)]
pub struct Told {
    /// The updates under kills.
    pub loops: Loops,
    /// Notes that the people of the site wrote.
    pub notes: u64,
    /// Notes that were there at the end.
    pub notes_kept: u64,
    /// From power to an answer of the app, without a network, milliseconds.
    pub offline_ms: u64,
    /// Broken releases that were taken back and counted as failed.
    pub broken_back: u64,
    /// Steps of the packages' life.
    pub steps: u64,
}

/// Tells it.
pub fn tell(world: &World, seed: u64, kills: u64) -> Result<Told> {
    let first = packages::build(world, packages::FIRST)?;
    let next = packages::build(world, packages::NEXT)?;
    let mut machine = Machine::new(world)?;
    packages::put(&machine, &first)?;
    packages::put(&machine, &next)?;
    let mut machine_on = Instant::now();
    machine.boot()?;
    chapter("a bare Debian is up", &mut machine_on);

    packages::install(&machine)?;
    site::begin(&machine)?;
    chapter("installed, idle, enrolled", &mut machine_on);
    site::release(&machine, &Release::new("1.0.0"))?;
    site::wait_for(&machine, "1.0.0", "committed")?;
    site::answers(&machine, "1.0.0")?;
    chapter("1.0.0 runs", &mut machine_on);

    let loops = kills::run(&mut machine, seed, kills)?;
    let newest = format!("1.1.{}", loops.updates);
    chapter("updated under kills", &mut machine_on);

    let offline_ms = offline(&mut machine, &newest)?;
    chapter("booted and went back offline", &mut machine_on);
    let broken_back = broken(&machine)?;
    chapter("a broken release was taken back", &mut machine_on);
    hang(&machine)?;
    chapter("a hanging agent was replaced", &mut machine_on);
    upgrade(&machine)?;
    chapter(
        "the agent's package was upgraded in a probation",
        &mut machine_on,
    );
    let notes_kept = leave(&machine)?;
    chapter("removed and purged", &mut machine_on);
    machine.power_off()?;
    Ok(Told {
        notes: loops.updates,
        loops,
        notes_kept,
        offline_ms,
        broken_back,
        steps: STEPS,
    })
}

fn chapter(what: &str, since: &mut Instant) {
    eprintln!("{:>6.1} s  {what}", since.elapsed().as_secs_f64());
    *since = Instant::now();
}

/// The power is cut and comes back without the controller: the app is there, and goes back when it is
/// asked to. Then the controller is there again.
fn offline(machine: &mut Machine<'_>, newest: &str) -> Result<u64> {
    let before = site::app(machine)?;
    let previous = site::word(&before, "previous").to_owned();
    machine.ok("systemctl disable --now sanaga.service")?;
    machine.power_off()?;
    machine.switch_on()?;
    site::answers(machine, newest)?;
    let took = machine.on_for();
    eventually("a look at the site", PATIENCE, || {
        let found = site::app(machine)?;
        Ok(match site::word(&found, "version") {
            version if version == newest => Step::Done(()),
            version => Step::Waiting(version.to_owned()),
        })
    })?;
    machine.ok(&format!("sanaga-agent rollback {}", site::APP))?;
    site::answers(machine, &previous)?;
    ensure!(
        site::events(machine, &FAILED)? == 1,
        "the operator's way back is one event"
    );
    machine.ok("systemctl enable --now sanaga.service")?;
    Ok(u64::try_from(took.as_millis())?)
}

/// A release that is not healthy is marked failed and taken back, so that looking for such marks after
/// the kills was worth something.
fn broken(machine: &Machine<'_>) -> Result<u64> {
    site::release(machine, &Release::new("1.2.0"))?;
    site::wait_for(machine, "1.2.0", "committed")?;
    let marked = site::events(machine, &FAILED)?;
    let bad = Release::new("1.2.1")
        .broken(Broken::Health)
        .start_period_s(1);
    site::release(machine, &bad)?;
    site::wait_for(machine, "1.2.0", "rolled_back")?;
    site::answers(machine, "1.2.0")?;
    Ok(site::events(machine, &FAILED)? - marked)
}

/// An agent that hangs is ended by the watchdog and started again, and its apps do not notice.
fn hang(machine: &Machine<'_>) -> Result<()> {
    let shown = machine.ok(
        "systemctl list-unit-files --no-legend 'sanaga-agent*.service' | cut --delimiter=' ' --fields=1",
    )?;
    let before = site::process(machine)?;
    for unit in shown.stdout.lines() {
        let asked = machine.ok(&format!(
            "systemctl show --property=WatchdogUSec --value {unit}"
        ))?;
        ensure!(asked.stdout.trim() == "2min", "{}", asked.transcript());
        machine.ok(&format!(
            "mkdir -p /run/systemd/system/{unit}.d && printf '[Service]\nWatchdogSec=3\n' >/run/systemd/system/{unit}.d/short.conf && systemctl daemon-reload && systemctl restart {unit}"
        ))?;
        let main = format!("systemctl show --property=MainPID --value {unit}");
        let hanging = machine.ok(&main)?.stdout;
        // It is alive for longer than the watchdog's patience, because it says so.
        std::thread::sleep(Duration::from_secs(5));
        ensure!(machine.ok(&main)?.stdout == hanging, "{unit} was ended");
        machine.ok(&format!("kill -STOP {hanging}"))?;
        eventually("another agent", PATIENCE, || {
            let state = machine.ok(&format!("systemctl is-active {unit}; {main}"));
            let state = state.map(|shown| shown.stdout).unwrap_or_default();
            let new = state.strip_prefix("active\n").filter(|pid| *pid != hanging);
            Ok(new.map_or_else(|| Step::Waiting(state.clone()), |_| Step::Done(())))
        })?;
        machine.ok(&format!(
            "rm -r /run/systemd/system/{unit}.d && systemctl daemon-reload"
        ))?;
    }
    ensure!(
        before.is_some() && site::process(machine)? == before,
        "the app did not go on through the hang"
    );
    Ok(())
}

/// The agent's package is replaced while a release is on probation: the app does not notice, the update
/// goes on, and what the administrator wrote into the configuration stays.
fn upgrade(machine: &Machine<'_>) -> Result<()> {
    let toml = std::fs::read(machine.path("/etc/sanaga/agent.toml"))?;
    site::release(machine, &Release::new("1.3.0").soak_s(8))?;
    site::wait_for(machine, "1.3.0", "probation")?;
    let before = site::process(machine)?;
    packages::upgrade(machine)?;
    ensure!(
        before.is_some() && site::process(machine)? == before,
        "the app did not go on through the upgrade"
    );
    let phase = site::app(machine)?;
    ensure!(
        site::word(&phase, "phase") == "probation",
        "the upgrade came too late: {phase}"
    );
    site::wait_for(machine, "1.3.0", "committed")?;
    ensure!(site::process(machine)? == before, "the app was restarted");
    ensure!(
        std::fs::read(machine.path("/etc/sanaga/agent.toml"))? == toml,
        "local changes of agent.toml are lost"
    );
    Ok(())
}

/// Removing the package leaves the app running, purging it leaves what belongs to the site. Gives the
/// notes that are left in the app's data.
fn leave(machine: &Machine<'_>) -> Result<u64> {
    let backup = machine.path(BACKUP);
    std::fs::create_dir_all(&backup)?;
    std::fs::write(backup.join("notes"), "kept")?;
    machine.ok("dpkg --remove sanaga-agent")?;
    site::answers(machine, "1.3.0")?;
    let notes = site::notes(machine)?;
    let there = |path: &str| machine.path(path).exists();
    ensure!(there("/etc/sanaga/agent.toml") && there("/etc/sanaga/node.key"));
    let unit = machine.sh("systemctl is-active 'sanaga-agent*.service'")?;
    ensure!(unit.run()?.code() != Some(0), "the agent still runs");

    machine.ok("dpkg --purge sanaga-agent")?;
    for gone in [
        "/etc/sanaga",
        "/var/lib/sanaga/agent.db",
        "/var/lib/sanaga/packs",
    ] {
        ensure!(!there(gone), "{gone} is still there after the purge");
    }
    let data = format!("/var/lib/sanaga/apps/{}", site::APP);
    for kept in ["/data/notebook.db", "/current/VERSION"] {
        let kept = format!("{data}{kept}");
        machine.ok(&format!("test -f {kept}"))?;
    }
    ensure!(std::fs::read(backup.join("notes"))? == b"kept");
    ensure!(site::notes(machine)? == notes, "notes went with the purge");
    machine.ok("dpkg --purge sanaga && test -f /var/lib/sanaga-controller/controller.db")?;
    Ok(notes)
}
