//! One seed: a pack of more than 5 MB, cut at random points, its agent killed now and then.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};

use super::{CUT_BYTES, naive};
use crate::content::{ContentHost, HEAD_BYTES};
use crate::link::{Cuts, End, Link, Plan};
use crate::noise::Noise;
use crate::seed::Rng;
use crate::site::{Controller, Node, Seat};
use crate::tree;
use crate::world::{PATIENCE, World};

/// What is shipped, bytes. It does not compress, so that the pack is a little longer.
const CONTENT_BYTES: usize = 5_200_000;
/// Slow enough that cuts and kills fall into the middle of answers, bit/s.
const RATE_BPS: u64 = 8_000_000;
/// One kill for so many cuts.
const CUTS_PER_KILL: usize = 12;

/// What a seed led to. Sizes in bytes of bodies.
#[derive(Debug)]
pub(super) struct Round {
    seed: u64,
    pub cuts: u64,
    pub kills: u64,
    /// Connections that neither the link nor the host ended.
    left: u64,
    pack: u64,
    /// What the agent says that it read.
    ledger: u64,
    /// What the link handed to the agent's side.
    delivered: u64,
    /// What the link still had in hand when it was cut.
    dropped: u64,
    /// What a client without resume read over a link with fewer cuts, and what it was allowed.
    naive: (u64, u64),
    /// A tree with one wrong bit is seen.
    sees_damage: bool,
}

impl Round {
    /// What the cuts may have cost.
    pub(super) fn allowance(&self) -> u64 {
        self.cuts * CUT_BYTES
    }

    /// What was read more than once, or in vain.
    pub(super) fn beyond(&self) -> u64 {
        self.ledger.saturating_sub(self.pack)
    }

    pub(super) fn is_within(&self) -> bool {
        self.ledger <= self.pack + self.allowance()
            && self.delivered <= self.pack + self.allowance()
    }

    /// Nothing is in the ledger that did not come, and nothing is missing that is in the pack.
    pub(super) fn agrees(&self) -> bool {
        self.pack <= self.ledger && self.ledger <= self.delivered
    }

    /// The same bounds catch a client that begins again at each cut, and a wrong bit in a slot.
    pub(super) fn caught(&self) -> bool {
        let (read, allowed) = self.naive;
        read > allowed && self.sees_damage
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} cuts, {} kills, {} connections left by the agent; pack {} B, read {} B, delivered {} B, \
             lost in cuts {} B; without resume {} B of {} B allowed",
            self.seed,
            self.cuts,
            self.kills,
            self.left,
            self.pack,
            self.ledger,
            self.delivered,
            self.dropped,
            self.naive.0,
            self.naive.1
        )
    }
}

/// Runs one seed in a world of its own.
///
/// # Errors
/// When the transfer does not end by itself, or the installed tree is not the published one.
pub(super) fn run(seed: u64, cuts: usize) -> Result<Round> {
    World::run("cuts", |world| in_world(world, seed, cuts))
}

fn in_world(world: &World, seed: u64, cuts: usize) -> Result<Round> {
    let public = world.root().join("controller/public");
    let host = ContentHost::start(&public)?;
    let link = Link::start(host.address(), Plan::new(seed).rate(RATE_BPS))?;
    let url = format!("http://{}", link.address());
    let controller = Controller::found(world, &["--content-url", &url])?;
    let mut seat = Seat::behind(Plan::new(seed));
    seat.toml = seat.toml.replace("retry_max_s = 4", "retry_max_s = 1");
    let mut node = controller.enrol_as("depot", "cut-1", seat)?;

    let noise = Noise::new("noise", "1.0.0").file("noise.bin", CONTENT_BYTES, seed);
    let project = world.dir("project")?;
    let dist = noise.write(&project)?;
    controller.publish_folder(&project)?;
    let (path, pack) = largest(&public.join("v1/pack"))?;
    ensure!(pack >= 5_000_000, "the pack is only {pack} bytes");
    let points = Cuts::random(seed, cuts, pack);
    let kills = kill_points(seed, cuts / CUTS_PER_KILL, pack);
    link.set_cuts(points);
    controller.assign(&noise.name(), &format!("node={}", node.name))?;
    for point in &kills {
        link.wait("bytes of the pack", PATIENCE, |counts| {
            counts.down.delivered >= *point
        })?;
        node.kill()?;
        node.start()?;
    }
    node.wait_for("noise", "1.0.0", "committed")?;
    let current = node.current("noise")?;
    tree::same(&dist, &current)?;

    let counts = link.counts();
    let connections = link.connections();
    let left = connections
        .iter()
        .filter(|connection| connection.end == End::Closed)
        .count() as u64;
    Ok(Round {
        seed,
        cuts: counts.cuts,
        kills: kills.len() as u64,
        // The last one ended well.
        left: left.saturating_sub(1),
        pack,
        ledger: ledger(&node)?,
        delivered: connections
            .iter()
            .map(|connection| connection.down.delivered.saturating_sub(HEAD_BYTES))
            .sum(),
        dropped: counts.down.dropped,
        naive: naive::fetch(host.address(), seed, &format!("/v1/pack/{path}"), pack)?,
        sees_damage: sees_damage(world, &dist, &current)?,
    })
}

/// Where the agent is killed, in bytes that the link has delivered.
fn kill_points(seed: u64, count: usize, pack: u64) -> Vec<u64> {
    let mut rng = Rng::stream(seed, "kills");
    let mut points: Vec<_> = (0..count.max(1))
        .map(|_| rng.within(&(1..=pack * 9 / 10)))
        .collect();
    points.sort_unstable();
    points
}

/// Name and length of the largest file.
fn largest(folder: &Path) -> Result<(String, u64)> {
    let mut found = (String::new(), 0);
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let length = entry.metadata()?.len();
        if length > found.1 {
            found = (entry.file_name().to_string_lossy().into_owned(), length);
        }
    }
    Ok(found)
}

/// Body bytes that the agent says that it has read.
fn ledger(node: &Node<'_>) -> Result<u64> {
    let database =
        Connection::open_with_flags(node.home.join("agent.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(database.query_row("SELECT sum(received) FROM transfer", [], |row| row.get(0))?)
}

/// Turns one bit of a copy of what is installed: the comparison of trees must say so.
fn sees_damage(world: &World, published: &Path, installed: &Path) -> Result<bool> {
    let copy = world.dir("sabotaged")?;
    let name = "noise.bin";
    let mut bytes = std::fs::read(installed.join(name))?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(copy.join(name), bytes)?;
    let mode = std::fs::metadata(installed.join(name))?.permissions();
    std::fs::set_permissions(copy.join(name), mode)?;
    Ok(tree::same(published, &copy).is_err())
}
