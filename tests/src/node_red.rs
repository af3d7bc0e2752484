//! Real software as releases: node-red, 8,400 files and 92 MB, as npm installs it, with a project
//! file and a start script around it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::http;
use crate::needs::{self, NODE_RED};
use crate::site::{Controller, Node};
use crate::tree;
use crate::world::{PATIENCE, Step, World, eventually, free_port};

/// The app's name.
pub const APP: &str = "node-red";

/// Writes the project of one version: `sanaga.toml`, and `dist` with the fetched tree in it.
///
/// # Errors
/// When there is no `node`, or the tree cannot be copied.
pub fn project(world: &World, version: &str) -> Result<PathBuf> {
    let folder = world.dir(&format!("node-red-{version}"))?;
    let dist = folder.join("dist");
    if !dist.exists() {
        world
            .cmd("cp")
            .arg("-a")
            .arg(needs::node_red(version))
            .arg(&dist)
            .ok()?;
        let node = world.cmd("sh").args(["-c", "command -v node"]).ok()?;
        let script = format!(
            "#!/bin/sh\n. \"$SANAGA_SETTINGS\"\nexec {} node_modules/node-red/red.js --port \"$port\" --userDir \"$SANAGA_DATA\"\n",
            node.stdout.trim()
        );
        let start = dist.join("start");
        std::fs::write(&start, script).context("the start script")?;
        std::fs::set_permissions(&start, std::fs::Permissions::from_mode(0o755))?;
    }
    let toml = TOML.replace("VERSION", version);
    std::fs::write(folder.join("sanaga.toml"), toml).context("sanaga.toml")?;
    Ok(folder)
}

const TOML: &str = r#"app = "node-red"
version = "VERSION"
tree = "dist"
risk = "low"

[service]
kind = "process"
command = ["start"]

[settings.port]
type = "integer"
default = 1880
min = 1024
max = 65535

[[probe]]
http = "http://127.0.0.1:{port}/settings"
interval_s = 1
timeout_s = 5
failures_max = 5
start_period_s = 60

[probation]
soak_s = 2
"#;

/// What taking it through all versions and back showed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Journey {
    /// Installed trees that equal the published one, entry by entry.
    pub equal_trees: u64,
    /// Answers over HTTP that name the right version.
    pub answers: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Entries that were compared.
    pub entries: u64,
    /// Bytes that came down for the first version, TLS and polls included.
    pub full_bytes: u64,
    /// Bytes that came down for the updates, together.
    pub patch_bytes: u64,
}

/// Publishes and installs every version in order, each over the one before, then goes back to the
/// second with the network gone.
///
/// # Errors
/// When a step does not end well, or an installed tree differs from the published one.
pub fn journey(world: &World, controller: &Controller<'_>, node: &Node<'_>) -> Result<Journey> {
    let port = free_port()?;
    let mut journey = Journey::default();
    for version in NODE_RED {
        let folder = project(world, version)?;
        controller.publish_folder(&folder)?;
        if version == NODE_RED[0] {
            controller.set(APP, &format!("port={port}"), &node.name)?;
        }
        let before = node.link.counts().down.delivered;
        controller.assign(&format!("{APP}@{version}"), &format!("node={}", node.name))?;
        node.wait_for(APP, version, "committed")?;
        let bytes = node.link.counts().down.delivered - before;
        if version == NODE_RED[0] {
            journey.full_bytes = bytes;
        } else {
            journey.patch_bytes += bytes;
        }
        eprintln!("node-red {version} runs; {bytes} bytes came down");
        look(node, &folder, port, version, &mut journey)?;
    }
    let [_, second, _] = NODE_RED;
    node.link.down();
    node.cmd()?.args(["rollback", APP]).ok()?;
    eprintln!("back to {second} with the network gone");
    let folder = world.dir(&format!("node-red-{second}"))?;
    look(node, &folder, port, second, &mut journey)?;
    node.link.up();
    Ok(journey)
}

/// The installed tree is the published one, and the app that answers is of this version.
fn look(
    node: &Node<'_>,
    folder: &Path,
    port: u16,
    version: &str,
    journey: &mut Journey,
) -> Result<()> {
    journey.steps += 1;
    journey.entries += tree::same(&folder.join("dist"), &node.current(APP)?)? as u64;
    node.cmd()?.args(["verify", APP]).ok()?;
    journey.equal_trees += 1;
    let url = format!("http://127.0.0.1:{port}/settings");
    let answer = eventually("node-red's answer", PATIENCE, || {
        Ok(match http::get(&url) {
            Ok(answer) if answer.status == 200 => Step::Done(answer.text()),
            Ok(answer) => Step::Waiting(answer.status.to_string()),
            Err(error) => Step::Waiting(error.to_string()),
        })
    })?;
    ensure!(answer.contains(version), "not {version} answers: {answer}");
    journey.answers += 1;
    Ok(())
}
