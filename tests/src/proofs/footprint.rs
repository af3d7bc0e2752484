//! What the agent costs its machine: bytes on disk, memory at rest, memory at its most while it
//! installs and updates a large app. Measured on the agent as `cargo build --release -p sanaga-agent`
//! alone makes it: a build together with other packages would give its dependencies their features.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Args, Outcome, Proof, missing};
use crate::link::Plan;
use crate::needs::{Need, first_missing, node_red};
use crate::site::{Controller, Node, Seat};
use crate::tree;
use crate::world::{Proc, World, workspace_root};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "footprint",
    shows: "the agent alone: ≤ 8 MB stripped, ≤ 16 MiB at rest, ≤ 64 MiB while it installs node-red; as two processes ≤ 20 MiB and ≤ 64 MiB each",
    run,
};

/// Decimal, as packages are weighed.
const PROGRAM_BYTES_MAX: u64 = 8_000_000;
const IDLE_BYTES_MAX: u64 = 16 << 20;
const PEAK_BYTES_MAX: u64 = 64 << 20;
/// Helper and worker together.
const APART_BYTES_MAX: u64 = 20 << 20;
/// Polls before it is at rest; they are 5 s apart.
const POLLS: u64 = 4;

fn run(args: &Args) -> Result<Outcome> {
    if let Some(reason) = first_missing(&[Need::NodeRedTrees]) {
        return Err(missing(reason));
    }
    World::run("footprint", |world| measure(world, args))
}

fn measure(world: &World, args: &Args) -> Result<Outcome> {
    let program = agent_alone(world)?;
    let size = std::fs::metadata(&program)?.len();
    let controller = Controller::start(world)?;
    let mut seat = Seat::behind(Plan::new(args.seed));
    seat.program = Some(program);
    let mut node = controller.enrol_as("depot", "small-1", seat)?;
    let idle = at_rest(&node)?;

    let full = update(world, &controller, &node, "4.1.10")?;
    // The patch by two processes, as they are installed: their peaks are their own.
    node.kill()?;
    node.start_helper()?;
    node.start_worker()?;
    let apart = at_rest(&node)?;
    let helper = update(world, &controller, &node, "4.1.11")?;
    let worker = node.worker().context("the worker")?.memory_peak_bytes()?;
    let after = at_rest(&node)?;
    eprintln!("helper and worker at rest after the update: {after} B");
    Ok(Outcome::new()
        .at_most("stripped", size, PROGRAM_BYTES_MAX, "B")
        .at_most("at rest", idle, IDLE_BYTES_MAX, "B")
        .at_most("peak with the full pack", full, PEAK_BYTES_MAX, "B")
        .at_most("helper and worker at rest", apart, APART_BYTES_MAX, "B")
        .at_most("peak of the helper by patch", helper, PEAK_BYTES_MAX, "B")
        .at_most("of the worker", worker, PEAK_BYTES_MAX, "B"))
}

/// Builds the agent by itself and copies it into the world: another build would put its own in the
/// same place.
fn agent_alone(world: &World) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let words = ["build", "--release", "-p", "sanaga-agent"];
    eprintln!("cargo {}", words.join(" "));
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace_root())
        .args(words)
        .args(["--quiet", "--message-format=json-render-diagnostics"]);
    // What cargo told this process about its own package is not for another build.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    ensure!(
        output.status.success(),
        "cargo build failed: {}",
        output.status
    );
    let built = String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(program)
        .context("cargo names no agent")??;
    let copy = world.dir("program")?.join("sanaga-agent");
    std::fs::copy(&built, &copy).with_context(|| built.display().to_string())?;
    ensure!(is_stripped(&copy)?, "the agent is not stripped");
    Ok(copy)
}

/// The agent's path in a line of cargo's JSON. The tests build it with the feature `model`, so that
/// an agent without features was not built for them.
fn program(line: &str) -> Option<Result<PathBuf>> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message.get("executable")?.as_str()?;
    let target = message.get("target")?.get("name")?.as_str()?;
    if target != "sanaga-agent" {
        return None;
    }
    let features = message.get("features")?.as_array()?;
    Some(if features.is_empty() {
        Ok(PathBuf::from(path))
    } else {
        Err(anyhow::anyhow!("the agent was built with {features:?}"))
    })
}

/// A program with symbols names the section that they are in.
fn is_stripped(program: &Path) -> Result<bool> {
    let bytes = std::fs::read(program)?;
    let name = b".symtab\0";
    Ok(!bytes.windows(name.len()).any(|window| window == name))
}

/// Resident memory of the agent's processes after some polls with nothing new, in bytes.
fn at_rest(node: &Node<'_>) -> Result<u64> {
    let before = node.link.counts().up.delivered;
    std::thread::sleep(Duration::from_secs(5 * POLLS));
    let sent = node.link.counts().up.delivered - before;
    ensure!(sent > 100 * POLLS, "the node does not poll: {sent} bytes");
    let agent = node.agent().context("the agent")?.memory_bytes()?;
    let worker = node.worker().map_or(Ok(0), Proc::memory_bytes)?;
    Ok(agent + worker)
}

/// Brings a version of node-red to the node, and gives the agent's peak of memory, in bytes.
fn update(
    world: &World,
    controller: &Controller<'_>,
    node: &Node<'_>,
    version: &str,
) -> Result<u64> {
    let project = world.dir(&format!("project-{version}"))?;
    let tree = node_red(version);
    copy(&tree, &project.join("dist"))?;
    let toml = format!(
        "app = \"node-red\"\nversion = \"{version}\"\ntree = \"dist\"\n\n[probation]\nsoak_s = 1\n"
    );
    std::fs::write(project.join("sanaga.toml"), toml)?;
    controller.publish_folder(&project)?;
    let before = node.link.counts().down.delivered;
    controller.assign(&format!("node-red@{version}"), "node=small-1")?;
    node.wait_for("node-red", version, "committed")?;
    let peak = node.agent().context("the agent")?.memory_peak_bytes()?;
    let entries = tree::same(&tree, &node.current("node-red")?)?;
    let came = node.link.counts().down.delivered - before;
    eprintln!(
        "node-red {version}: {entries} entries as published, {came} B came down, peak {peak} B"
    );
    Ok(peak)
}

/// Copies a tree with its modes and links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    if !status.success() {
        bail!("cp -a {} {}: {status}", from.display(), to.display());
    }
    Ok(())
}
