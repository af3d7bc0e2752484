//! What is installed is what was published: two apps of very different shape, taken through their
//! releases by the real programs, compared entry by entry by a third program's eyes (ours, of the
//! tests), with the tree root recomputed from the disk.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sanaga_controller::publish::scan::scan;
use serde_json::Value;

use super::{Args, Outcome, Proof, missing};
use crate::link::Plan;
use crate::needs::{self, Need};
use crate::node_red;
use crate::notebook::Release;
use crate::site::{Controller, Node};
use crate::tree;
use crate::world::{World, free_port};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "trees",
    shows: "an installed tree equals the published one, byte for byte; node-red answers at each step",
    run,
};

fn run(args: &Args) -> Result<Outcome> {
    if let Some(lacking) = needs::first_missing(&[Need::Node, Need::NodeRedTrees]) {
        return Err(missing(lacking));
    }
    World::run("trees", |world| {
        let controller = Controller::start(world)?;
        let node = controller.enrol("douala-akwa", "akwa-1", Plan::new(args.seed))?;
        let notebook = notebook(world, &controller, &node)?;
        caught(world, &node)?;
        let journey = node_red::journey(world, &controller, &node)?;
        let root = recomputed_root(&controller, &node)?;
        eprintln!("recomputed root {root}");
        eprintln!(
            "{} entries compared; first install {} B, two updates {} B",
            journey.entries + notebook,
            journey.full_bytes,
            journey.patch_bytes
        );
        Ok(Outcome::new()
            .all_of("equal trees", journey.equal_trees, journey.steps)
            .all_of("right answers over HTTP", journey.answers, journey.steps)
            .at_least("entries compared", journey.entries + notebook, 30_000, ""))
    })
}

/// Small and odd: links, empty folders and files, modes.
fn notebook(world: &World, controller: &Controller<'_>, node: &Node<'_>) -> Result<u64> {
    let mut entries = 0;
    for version in ["1.0.0", "1.1.0"] {
        let release = Release::new(version);
        controller.publish(&release)?;
        if version == "1.0.0" {
            controller.set("notebook", &format!("port={}", free_port()?), &node.name)?;
        }
        controller.assign(&release.name(), &format!("node={}", node.name))?;
        node.wait_for("notebook", version, "committed")?;
        let published = world.root().join("project/dist");
        entries += tree::same(&published, &node.current("notebook")?)? as u64;
    }
    Ok(entries)
}

/// The control: a tree with one changed byte, one changed mode or one file more is not the same.
fn caught(world: &World, node: &Node<'_>) -> Result<()> {
    let published = world.root().join("project/dist");
    let harms = [
        "printf x >> share/defaults.env",
        "chmod 600 share/defaults.env",
        "touch share/more",
        "rm bin/notes",
        "ln -sf ../../etc/passwd bin/notes",
    ];
    for harm in harms {
        let copy = world.root().join("harmed");
        world
            .cmd("cp")
            .arg("-a")
            .arg(node.current("notebook")?)
            .arg(&copy)
            .ok()?;
        world.cmd("sh").args(["-c", harm]).cwd(&copy).ok()?;
        ensure!(
            tree::same(&published, &copy).is_err(),
            "`{harm}` goes unnoticed"
        );
        std::fs::remove_dir_all(&copy)?;
    }
    Ok(())
}

/// The root from what lies on the node's disk is the one that the environment signed.
fn recomputed_root(controller: &Controller<'_>, node: &Node<'_>) -> Result<String> {
    let current = node.current(node_red::APP)?;
    let found = root_of(&current)?;
    let version = needs::NODE_RED[1];
    let shown = controller
        .cmd()?
        .args(["release", "show", &format!("{}@{version}", node_red::APP)])
        .args(["--output", "json"])
        .ok()?;
    let release: Value = serde_json::from_str(&shown.stdout).with_context(|| shown.transcript())?;
    let signed = release
        .get("root")
        .and_then(Value::as_str)
        .with_context(|| shown.transcript())?;
    ensure!(found == signed, "{found} on the disk, {signed} signed");
    Ok(found)
}

fn root_of(folder: &Path) -> Result<String> {
    let scanned = scan(folder, &mut |_, _| {})?;
    Ok(scanned.tree().root().to_string())
}
