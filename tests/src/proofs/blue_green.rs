//! One release takes over from another and no customer sees it: the real agent switches a real proxy
//! under load, goes back, takes back what is broken, and is killed in the middle; and a service that
//! restarts is away hardly longer than it takes to start.

mod proxy;
mod restart;

use anyhow::{Context, Result, bail, ensure};

use super::{Args, Outcome, Proof, missing};
use crate::link::Plan;
use crate::load::{Load, Mode, Tally};
use crate::needs::{Need, first_missing};
use crate::notebook::{Broken, Release};
use crate::seed::Rng;
use crate::site::{Controller, Node, Seat};
use crate::world::{PATIENCE, Step, World, eventually};
use proxy::{HandsOn, Kind, Proxy};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "blue-green",
    shows: "200 requests/s through nginx and through caddy, new connections and kept ones: none fails in any switch or roll back; a restart costs ≤ 150 ms beyond the app's own start",
    run,
};

/// The app behind the proxy.
const APP: &str = "notebook";
/// Requests a second, of each mode.
const RATE: u32 = 200;
/// Beyond the app's own start, a restart may take so long, milliseconds.
const RESTART_MS_MAX: u64 = 150;

/// How much is done behind each proxy.
#[derive(Debug, Clone, Copy)]
struct Size {
    switches: u32,
    /// After every so many switches comes a roll back.
    back_every: u32,
    restarts: u32,
}

const SHORT: Size = Size {
    switches: 3,
    back_every: 3,
    restarts: 2,
};
const LONG: Size = Size {
    switches: 20,
    back_every: 4,
    restarts: 10,
};

fn run(args: &Args) -> Result<Outcome> {
    if let Some(reason) = first_missing(&[Need::Nginx, Need::Caddy]) {
        return Err(missing(reason));
    }
    let _handed_on = HandsOn::begin()?;
    let size = if args.long { LONG } else { SHORT };
    World::run("blue-green", |world| measure(world, args, size))
}

fn measure(world: &World, args: &Args, size: Size) -> Result<Outcome> {
    let controller = Controller::start(world)?;
    for number in 0..=size.switches {
        controller.publish(&release(number))?;
    }
    // Each is newer than the one before, as an update must be.
    let broken = release(size.switches + 1).broken(Broken::Health);
    controller.publish(&broken.start_period_s(1))?;
    controller.publish(&release(size.switches + 2))?;
    let mut outcome = Outcome::new();
    for kind in [Kind::Nginx, Kind::Caddy] {
        outcome = behind(world, &controller, kind, args, size, outcome)?;
    }
    restart::measure(world, &controller, args, size, outcome)
}

fn release(number: u32) -> Release {
    Release::new(&version(number)).beside().soak_s(1)
}

fn version(number: u32) -> String {
    format!("1.0.{number}")
}

/// Every switch and roll back behind one proxy, under load, and then a switch that is done wrong.
fn behind(
    world: &World,
    controller: &Controller<'_>,
    kind: Kind,
    args: &Args,
    size: Size,
    outcome: Outcome,
) -> Result<Outcome> {
    let mut proxy = Proxy::configure(world, kind, APP)?;
    let mut seat = Seat::behind(Plan::new(args.seed));
    seat.toml.push_str(&proxy.agent_toml());
    let name = kind.as_str();
    let mut node = controller.enrol_as("depot", name, seat)?;
    switch(controller, &node, 0)?;
    proxy.start()?;
    let loads =
        [Mode::Fresh, Mode::Kept].map(|mode| Load::start(proxy.port, "/version", mode, RATE));
    let mut backs = 0;
    for number in 1..=size.switches {
        switch(controller, &node, number)?;
        if number % size.back_every == 0 {
            node.cmd()?.args(["rollback", APP]).ok()?;
            node.wait_for(APP, &version(number - 1), "rolled_back")?;
            backs += 1;
        }
        ensure!(proxy.names_a_port()?, "the proxy is told of nothing");
    }
    take_back_what_is_broken(controller, &node, size)?;
    kill_in_the_middle(controller, &mut node, args, size)?;
    let [fresh, kept] = loads.map(Load::finish);
    let (fresh, kept) = (fresh?, kept?);
    show(name, "new connections", &fresh);
    show(name, "kept connections", &kept);
    let blind = blind_switch(&mut proxy)?;
    show(
        name,
        "a switch to an instance that does not answer yet",
        &blind,
    );
    ensure!(fresh.sent > 0 && kept.sent > 0, "nothing was asked");
    let switches = size.switches + 1;
    let made =
        format!("{name}: {switches} switches, {backs} roll backs, 1 broken release, 1 kill;");
    Ok(outcome
        .at_most(
            &format!("{made} failed of {} on new connections", fresh.sent),
            fresh.failed,
            0,
            "",
        )
        .at_most(
            &format!("of {} on kept ones", kept.sent),
            kept.failed,
            0,
            "",
        )
        .at_least("of a blind switch, caught", blind.failed, 1, ""))
}

/// A release that is not healthy never serves; the one before does all the time.
fn take_back_what_is_broken(
    controller: &Controller<'_>,
    node: &Node<'_>,
    size: Size,
) -> Result<()> {
    let before = node.app(APP)?.get("version").cloned();
    let version = version(size.switches + 1);
    controller.assign(&format!("{APP}@{version}"), &format!("node={}", node.name))?;
    // It says that it was set aside; what the operator reads is not the matter here.
    node.cmd()?.arg("pull").run()?;
    eventually("the broken release is set aside", PATIENCE, || {
        let app = node.app(APP)?;
        let is_aside = app
            .get("set_aside")
            .is_some_and(|aside| *aside == version.as_str());
        let phase = app
            .get("phase")
            .map(ToString::to_string)
            .unwrap_or_default();
        ensure!(
            !is_aside || app.get("version").cloned() == before,
            "another release runs: {app}"
        );
        Ok(if is_aside {
            Step::Done(())
        } else {
            Step::Waiting(phase)
        })
    })
}

/// The agent is killed while one instance takes over from the other, and goes on where it was.
fn kill_in_the_middle(
    controller: &Controller<'_>,
    node: &mut Node<'_>,
    args: &Args,
    size: Size,
) -> Result<()> {
    let version = version(size.switches + 2);
    controller.assign(&format!("{APP}@{version}"), &format!("node={}", node.name))?;
    let after = Rng::stream(args.seed, "kill").within(&(0..=150));
    eventually("the switch begins", PATIENCE, || {
        let log = node.agent().context("the agent")?.text();
        let begins = format!("app={APP} phase=activating effect=SwapCurrent");
        // Before it came the first installation, the switches and the broken release.
        let began = log.matches(&begins).count() > size.switches as usize + 2;
        Ok(if began {
            Step::Done(())
        } else {
            Step::Waiting(String::new())
        })
    })?;
    std::thread::sleep(std::time::Duration::from_millis(after));
    node.kill()?;
    eprintln!("the agent was killed {after} ms after it was seen to switch");
    node.start()?;
    node.wait_for(APP, &version, "committed")?;
    Ok(())
}

fn show(proxy: &str, what: &str, tally: &Tally) {
    eprintln!(
        "{proxy}, {what}: {} sent, {} failed, {} made once more, slowest {} ms",
        tally.sent,
        tally.failed,
        tally.retried,
        tally.slowest.as_millis()
    );
    for words in tally.words.iter().take(5) {
        eprintln!("    {words}");
    }
}

/// Brings a release to the node, and waits until it is committed.
fn switch(controller: &Controller<'_>, node: &Node<'_>, number: u32) -> Result<()> {
    let version = version(number);
    controller.assign(&format!("{APP}@{version}"), &format!("node={}", node.name))?;
    node.cmd()?.arg("pull").ok()?;
    let app = node.wait_for(APP, &version, "committed")?;
    let outage = app.get("outage_ms").and_then(serde_json::Value::as_u64);
    if number > 0 && outage != Some(0) {
        bail!("{version} did not take over from an instance that answered: {app}");
    }
    Ok(())
}

/// What must not be done: the proxy is told of an instance before it answers.
fn blind_switch(proxy: &mut Proxy<'_>) -> Result<Tally> {
    let load = Load::start(proxy.port, "/version", Mode::Fresh, RATE);
    let before = proxy.upstream()?;
    proxy.tell(&proxy.text(crate::world::free_port()?))?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    proxy.tell(&before)?;
    load.finish().context("the load")
}
