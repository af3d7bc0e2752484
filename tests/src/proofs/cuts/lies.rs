//! Hosts that lie: each lie is told until the node says so or has seen through it; then the truth.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::content::ContentHost;
use crate::fault::{Fault, FaultProxy, Rule};
use crate::http;
use crate::link::Plan;
use crate::noise::Noise;
use crate::site::{Controller, Node, Seat};
use crate::tree;
use crate::world::{PATIENCE, Step, World, eventually};

/// What each release carries, bytes: several frames.
const CONTENT_BYTES: usize = 400_000;
const PACKS: &str = "/v1/pack/";

/// How many lies were told, and how many ended as they must.
#[derive(Debug)]
pub(super) struct Lies {
    pub told: u64,
    pub survived: u64,
}

struct Lie {
    name: &'static str,
    /// Broken off after so many bytes first: some lies are about ranges.
    after: Option<u64>,
    fault: Fault,
    /// The codes that say what is wrong; none when the transfer must get through all the same.
    codes: &'static [u64],
}

fn lies() -> Vec<Lie> {
    let lie = |name, after, fault, codes| Lie {
        name,
        after,
        fault,
        codes,
    };
    let flip = Fault::FlipBit {
        offset: 70_000,
        bit: 3,
    };
    let wrong = |shift, lies| Fault::WrongRange { shift, lies };
    let stall = Fault::Stall {
        bytes: 50_000,
        pause: None,
    };
    let cut = Some(150_000);
    vec![
        lie("a flipped bit", None, flip, &[304]),
        lie(
            "a truncated file",
            None,
            Fault::Truncate { bytes: 100_000 },
            &[303],
        ),
        lie(
            "truncated ranges",
            cut,
            Fault::Truncate { bytes: 60_000 },
            &[],
        ),
        lie("a wrong range", cut, wrong(1_000, false), &[303]),
        lie(
            "a wrong range that says it is right",
            cut,
            wrong(-1_000, true),
            &[304],
        ),
        lie("200 for 206", cut, Fault::WholeForRange, &[]),
        lie("a stalled body", None, stall, &[302]),
        lie("a captive portal", None, Fault::CaptivePortal, &[303]),
        lie(
            "503 with Retry-After",
            None,
            Fault::Unavailable { retry_after_s: 1 },
            &[308],
        ),
    ]
}

/// Tells all lies to one node, each about a release of its own.
///
/// # Errors
/// When one of them ends in a wrong file, or in silence.
pub(super) fn run(seed: u64) -> Result<Lies> {
    World::run("lies", |world| in_world(world, seed))
}

fn in_world(world: &World, seed: u64) -> Result<Lies> {
    let host = ContentHost::start(&world.root().join("controller/public"))?;
    let proxy = FaultProxy::start(host.address())?;
    let controller = Controller::found(world, &["--content-url", &proxy.url()])?;
    let seat = Seat::behind(Plan::new(seed)).silent();
    let node = controller.enrol_as("depot", "lie-1", seat)?;
    let lies = lies();
    let mut outcome = Lies {
        told: lies.len() as u64,
        survived: 0,
    };
    let project = world.dir("project")?;
    for (number, lie) in lies.iter().enumerate() {
        let noise = Noise::new("noise", &format!("1.{number}.0")).file(
            "noise.bin",
            CONTENT_BYTES,
            seed + number as u64,
        );
        let dist = noise.write(&project)?;
        controller.publish_folder(&project)?;
        controller.assign(&noise.name(), &format!("node={}", node.name))?;
        let told = tell(&node, &proxy, lie, &noise, &dist);
        let told = told.with_context(|| format!("{} (seed {seed})", lie.name))?;
        eprintln!("{}: {told}", lie.name);
        outcome.survived += 1;
    }
    lies_are_real(&proxy, &world.root().join("controller/public/v1/pack"))?;
    Ok(outcome)
}

/// Tells one lie and gives what came of it, in words.
fn tell(
    node: &Node<'_>,
    proxy: &FaultProxy,
    lie: &Lie,
    noise: &Noise,
    dist: &Path,
) -> Result<String> {
    proxy.clear_log();
    if let Some(bytes) = lie.after {
        proxy.add(Rule::on(PACKS, Fault::CutAt { bytes }).times(1));
    }
    proxy.add(Rule::on(PACKS, lie.fault.clone()));
    let (app, version) = noise.parts();
    let before = slots(node, app);
    node.cmd()?.arg("pull").ok()?;
    let words = if lie.codes.is_empty() {
        "installed all the same".to_owned()
    } else {
        let code = says(node, app, version, lie.codes)?;
        ensure!(
            slots(node, app) == before,
            "something was staged: {:?}",
            slots(node, app)
        );
        proxy.heal();
        format!("SNG-{code:04} while it lasted, then installed")
    };
    node.wait_for(app, version, "committed")?;
    let entries = tree::same(dist, &node.current(app)?)?;
    let lied = proxy
        .log()
        .iter()
        .filter(|entry| entry.fault.as_ref() == Some(&lie.fault))
        .count();
    ensure!(lied > 0, "the lie was never told: {:?}", proxy.log());
    proxy.heal();
    Ok(format!(
        "told {lied} times; {words}; {entries} entries as published"
    ))
}

/// Waits until the node names one of these codes; it must not install anything meanwhile.
fn says(node: &Node<'_>, app: &str, version: &str, codes: &[u64]) -> Result<u64> {
    eventually("a code that says what is wrong", PATIENCE, || {
        let found = node.app(app)?;
        if found
            .get("version")
            .is_some_and(|running| running == version)
        {
            bail!("it is installed while the host lies: {found}");
        }
        let failure = found.get("failure").and_then(|failure| failure.get(0));
        let code = failure.and_then(Value::as_u64);
        Ok(match code {
            Some(code) if codes.contains(&code) => Step::Done(code),
            other => Step::Waiting(format!("{other:?}")),
        })
    })
}

/// The slots that an app has, by name.
fn slots(node: &Node<'_>, app: &str) -> BTreeSet<String> {
    let folder = node.home.join("apps").join(app).join("slots");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The control: a client that verifies nothing takes a wrong byte from the same proxy.
fn lies_are_real(proxy: &FaultProxy, packs: &Path) -> Result<()> {
    let pack = std::fs::read_dir(packs)?
        .flatten()
        .next()
        .context("a pack")?;
    let name = pack.file_name().to_string_lossy().into_owned();
    let flip = Fault::FlipBit {
        offset: 100,
        bit: 0,
    };
    proxy.add(Rule::on(PACKS, flip));
    let taken = http::get(&format!("{}{PACKS}{name}", proxy.url()))?;
    ensure!(
        taken.body != std::fs::read(pack.path())?,
        "the proxy does not lie, so nothing is proved"
    );
    Ok(())
}
