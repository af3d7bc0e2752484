//! How long a service with strategy `restart` does not answer, against what its own start takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::{Outcome, RESTART_MS_MAX, Size};
use crate::http::get;
use crate::link::Plan;
use crate::notebook::Release;
use crate::proofs::Args;
use crate::site::{Controller, Node, Seat};
use crate::world::{PATIENCE, World, free_port};

/// The app that restarts.
const APP: &str = "till";
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(2);

/// Restarts it under a customer who asks again and again.
pub fn measure(
    world: &World,
    controller: &Controller<'_>,
    args: &Args,
    size: Size,
    outcome: Outcome,
) -> Result<Outcome> {
    for number in 0..=size.restarts {
        let release = Release::new(&format!("2.0.{number}")).app(APP).soak_s(1);
        controller.publish(&release)?;
    }
    let node = controller.enrol_as("depot", "counter", Seat::behind(Plan::new(args.seed)))?;
    let port = free_port()?;
    update(controller, &node, 0, Some(port))?;
    let (mut seen, mut said) = (Vec::new(), Vec::new());
    for number in 1..=size.restarts {
        let customer = Customer::start(port);
        said.push(update(controller, &node, number, None)?);
        seen.push(customer.longest_gap()?);
    }
    let mut own: Vec<Duration> = (0..5)
        .map(|_| own_start(world, &node.current(APP)?))
        .collect::<Result<_>>()?;
    own.sort();
    let own = own.get(own.len() / 2).copied().unwrap_or_default();
    eprintln!(
        "restart: no answer for {seen:?}; the agent says {said:?} ms; the app's own start takes {own:?}"
    );
    let worst = seen.iter().max().copied().context("no restart")?;
    ensure!(
        !worst.is_zero(),
        "a restart that nobody noticed: the customer does not look"
    );
    let beyond = worst.saturating_sub(own).as_millis();
    let apart = said
        .iter()
        .zip(&seen)
        .map(|(said, seen)| u128::from(*said).abs_diff(seen.as_millis()))
        .max()
        .unwrap_or_default();
    let ms = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    Ok(outcome
        .at_most(
            "restart beyond the app's own start",
            ms(beyond),
            RESTART_MS_MAX,
            "ms",
        )
        .at_most(
            "the agent's figure is off by",
            ms(apart),
            RESTART_MS_MAX,
            "ms",
        ))
}

/// Brings a release to the node; the time without an answer as the agent measured it.
fn update(
    controller: &Controller<'_>,
    node: &Node<'_>,
    number: u32,
    port: Option<u16>,
) -> Result<u64> {
    let version = format!("2.0.{number}");
    controller.assign(&format!("{APP}@{version}"), &format!("node={}", node.name))?;
    if let Some(port) = port {
        controller.set(APP, &format!("port={port}"), &node.name)?;
    }
    node.cmd()?.arg("pull").ok()?;
    let app = node.wait_for(APP, &version, "committed")?;
    let outage = app.get("outage_ms").and_then(Value::as_u64);
    match outage {
        Some(outage) if number > 0 => Ok(outage),
        _ if number == 0 => Ok(0),
        _ => bail!("the agent does not say how long it was away: {app}"),
    }
}

/// Somebody who asks all the time.
struct Customer {
    is_over: Arc<AtomicBool>,
    asking: JoinHandle<Duration>,
}

impl Customer {
    fn start(port: u16) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let asking = std::thread::spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !over.load(Ordering::SeqCst) {
                let asked = Instant::now();
                if answers(port) {
                    if asked > last {
                        longest = longest.max(asked - last);
                    }
                    last = Instant::now();
                }
                std::thread::sleep(LOOK);
            }
            longest
        });
        Self { is_over, asking }
    }

    /// The longest time between an answer and the next one.
    fn longest_gap(self) -> Result<Duration> {
        self.is_over.store(true, Ordering::SeqCst);
        self.asking
            .join()
            .map_err(|_| anyhow!("the customer broke"))
    }
}

fn answers(port: u16) -> bool {
    get(&format!("http://127.0.0.1:{port}/health")).is_ok_and(|answer| answer.status == 200)
}

/// The time from the start of the program to its first answer, without anybody's help.
fn own_start(world: &World, slot: &Path) -> Result<Duration> {
    let port = free_port()?;
    let data = world.dir(&format!("own-{port}"))?;
    let began = Instant::now();
    let child = Command::new(slot.join("bin/notebook"))
        .env("SANAGA_RELEASE", slot)
        .env("SANAGA_DATA", &data)
        .env("SANAGA_PORT", port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .context("the app")?;
    let _child = Ended(child);
    while !answers(port) {
        ensure!(began.elapsed() < PATIENCE, "the app does not start");
        std::thread::sleep(LOOK);
    }
    Ok(began.elapsed())
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
