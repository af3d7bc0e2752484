//! The agent as two processes: what one of them leaves when it dies, the other goes on with.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sanaga_tests::http;
use sanaga_tests::link::Plan;
use sanaga_tests::notebook::Release;
use sanaga_tests::site::{Controller, Node, Seat};
use sanaga_tests::tree;
use sanaga_tests::world::{PATIENCE, Step, World, eventually, free_port};

/// A node with the first release, by a helper and a worker.
fn node_of<'w>(controller: &Controller<'w>, port: u16) -> Result<Node<'w>> {
    let mut seat = Seat::behind(Plan::new(7));
    seat.toml
        .push_str(&format!("[settings.notebook]\nport = {port}\n"));
    let mut node = controller.enrol_as("akwa", "akwa-1", seat)?;
    node.kill()?;
    node.start_helper()?;
    node.start_worker()?;
    controller.publish(&Release::new("1.0.0").soak_s(1))?;
    controller.assign("notebook@1.0.0", "node=akwa-1")?;
    node.wait_for("notebook", "1.0.0", "committed")?;
    Ok(node)
}

fn version_at(port: u16) -> Result<String> {
    let answer = http::get(&format!("http://127.0.0.1:{port}/version"))?;
    Ok(answer.text().trim().to_owned())
}

/// The worker dies in the middle of a transfer, then the helper: nothing is fetched twice, the app runs
/// on, and the update ends.
pub fn helper_and_worker_die_in_turn() -> Result<()> {
    World::run("apart", |world| {
        let controller = Controller::start(world)?;
        let port = free_port()?;
        let mut node = node_of(&controller, port)?;
        node.link.set_rate(40_000);
        controller.publish(&Release::new("1.1.0").soak_s(1).photo_bytes(200_000))?;
        controller.assign("notebook@1.1.0", "node=akwa-1")?;
        let packs = node.home.join("worker/packs");
        eventually("half a pack", PATIENCE, || {
            let sizes = std::fs::read_dir(&packs)?.flatten();
            let most = sizes
                .filter_map(|pack| Some(pack.metadata().ok()?.len()))
                .max();
            let most = most.unwrap_or_default();
            Ok(if (80_000..190_000).contains(&most) {
                Step::Done(())
            } else {
                Step::Waiting(most.to_string())
            })
        })?;
        node.kill_worker()?;
        ensure!(version_at(port)? == "1.0.0", "the app does not run on");
        node.start_worker()?;
        std::thread::sleep(Duration::from_secs(1));
        node.kill()?;
        ensure!(version_at(port)? == "1.0.0", "the app does not run on");
        node.link.set_rate(2_000_000);
        node.start_helper()?;
        node.wait_for("notebook", "1.1.0", "committed")?;
        ensure!(version_at(port)? == "1.1.0", "another version answers");
        let published = world.dir("project")?.join("dist");
        tree::same(&node.current("notebook")?, &published)?;
        node.cmd()?.args(["rollback", "notebook"]).ok()?;
        ensure!(version_at(port)? == "1.0.0", "it was not taken back");
        Ok(())
    })
}

/// A bundle is opened by the helper and read by the worker; neither needs a network.
pub fn a_stick_without_a_network() -> Result<()> {
    World::run("stick", |world| {
        let mut controller = Controller::start(world)?;
        let port = free_port()?;
        let node = node_of(&controller, port)?;
        controller.publish(&Release::new("1.1.0").soak_s(1))?;
        controller.stop()?;
        controller.assign("notebook@1.1.0", "node=akwa-1")?;
        let stick = world.root().join("stick.sanaga");
        let to = stick.to_str().context("a path")?;
        let words = [
            "bundle",
            "export",
            "notebook@1.1.0",
            "--to",
            to,
            "--for",
            "akwa-1",
        ];
        controller.cmd()?.args(words).ok()?;
        node.cmd()?.args(["install", "--from", to]).ok()?;
        node.wait_for("notebook", "1.1.0", "committed")?;
        ensure!(version_at(port)? == "1.1.0", "another version answers");
        // A stick that was pulled out too early is an error, and nothing else.
        let whole = std::fs::read(&stick)?;
        std::fs::write(&stick, whole.get(..whole.len() / 2).unwrap_or_default())?;
        let cut = node.cmd()?.args(["install", "--from", to]).run()?;
        ensure!(cut.stderr.contains("SNG-0307"), "{}", cut.transcript());
        ensure!(version_at(port)? == "1.1.0", "another version answers");
        Ok(())
    })
}
