//! `cargo demo`: the main job on embedded defaults, told as a story. Every claim that it prints was
//! asserted just before. It needs no root, uses free ports and a temporary folder, and leaves no
//! process behind, unless `--keep` says otherwise.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sanaga_tests::link::{Cuts, Plan};
use sanaga_tests::notebook::{Broken, Release};
use sanaga_tests::site::{Controller, Node};
use sanaga_tests::world::{PATIENCE, Step, World, eventually, free_port};
use sanaga_tests::{http, seed, tree};
use serde_json::Value;

const SITES: [(&str, &str); 3] = [
    ("douala-akwa", "akwa-1"),
    ("garoua-clinique", "garoua-1"),
    ("kribi-depot", "kribi-1"),
];

fn main() -> ExitCode {
    let keep = std::env::args().any(|word| word == "--keep");
    match World::run("demo", |world| story(world, keep)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn story(world: &World, keep: bool) -> Result<()> {
    let seed = seed::chosen();
    let begun = Instant::now();
    let tell = |text: &str| println!("{:>4} s  {text}", begun.elapsed().as_secs());
    println!("seed {seed:#x}, folder {}", world.root().display());

    let controller = Controller::start(world)?;
    tell("A controller founds its repository and serves it: one signing key, three environments.");
    let mut nodes = Vec::new();
    for (site, name) in SITES {
        nodes.push(controller.enrol(site, name, Plan::new(seed))?);
    }
    tell("Three agents enrol with one token each, every one behind a link of its own.");
    let [akwa, garoua, kribi] = nodes.as_mut_slice() else {
        bail!("three nodes")
    };

    install(world, &controller, &mut [akwa, garoua, kribi], &tell)?;
    update_over_a_bad_link(world, &controller, akwa, &tell)?;
    kill_in_mid_update(&controller, garoua, &tell)?;
    take_back_what_fails(&controller, akwa, &tell)?;
    roll_back_offline(&controller, akwa, &tell)?;

    let total = begun.elapsed().as_secs();
    println!("\nAll of it was asserted, in {total} s.");
    go_on(world, &controller, &[akwa, garoua, kribi], keep);
    Ok(())
}

/// Chapter 1: from nothing to a running app on three nodes, at 2 Mbit/s.
fn install(
    world: &World,
    controller: &Controller<'_>,
    nodes: &mut [&mut Node<'_>; 3],
    tell: &dyn Fn(&str),
) -> Result<()> {
    let release = Release::new("1.0.0");
    controller.publish(&release)?;
    for node in nodes.iter() {
        node.link.set_rate(2_000_000);
        port_of(controller, node)?;
    }
    controller.assign(&release.name(), "env=dev")?;
    let begun = Instant::now();
    for node in nodes.iter() {
        node.wait_for("notebook", "1.0.0", "committed")?;
    }
    let entries = tree::same(
        &world.root().join("project/dist"),
        &nodes[0].current("notebook")?,
    )?;
    let bytes = nodes[0].link.counts().down.delivered;
    ensure!(bytes >= 1_000_000, "the full pack is only {bytes} bytes");
    ensure!(
        answers(nodes[0])?.contains("1.0.0"),
        "the app answers with another version"
    );
    tell(&format!(
        "notebook 1.0.0 installed on 3 nodes at 2 Mbit/s in {} s, {} each; all {entries} entries are as published.",
        begun.elapsed().as_secs(),
        megabytes(bytes),
    ));
    Ok(())
}

/// Chapter 2: an update of a few files over 64 kbit/s, cut again and again.
fn update_over_a_bad_link(
    world: &World,
    controller: &Controller<'_>,
    node: &Node<'_>,
    tell: &dyn Fn(&str),
) -> Result<()> {
    let release = Release::new("1.1.0").photo_bytes(70_000);
    controller.publish(&release)?;
    let before = node.link.counts();
    node.link.set_rate(64_000);
    node.link.set_cuts(Cuts::Gap(12_000..=30_000));
    controller.assign(&release.name(), &format!("node={}", node.name))?;
    let begun = Instant::now();
    node.wait_for("notebook", "1.1.0", "committed")?;
    node.link.set_cuts(Cuts::Never);
    node.link.set_rate(2_000_000);
    let after = node.link.counts();
    let (bytes, cuts) = (
        after.down.delivered - before.down.delivered,
        after.cuts - before.cuts,
    );
    ensure!(bytes <= 200_000, "the update took {bytes} bytes");
    ensure!(cuts >= 1, "the link was never cut");
    tree::same(
        &world.root().join("project/dist"),
        &node.current("notebook")?,
    )?;
    ensure!(
        answers(node)?.contains("1.1.0"),
        "the app answers with another version"
    );
    tell(&format!(
        "{} updated to 1.1.0 over 64 kbit/s in {} s; the link was cut {cuts} times, {} came down in all.",
        node.name,
        begun.elapsed().as_secs(),
        kilobytes(bytes),
    ));
    Ok(())
}

/// Chapter 3: the agent dies in the middle; what it supervises does not, and it finishes afterwards.
fn kill_in_mid_update(
    controller: &Controller<'_>,
    node: &mut Node<'_>,
    tell: &dyn Fn(&str),
) -> Result<()> {
    node.link.set_rate(64_000);
    let before = packs(node);
    controller.assign("notebook@1.1.0", &format!("node={}", node.name))?;
    let had = eventually("bytes of the pack on garoua", PATIENCE, || {
        let had = kept_bytes(node, &before);
        Ok(if had > 10_000 {
            Step::Done(had)
        } else {
            Step::Waiting(had.to_string())
        })
    })?;
    node.kill()?;
    ensure!(
        answers(node)?.contains("1.0.0"),
        "the app did not outlive its agent"
    );
    let kept = kept_bytes(node, &before);
    ensure!(kept >= had, "bytes were lost");
    node.start()?;
    node.wait_for("notebook", "1.1.0", "committed")?;
    ensure!(
        answers(node)?.contains("1.1.0"),
        "the app answers with another version"
    );
    tell(&format!(
        "The agent of {} is killed at {} of the pack; the app goes on, the agent comes back and finishes.",
        node.name,
        kilobytes(kept),
    ));
    Ok(())
}

/// Chapter 4: a release that is not healthy is taken back by itself.
fn take_back_what_fails(
    controller: &Controller<'_>,
    node: &Node<'_>,
    tell: &dyn Fn(&str),
) -> Result<()> {
    let release = Release::new("1.2.0")
        .broken(Broken::Health)
        .start_period_s(1);
    controller.publish(&release)?;
    controller.assign(&release.name(), &format!("node={}", node.name))?;
    let app = node.wait_for("notebook", "1.1.0", "rolled_back")?;
    ensure!(
        app.get("set_aside").and_then(Value::as_str) == Some("1.2.0"),
        "1.2.0 is not set aside: {app}"
    );
    ensure!(
        answers(node)?.contains("1.1.0"),
        "the app answers with another version"
    );
    eventually("the receipt of the roll back", PATIENCE, || {
        let node = controller.node("akwa-1")?.to_string();
        Ok(if node.contains("rolled_back") {
            Step::Done(())
        } else {
            Step::Waiting(String::new())
        })
    })?;
    tell(
        "notebook 1.2.0 fails its probe on akwa-1: 1.1.0 is put back by itself, and a signed receipt says so.",
    );
    Ok(())
}

/// Chapter 5: back to the release before, with the network gone.
fn roll_back_offline(
    controller: &Controller<'_>,
    node: &Node<'_>,
    tell: &dyn Fn(&str),
) -> Result<()> {
    node.link.down();
    let begun = Instant::now();
    node.cmd()?
        .args(["rollback", "notebook"])
        .ok()?
        .says("1.1.0 → 1.0.0")?;
    let took = begun.elapsed();
    ensure!(
        answers(node)?.contains("1.0.0"),
        "the app answers with another version"
    );
    let waiting = node
        .status()?
        .get("receipts_waiting")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    ensure!(waiting > 0, "the receipt is not kept");
    let french = node.cmd()?.args(["status", "--lang", "fr"]).ok()?;
    french.says("NŒUD akwa-1")?;
    node.link.up();
    eventually("the receipts of the offline roll back", PATIENCE, || {
        let waiting = node
            .status()?
            .get("receipts_waiting")
            .and_then(Value::as_u64);
        Ok(if waiting == Some(0) {
            Step::Done(())
        } else {
            Step::Waiting(format!("{waiting:?}"))
        })
    })?;
    let shown = controller.node("akwa-1")?.to_string();
    ensure!(
        shown.contains("1.0.0"),
        "the controller does not know: {shown}"
    );
    tell(&format!(
        "The network of akwa-1 is cut; its shopkeeper takes notebook back to 1.0.0 in {:.1} s. The controller hears of it later.",
        took.as_secs_f64(),
    ));
    Ok(())
}

/// Gives the app a port of its own on this node, as three nodes here share one machine.
fn port_of(controller: &Controller<'_>, node: &Node<'_>) -> Result<()> {
    let port = free_port()?;
    std::fs::write(node.home.join("port"), port.to_string())?;
    controller.set("notebook", &format!("port={port}"), &node.name)?;
    Ok(())
}

/// What the app says that it is.
fn answers(node: &Node<'_>) -> Result<String> {
    let port = std::fs::read_to_string(node.home.join("port"))?;
    let answer = http::get(&format!("http://127.0.0.1:{port}/version"))
        .context("the app does not answer")?;
    ensure!(answer.status == 200, "status {}", answer.status);
    Ok(answer.text())
}

/// The packs that a node has on its disk, with their lengths.
fn packs(node: &Node<'_>) -> BTreeMap<String, u64> {
    let packs = std::fs::read_dir(node.home.join("worker/packs"))
        .into_iter()
        .flatten()
        .flatten();
    packs
        .filter_map(|pack| {
            Some((
                pack.file_name().into_string().ok()?,
                pack.metadata().ok()?.len(),
            ))
        })
        .collect()
}

/// Bytes of packs that were not there before.
fn kept_bytes(node: &Node<'_>, before: &BTreeMap<String, u64>) -> u64 {
    packs(node)
        .into_iter()
        .filter(|(name, _)| !before.contains_key(name))
        .map(|(_, length)| length)
        .sum()
}

fn go_on(world: &World, controller: &Controller<'_>, nodes: &[&Node<'_>], keep: bool) {
    if !keep {
        println!("Nothing is left running. `cargo demo -- --keep` leaves it, to go on by hand.");
        return;
    }
    world.keep();
    let programs = sanaga_tests::world::binaries();
    println!(
        "\nEverything is left running in {}. To go on by hand:",
        world.root().display()
    );
    if let Ok((sanaga, agent)) =
        programs.and_then(|programs| Ok((programs.sanaga()?, programs.agent()?)))
    {
        println!(
            "  export SANAGA_PASSPHRASE_FILE={}",
            world.root().join("passphrase").display()
        );
        println!(
            "  {} --home {} node ls",
            sanaga.display(),
            controller.home().display()
        );
        for node in nodes {
            println!(
                "  {} --home {} status --lang fr",
                agent.display(),
                node.home.display()
            );
        }
    }
    // The links live in this process.
    println!("The links end with this program: press Ctrl-C when you are done.");
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.0} KB", bytes as f64 / 1e3)
}
