//! The helper trusts nobody: a worker that lies in every way cannot make it run what was not signed,
//! write outside of its folders, or sign what did not happen. The helper is the real one; the worker is
//! ours (`helper/hostile.rs`).

mod hostile;
mod lies;
mod noise;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{Args, Outcome, Proof};
use crate::http;
use crate::link::Plan;
use crate::notebook::Release;
use crate::site::{Controller, Node, Seat};
use crate::tree;
use crate::world::{PATIENCE, Step, World, eventually, free_port};
use hostile::{Hostile, Lie};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "helper",
    shows: "a hostile worker makes the helper run nothing unsigned, write nothing outside, sign nothing false",
    run,
};

/// Generated requests over the socket.
const REQUESTS: u64 = 10_000;
/// How long the parsers are fed in this process: short, and long (30 minutes), seconds.
const FUZZ_S: (u64, u64) = (10, 1_800);
/// The helper tries a release so often before it sets it aside.
const TRIES: usize = 3;

fn run(args: &Args) -> Result<Outcome> {
    World::run("helper", |world| prove(world, args))
}

/// One node under a hostile worker.
struct Stage<'w> {
    controller: Controller<'w>,
    node: Node<'w>,
    worker: Hostile,
    /// The tree of the first release.
    published: BTreeMap<String, String>,
    port: u16,
    minor: u32,
}

fn prove(world: &World, args: &Args) -> Result<Outcome> {
    let mut stage = set_up(world, args.seed)?;
    let outside = outside_of(&stage.node)?;
    let answers = lies::ANSWERS.len() as u64;
    let held_answers = stage.tell_lies()?;
    let (refused_trees, trees) = stage.tell_trees()?;
    let sent = noise::flood(
        &stage.node.home.join("run/worker.sock"),
        REQUESTS,
        args.seed,
    )?;
    stage.still_runs()?;
    let now = outside_of(&stage.node)?;
    let written = differences(&outside, &now);
    let Stage {
        controller,
        mut node,
        worker,
        port,
        minor,
        ..
    } = stage;
    worker.end();
    let last = honest_again(&controller, &mut node, port, minor + 1)?;
    let false_receipts = false_receipts(&controller, &node, &last)?;
    let fuzz_s = if args.long { FUZZ_S.1 } else { FUZZ_S.0 };
    let fed = noise::feed_parsers(Duration::from_secs(fuzz_s), args.seed);
    eprintln!("{fed} messages and trees in {fuzz_s} s went through the helper's parsers");
    Ok(Outcome::new()
        .all_of("lies of a controller without effect", held_answers, answers)
        .all_of("lies about a tree refused", refused_trees, trees)
        .at_least("generated requests", sent, REQUESTS, "")
        .at_most("files outside its folders", written, 0, "")
        .at_most("false receipts", false_receipts, 0, "")
        .at_least("fed to the parsers", fed, 1_000 * fuzz_s, ""))
}

fn set_up<'w>(world: &'w World, seed: u64) -> Result<Stage<'w>> {
    let controller = Controller::start(world)?;
    let port = free_port()?;
    let mut seat = Seat::behind(Plan::new(seed));
    seat.toml
        .push_str(&format!("[settings.notebook]\nport = {port}\n"));
    let mut node = controller.enrol_as("akwa", "akwa-1", seat)?;
    node.kill()?;
    node.start_helper()?;
    node.start_worker()?;
    controller.publish(&Release::new("1.0.0").soak_s(1))?;
    controller.assign("notebook@1.0.0", "node=akwa-1")?;
    node.wait_for("notebook", "1.0.0", "committed")?;
    eprintln!("notebook@1.0.0 runs, by a helper and a worker of its own");
    node.kill_worker()?;
    let published = tree::list(&world.dir("project")?.join("dist"))?;
    let worker = Hostile::start(&node.home)?;
    Ok(Stage {
        controller,
        node,
        worker,
        published,
        port,
        minor: 0,
    })
}

impl Stage<'_> {
    /// The first release still answers, and is what was published.
    fn still_runs(&self) -> Result<()> {
        let answer = http::get(&format!("http://127.0.0.1:{}/version", self.port))?;
        ensure!(answer.text().trim() == "1.0.0", "{} runs", answer.text());
        let found = tree::list(&self.node.current("notebook")?)?;
        ensure!(
            found == self.published,
            "what runs is not what was published"
        );
        Ok(())
    }

    /// A release that is signed and assigned, which the worker is to lie about.
    fn assign_next(&mut self) -> Result<String> {
        self.minor += 1;
        let version = format!("1.{}.0", self.minor);
        self.controller.publish(&Release::new(&version).soak_s(1))?;
        self.controller
            .assign(&format!("notebook@{version}"), "node=akwa-1")?;
        self.pull()?;
        Ok(version)
    }

    /// Has the helper poll at once; how the lie ends is looked at elsewhere.
    fn pull(&self) -> Result<()> {
        self.node.cmd()?.arg("pull").run().map(|_| ())
    }

    /// Each lie of a controller, for two polls; how many changed nothing.
    fn tell_lies(&mut self) -> Result<u64> {
        let mut held = 0;
        for (name, lie) in lies::ANSWERS {
            // Something new for the lie to be about.
            self.worker.lie(Lie::default());
            let hold = ["hold", "akwa-1", "--reason", "a test", "--yes"];
            let _ = self.controller.cmd()?.args(hold).run()?;
            self.worker.lie(lie());
            self.polls(2)?;
            self.still_runs().with_context(|| (*name).to_owned())?;
            eprintln!("no effect: {name}");
            held += 1;
        }
        self.worker.lie(Lie::default());
        let _ = self
            .controller
            .cmd()?
            .args(["unhold", "akwa-1", "--yes"])
            .run()?;
        Ok(held)
    }

    fn polls(&self, more: u64) -> Result<()> {
        let polls = || self.worker.counts.polls.load(Ordering::Relaxed);
        let until = polls() + more;
        eventually("polls", PATIENCE * 2, || {
            self.pull()?;
            let now = polls();
            Ok(if now >= until {
                Step::Done(())
            } else {
                Step::Waiting(now.to_string())
            })
        })
    }

    /// Each lie about a tree; how many were refused, of how many.
    fn tell_trees(&mut self) -> Result<(u64, u64)> {
        let mut refused = 0;
        for lies in lies::TREES.chunks(TRIES) {
            for (name, lie) in lies {
                self.worker.lie(lie());
                let before = self.worker.counts.trees.load(Ordering::Relaxed);
                let version = self.assign_next()?;
                self.refused(&version, before)
                    .with_context(|| (*name).to_owned())?;
                self.still_runs().with_context(|| (*name).to_owned())?;
                eprintln!("refused: {name}");
                refused += 1;
            }
        }
        self.worker.lie(Lie::default());
        Ok((refused, lies::TREES.len() as u64))
    }

    /// Waits until the helper gave a release up, after it was lied to.
    fn refused(&self, version: &str, before: u64) -> Result<()> {
        eventually(&format!("{version} refused"), PATIENCE * 2, || {
            let app = self.node.app("notebook")?;
            let text = |name: &str| app.get(name).and_then(Value::as_str).unwrap_or_default();
            let (runs, phase) = (text("version"), text("phase"));
            if runs != "1.0.0" {
                bail!("{runs} runs");
            }
            let told = self.worker.counts.trees.load(Ordering::Relaxed) > before;
            let failed = app.get("failure").is_some_and(|failure| !failure.is_null());
            if told && failed && ["refused", "fetching", "superseded"].contains(&phase) {
                return Ok(Step::Done(()));
            }
            Ok(Step::Waiting(format!("{phase} {told}")))
        })
    }
}

/// A worker that tells the truth again, and a release that was not lied about: it goes on.
fn honest_again(
    controller: &Controller<'_>,
    node: &mut Node<'_>,
    port: u16,
    minor: u32,
) -> Result<String> {
    let version = format!("1.{minor}.0");
    controller.publish(&Release::new(&version).soak_s(1))?;
    controller.assign(&format!("notebook@{version}"), "node=akwa-1")?;
    node.start_worker()?;
    node.wait_for("notebook", &version, "committed")?;
    let answer = http::get(&format!("http://127.0.0.1:{port}/version"))?;
    ensure!(answer.text().trim() == version, "{} runs", answer.text());
    eprintln!("an honest worker brings {version}");
    Ok(version)
}

/// Receipts that tell of what did not happen: commits and activations of what never ran. All that did
/// happen must have reached the controller, whatever the worker claimed of it.
fn false_receipts(controller: &Controller<'_>, node: &Node<'_>, last: &str) -> Result<u64> {
    let words = ["history", "--most", "4096", "--output", "json"];
    let told = node.cmd()?.args(words).ok()?;
    let told: Value = serde_json::from_str(&told.stdout).with_context(|| told.transcript())?;
    let events = told
        .get("events")
        .and_then(Value::as_array)
        .context("events")?;
    let text = |event: &Value, name: &str| {
        event
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let is_false = |event: &&Value| {
        let kind = text(event, "kind");
        let version = text(event, "version");
        ["committed", "activated"].contains(&kind.as_str()) && version != "1.0.0" && version != last
    };
    let false_receipts = events.iter().filter(is_false).count() as u64;
    let newest = events
        .iter()
        .filter_map(|event| event.get("number")?.as_u64())
        .max();
    let newest = newest.context("no events")?;
    eventually("all receipts at the controller", PATIENCE * 2, || {
        let kept = receipts_at(controller)?;
        Ok(if kept >= newest {
            Step::Done(())
        } else {
            Step::Waiting(format!("{kept} of {newest}"))
        })
    })?;
    Ok(false_receipts)
}

/// The number of the newest receipt that the controller keeps.
fn receipts_at(controller: &Controller<'_>) -> Result<u64> {
    let path = controller.home().join("controller.db");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let newest = "SELECT coalesce(max(number), 0) FROM receipt";
    Ok(database.query_row(newest, [], |row| row.get(0))?)
}

/// Everything near the node that is none of the helper's or the worker's own.
fn outside_of(node: &Node<'_>) -> Result<BTreeMap<String, String>> {
    let around = node.home.parent().unwrap_or(Path::new("/"));
    let own = [
        "worker",
        "apps",
        "run",
        "data",
        "agent.db",
        "agent.db-wal",
        "agent.db-shm",
        "floors",
        "lock",
        "epoch",
    ];
    let name = node
        .home
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&node.home)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if own.contains(&name.as_str()) {
            continue;
        }
        let what = if path.is_dir() {
            format!("{:?}", tree::list(&path)?)
        } else {
            format!("{:?}", std::fs::read(&path)?)
        };
        found.insert(name, what);
    }
    for entry in std::fs::read_dir(around)? {
        let path = entry?.file_name().to_string_lossy().into_owned();
        if path != name {
            found.insert(format!("../{path}"), String::new());
        }
    }
    // What a slot holds is compared with what was published; beside the slots nothing may appear.
    for entry in std::fs::read_dir(node.home.join("apps"))? {
        found.insert(
            format!("apps/{}", entry?.file_name().to_string_lossy()),
            String::new(),
        );
    }
    Ok(found)
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> u64 {
    let strange = |name: &str| !name.starts_with("../project") && !name.ends_with(".log");
    let fresh = after
        .iter()
        .filter(|(name, what)| strange(name) && before.get(*name) != Some(*what));
    fresh
        .inspect(|(name, what)| eprintln!("outside: {name} {what}"))
        .count() as u64
}
