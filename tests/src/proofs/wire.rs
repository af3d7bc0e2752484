//! What a node says and hears, to the byte. Heads and bodies are counted by a tap that ends TLS
//! between agent and controller with a certificate of the controller's own authority; what TLS and TCP
//! add is counted on a link that touches nothing.

mod packets;
mod tapped;

use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use serde_json::Value;

use self::packets::{Talk, segments};
use super::{Args, Outcome, Proof};
use crate::link::Plan;
use crate::noise::Noise;
use crate::site::{Controller, Node, Seat};
use crate::tap::{Exchange, Tap};
use crate::tree;
use crate::world::{PATIENCE, Step, World, eventually};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "wire",
    shows: "a quiet poll is one request of at most 1,000 B; an update takes 3, or 2 where the pack is small; a month of polls ≤ 150 KB",
    run,
};

/// A pack of this size must still be one request, bytes.
const LARGE_BYTES: usize = 5_250_000;
/// A day is older than a timestamp may be before the server signs it again, seconds.
const A_DAY_S: i64 = 86_400 + 60;
/// Quiet polls on resumed sessions that are measured; the dearest counts.
const POLLS: usize = 4;

fn run(args: &Args) -> Result<Outcome> {
    World::run("wire", |world| measure(world, args))
}

fn measure(world: &World, args: &Args) -> Result<Outcome> {
    let mut controller = Controller::start(world)?;
    let mut node = controller.enrol_as(
        "depot",
        "wire-1",
        Seat::behind(Plan::new(args.seed)).silent(),
    )?;
    let tap = tapped::between(&controller, &node)?;
    node.link.set_upstream(tap.address());
    node.link.cut_now();
    println_congestion();

    let large = Noise::new("noise", "1.0.0")
        .file("large.bin", LARGE_BYTES, args.seed)
        .file("small.bin", 4_000, args.seed);
    let medium = Noise::new("noise", "1.1.0")
        .file("large.bin", LARGE_BYTES, args.seed)
        .file("small.bin", 60_000, args.seed + 1);
    let small = Noise::new("noise", "1.2.0")
        .file("large.bin", LARGE_BYTES, args.seed)
        .file("small.bin", 6_000, args.seed + 2);
    let mut updates = Vec::new();
    for release in [&large, &medium, &small] {
        updates.push(update(world, &controller, &node, &tap, release)?);
    }

    let quiet = poll(&node, &tap)?;
    controller.stop()?;
    age_the_timestamp(&controller)?;
    controller.serve()?;
    let signed_again = poll(&node, &tap)?;
    ensure!(
        quiet.status == 204 && signed_again.status == 200,
        "the polls were answered with {} and {}",
        quiet.status,
        signed_again.status
    );
    tap.clear();
    node.link.cut_now();
    poll(&node, &tap)?;
    let resumed = tap.tally().resumed;

    node.link.set_upstream(controller.address());
    let (full, again) = talks(&mut node)?;
    let month = Month {
        full: full.bytes(),
        quiet: again.bytes(),
        news: wire(&signed_again).saturating_sub(wire(&quiet)),
    };
    eprintln!("quiet poll: {}", shown(&quiet));
    eprintln!("re-signed timestamp: {}", shown(&signed_again));
    eprintln!("the same over TLS 1.3 and TCP, new session: {full}");
    eprintln!("the same over TLS 1.3 and TCP, resumed session: {again}");
    eprintln!("{month}");
    let requests = |index: usize| updates.get(index).map_or(u64::MAX, |update| *update);
    Ok(Outcome::new()
        .at_most("quiet poll", wire(&quiet), 1_000, "B")
        .at_most("re-signed timestamp", wire(&signed_again), 1_000, "B")
        .at_most("requests for 5.25 MB", requests(0), 3, "")
        .at_most("for a 60 KB patch", requests(1), 3, "")
        .at_most("for a 6 KB patch", requests(2), 2, "")
        .at_least("sessions resumed", resumed, 1, "")
        .holds(
            &format!(
                "TLS+TCP {} B new, {} B resumed",
                full.bytes(),
                again.bytes()
            ),
            "resumed is smaller",
            again.bytes() < full.bytes(),
        )
        .at_most("month of two polls a day", month.bytes(), 150_000, "B"))
}

/// Whether the controller's kernel has the congestion control that it asks for.
fn println_congestion() {
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")
        .unwrap_or_default();
    let has = if known.split_whitespace().any(|name| name == "bbr") {
        "has BBR, and the server sends with it"
    } else {
        "has no BBR; the server asks for it and sends with what there is"
    };
    eprintln!("this kernel {has} (available: {})", known.trim());
}

/// Updates to a release, and gives the number of requests that it took, from the poll that brings
/// the assignment to the one that carries the receipt.
fn update(
    world: &World,
    controller: &Controller<'_>,
    node: &Node<'_>,
    tap: &Tap,
    release: &Noise,
) -> Result<u64> {
    let project = world.dir("project")?;
    let dist = release.write(&project)?;
    controller.publish_folder(&project)?;
    controller.assign(&release.name(), &format!("node={}", node.name))?;
    tap.clear();
    node.cmd()?.arg("pull").ok()?;
    let (app, version) = release.parts();
    node.wait_for(app, version, "committed")?;
    eventually("the receipts of the update", PATIENCE, || {
        let waiting = node
            .status()?
            .get("receipts_waiting")
            .and_then(Value::as_u64);
        Ok(match waiting {
            Some(0) => Step::Done(()),
            other => Step::Waiting(format!("{other:?}")),
        })
    })?;
    tree::same(&dist, &node.current(app)?)?;
    let exchanges = tap.exchanges();
    eprintln!("{}:", release.name());
    for exchange in &exchanges {
        eprintln!("    {}", shown(exchange));
    }
    Ok(exchanges.len() as u64)
}

/// One poll of a node that is told to, and what went over the wire.
fn poll(node: &Node<'_>, tap: &Tap) -> Result<Exchange> {
    let before = tap.exchanges().len();
    node.cmd()?.arg("pull").ok()?;
    let exchanges = tap.exchanges();
    let new = exchanges.get(before..).unwrap_or_default();
    ensure!(
        new.len() == 1,
        "a poll took {} requests: {new:?}",
        new.len()
    );
    new.first().cloned().context("a poll")
}

fn wire(exchange: &Exchange) -> u64 {
    exchange.request_head + exchange.request_body + exchange.response_head + exchange.response_body
}

fn shown(exchange: &Exchange) -> String {
    let path: String = exchange.path.chars().take(24).collect();
    format!(
        "{} {path} → {}: up {} + {} B, down {} + {} B, {} B in all",
        exchange.method,
        exchange.status,
        exchange.request_head,
        exchange.request_body,
        exchange.response_head,
        exchange.response_body,
        wire(exchange)
    )
}

/// Lets a day pass for the timestamp: the server signs it again when it starts and finds it old.
fn age_the_timestamp(controller: &Controller<'_>) -> Result<()> {
    let database = Connection::open(controller.home().join("controller.db"))?;
    let aged = database.execute(
        "UPDATE role SET at_s = at_s - ?1 WHERE role = 'timestamp'",
        [A_DAY_S],
    )?;
    ensure!(aged >= 1, "there is no timestamp to age");
    Ok(())
}

/// A quiet poll on a new session and on a resumed one, as the link sees them.
fn talks(node: &mut Node<'_>) -> Result<(Talk, Talk)> {
    // A new life of the agent has no session to take up.
    let full = talk(node, |node| {
        node.kill()?;
        node.link.cut_now();
        node.start()?;
        eventually("the first poll of a new life", PATIENCE, || {
            let heard = node.status()?.get("contact_age_s").and_then(Value::as_u64);
            Ok(match heard {
                Some(_) => Step::Done(()),
                None => Step::Waiting(String::new()),
            })
        })
    })?;
    let mut dearest: Option<Talk> = None;
    for _ in 0..POLLS {
        let next = talk(node, |node| {
            // As if the connection had long been closed.
            node.link.cut_now();
            node.cmd()?.arg("pull").ok().map(drop)
        })?;
        dearest = dearest
            .filter(|known| known.bytes() >= next.bytes())
            .or(Some(next));
    }
    Ok((full, dearest.context("a poll")?))
}

fn talk<'w>(node: &mut Node<'w>, act: impl FnOnce(&mut Node<'w>) -> Result<()>) -> Result<Talk> {
    let before = node.link.counts();
    act(node)?;
    let after = node.link.counts();
    let connections = after.connections - before.connections;
    ensure!(connections == 1, "a poll took {connections} connections");
    Ok(Talk::new(
        after.up.taken - before.up.taken,
        after.down.taken - before.down.taken,
        segments(node.link.port())?,
    ))
}

/// What two polls a day cost in 30 days, where one of them brings a timestamp that was signed again.
struct Month {
    full: u64,
    quiet: u64,
    news: u64,
}

impl Month {
    const DAYS: u64 = 30;

    fn bytes(&self) -> u64 {
        self.full + (2 * Self::DAYS - 1) * self.quiet + Self::DAYS * self.news
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { full, quiet, news } = self;
        write!(
            f,
            "a month of two polls a day, TCP/IP and TLS included: {full} (first, new session) + 59 × {quiet} \
             (resumed) + 30 × {news} (timestamps) = {} B; with no session ever resumed {} B",
            self.bytes(),
            2 * Self::DAYS * full + Self::DAYS * news
        )
    }
}
