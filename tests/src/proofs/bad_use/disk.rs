//! The disk is full in the middle of each step, or read-only: the site keeps running, a code says
//! why, and what was begun goes on by itself when there is room. On small disks of their own.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use sanaga_proto::code;
use serde_json::Value;

use super::Tally;
use super::stage::Stage;
use crate::notebook::Release;
use crate::site::Controller;
use crate::tree;
use crate::world::{Cmd, PATIENCE, Room, Step, World, eventually};

/// The controller's and the node's disk, bytes: a few releases.
const ROOM_BYTES: u64 = 128 << 20;
/// A disk on which no repository fits, bytes.
const TINY_BYTES: u64 = 96 << 10;

/// What the name of a slot in the making begins with.
const UNFINISHED: &str = ".unfinished-";

/// A case that may stop and start programs.
type Case = (&'static str, fn(&mut Stage<'_>) -> Result<()>);

const CASES: &[Case] = &[
    ("the disk is full when a repository is founded", founding),
    (
        "the controller's disk is full before a publish",
        publish_on_full,
    ),
    (
        "the controller's disk fills up while a pack is made",
        publish_packing,
    ),
    (
        "the controller's disk fills up while a pack is handed in",
        publish_upload,
    ),
    (
        "the controller's disk fills up while a pack is stored",
        publish_store,
    ),
    (
        "the controller's disk is full when a release is assigned",
        assign_on_full,
    ),
    (
        "the node's disk is full when an assignment comes",
        assignment,
    ),
    ("the node's disk fills up while a pack is fetched", fetching),
    (
        "the node's disk fills up while a release is staged",
        staging,
    ),
    (
        "the node's disk fills up when a release is activated",
        activating,
    ),
    ("the node's disk fills up in probation", probation),
    ("the agent starts on a full disk", start_on_full),
    ("the controller's folder is read-only", read_only_controller),
    ("the agent's folder is read-only", read_only_agent),
];

/// Plays them all in a world of their own.
pub fn play_all(seed: u64, tally: &mut Tally) -> Result<()> {
    World::run("full", |world| {
        let room = Room::new(world, "controller", ROOM_BYTES)?;
        let controller = Controller::start_in(world, "controller", Some(room))?;
        let room = Room::new(world, "akwa-1", ROOM_BYTES)?;
        let mut stage = Stage::with(world, controller, seed, Some(room))?;
        let mut failed = false;
        for (name, case) in CASES {
            let begun = Instant::now();
            let result = case(&mut stage).and_then(|()| stage.watch.unbroken());
            tally.of += 1;
            let took = begun.elapsed().as_secs_f64();
            match result {
                Ok(()) => {
                    tally.held += 1;
                    eprintln!("ok     {took:>5.1} s  {name}");
                }
                Err(error) => {
                    failed = true;
                    eprintln!("SHORT  {took:>5.1} s  {name}: {error:#}");
                }
            }
            stage.watch.forget();
            for room in [stage.controller.room(), stage.node.room()] {
                room.map_or(Ok(()), Room::clear)?;
            }
        }
        if failed {
            world.print_logs();
        }
        tally.refusals += stage.refusals();
        tally.looks += stage.looks();
        Ok(())
    })
}

fn node_room<'s>(stage: &'s Stage<'_>) -> Result<&'s Room> {
    stage.node.room().context("the node's small disk")
}

fn controller_room<'s>(stage: &'s Stage<'_>) -> Result<&'s Room> {
    stage
        .controller
        .room()
        .context("the controller's small disk")
}

fn founding(stage: &mut Stage<'_>) -> Result<()> {
    let room = Room::new(stage.world, "tiny", TINY_BYTES)?;
    let passphrase = stage.world.root().join("passphrase");
    let init = || -> Result<Cmd> {
        let cmd = stage.world.sanaga()?.env("SANAGA_HOME", room.inside());
        let cmd = cmd.env("SANAGA_PASSPHRASE_FILE", &passphrase);
        Ok(room.enter(cmd.line("init --person ada --url https://127.0.0.1:1")))
    };
    stage.refused(code::DISK_FULL, &["tiny"], init)?;
    // With room, the same command goes on from what is there.
    let wider = format!("remount,size={ROOM_BYTES}");
    let mount = stage.world.cmd("mount").args(["-o", &wider]);
    room.enter(mount.arg(room.inside())).ok()?;
    init()?.ok()?;
    Ok(())
}

/// Writes a release as a project and gives the command that publishes it.
fn publishing(stage: &Stage<'_>, release: Release) -> Result<impl Fn() -> Result<Cmd>> {
    let project = stage.world.dir("project")?;
    release.write(&project)?;
    Ok(move || -> Result<Cmd> {
        let cmd = stage.controller.cmd()?.arg("publish").arg(&project);
        Ok(cmd.args(["--env", "dev"]))
    })
}

/// The releases that the controller has.
fn releases(stage: &Stage<'_>) -> Result<String> {
    Ok(stage
        .controller
        .cmd()?
        .line("release ls --output json")
        .ok()?
        .stdout)
}

fn publish_on_full(stage: &mut Stage<'_>) -> Result<()> {
    let before = releases(stage)?;
    let publish = publishing(stage, Release::new("1.1.0").photo_bytes(400_000))?;
    let room = controller_room(stage)?;
    let greed = room.greed(None);
    room.fill()?;
    stage.refused(code::DISK_FULL, &["make room"], &publish)?;
    ensure!(releases(stage)? == before, "something was published");
    drop(greed);
    room.clear()?;
    publish()?.ok()?;
    // The node goes on as well: its polls were not answered, or were; nothing of it is lost.
    stage.node.cmd()?.arg("pull").ok().map(drop)
}

fn publish_packing(stage: &mut Stage<'_>) -> Result<()> {
    publish_with_room(stage, "1.2.0", 2 << 20)
}

fn publish_upload(stage: &mut Stage<'_>) -> Result<()> {
    publish_with_room(stage, "1.3.0", 8 << 20)
}

fn publish_store(stage: &mut Stage<'_>) -> Result<()> {
    publish_with_room(stage, "1.6.0", 14 << 20)
}

/// Publishes a release whose pack is of more than 5 MiB, with so much room. It is made, handed in,
/// stored, and unpacked again for patches: each needs that much once more.
fn publish_with_room(stage: &Stage<'_>, version: &str, left_bytes: u64) -> Result<()> {
    let before = releases(stage)?;
    let publish = publishing(stage, Release::new(version).photo_bytes(3_000_000))?;
    let room = controller_room(stage)?;
    room.leave(left_bytes)?;
    let ended = publish()?.run()?;
    let name = format!("notebook@{version}");
    if ended.stdout.contains(&format!("Published {name}")) {
        // It is out; only a patch had no room, which is no loss but one of bytes.
        ended.says(&code::DISK_FULL.to_string())?;
        ensure!(releases(stage)?.contains(version), "it is not there");
    } else {
        ensure!(ended.code() == Some(1), "{}", ended.transcript());
        ended
            .says(&code::DISK_FULL.to_string())?
            .says("make room")?;
        ensure!(releases(stage)? == before, "something was published");
    }
    room.clear()?;
    publish()?.ok()?.says(&name)?;
    ensure!(
        releases(stage)?.contains(version),
        "not published with room"
    );
    let plan = stage.controller.cmd()?.args(["plan", &name]).ok()?;
    plan.says("patch").map(drop)
}

fn assign_on_full(stage: &mut Stage<'_>) -> Result<()> {
    let room = controller_room(stage)?;
    let greed = room.greed(None);
    room.fill()?;
    let generation = generation(stage)?;
    // What is written in place may still fit; then it is done, and only then.
    let assign = || {
        let cmd = stage.controller.cmd()?;
        Ok(cmd.line("assign notebook@1.0.0 --to node=akwa-1 --yes"))
    };
    let ended = assign()?.run()?;
    match ended.code() {
        Some(0) => ensure!(
            self::generation(stage)? > generation,
            "nothing was assigned"
        ),
        _ => {
            stage.refused(code::DISK_FULL, &["make room"], assign)?;
            ensure!(self::generation(stage)? == generation, "it was assigned");
        }
    }
    drop(greed);
    room.clear()?;
    assign()?.ok()?;
    stage.node.cmd()?.arg("pull").ok()?;
    stage
        .node
        .wait_for("notebook", "1.0.0", "committed")
        .map(drop)
}

fn generation(stage: &Stage<'_>) -> Result<u64> {
    let node = stage.controller.node("akwa-1")?;
    node.get("generation")
        .and_then(Value::as_u64)
        .context("a generation")
}

fn assignment(stage: &mut Stage<'_>) -> Result<()> {
    let room = node_room(stage)?;
    let greed = room.greed(None);
    room.fill()?;
    stage.controller.assign("notebook@1.1.0", "node=akwa-1")?;
    blocked(stage, "1.0.0")?;
    drop(greed);
    goes_on(stage, "1.1.0", None)
}

fn fetching(stage: &mut Stage<'_>) -> Result<()> {
    stage.node.link.set_rate(200_000);
    let packs = node_room(stage)?.outside().join("worker/packs");
    let had = entries(&packs);
    let greed = node_room(stage)?.greed(Some(Box::new(move || {
        let packs = std::fs::read_dir(&packs).into_iter().flatten().flatten();
        packs
            .filter(|pack| !had.contains(&pack.file_name().to_string_lossy().into_owned()))
            .filter_map(|pack| pack.metadata().ok())
            .any(|pack| pack.len() > 60_000)
    })));
    stage.controller.assign("notebook@1.2.0", "node=akwa-1")?;
    blocked(stage, "1.1.0")?;
    drop(greed);
    stage.node.link.set_rate(20_000_000);
    goes_on(stage, "1.2.0", None)
}

fn staging(stage: &mut Stage<'_>) -> Result<()> {
    stage.node.link.set_rate(20_000_000);
    // Room enough to begin with, and soon filled.
    node_room(stage)?.leave(24 << 20)?;
    let slots = node_room(stage)?.outside().join("apps/notebook/slots");
    let greed = node_room(stage)?.greed(Some(Box::new(move || {
        entries(&slots)
            .iter()
            .any(|name| name.starts_with(UNFINISHED))
    })));
    stage.controller.assign("notebook@1.3.0", "node=akwa-1")?;
    blocked(stage, "1.2.0")?;
    drop(greed);
    goes_on(stage, "1.3.0", None)
}

fn activating(stage: &mut Stage<'_>) -> Result<()> {
    let release = Release::new("1.4.0").photo_bytes(50_000);
    stage.controller.publish(&release)?;
    let slots = node_room(stage)?.outside().join("apps/notebook/slots");
    let whole = |slots: &Path| {
        let names = entries(slots);
        names
            .iter()
            .filter(|name| name.ends_with(".release"))
            .count()
    };
    let had = whole(&slots);
    let greed = node_room(stage)?.greed(Some(Box::new(move || whole(&slots) > had)));
    stage.controller.assign(&release.name(), "node=akwa-1")?;
    // Either nothing of the switch was begun, or all of it was done: in both cases an app answers.
    let found = eventually("a full disk at the switch", PATIENCE, || {
        let app = stage.node.app("notebook")?;
        let full = failure_of(&app) == Some(u64::from(code::DISK_FULL.number));
        let on_it = app.get("version").and_then(Value::as_str) == Some("1.4.0");
        Ok(if full || on_it {
            Step::Done(app)
        } else {
            Step::Waiting(format!("{:?} {:?}", app.get("phase"), app.get("failure")))
        })
    })?;
    eventually("the app at the switch", PATIENCE, || {
        stage.watch.forget();
        Ok(match stage.watch.unbroken() {
            Ok(()) => Step::Done(()),
            Err(error) => Step::Waiting(format!("{found}: {error:#}").chars().take(200).collect()),
        })
    })?;
    drop(greed);
    goes_on(
        stage,
        "1.4.0",
        Some(&stage.world.root().join("project/dist")),
    )
}

fn probation(stage: &mut Stage<'_>) -> Result<()> {
    let release = Release::new("1.5.0").photo_bytes(50_000).soak_s(4);
    stage.controller.publish(&release)?;
    stage.controller.assign(&release.name(), "node=akwa-1")?;
    stage.node.wait_for("notebook", "1.5.0", "probation")?;
    eventually("the new app's first answer", PATIENCE, || {
        stage.watch.forget();
        Ok(match stage.watch.unbroken() {
            Ok(()) => Step::Done(()),
            Err(error) => Step::Waiting(error.to_string()),
        })
    })?;
    let greed = node_room(stage)?.greed(None);
    std::thread::sleep(std::time::Duration::from_secs(8));
    let app = stage.node.app("notebook")?;
    ensure!(
        app.get("version").and_then(Value::as_str) == Some("1.5.0"),
        "a full disk is no reason to go back: {app}"
    );
    stage.watch.unbroken()?;
    drop(greed);
    goes_on(
        stage,
        "1.5.0",
        Some(&stage.world.root().join("project/dist")),
    )
}

fn start_on_full(stage: &mut Stage<'_>) -> Result<()> {
    node_room(stage)?.fill()?;
    stage.node.kill()?;
    match stage.node.start() {
        Ok(()) => {}
        Err(_) => {
            let run = || Ok(stage.node.cmd()?.arg("run"));
            stage.refused(code::DISK_FULL, &["make room"], run)?;
            node_room(stage)?.clear()?;
            stage.node.start()?;
        }
    }
    stage.watch.unbroken()?;
    node_room(stage)?.clear()?;
    stage.node.cmd()?.arg("pull").ok()?;
    stage
        .node
        .wait_for("notebook", "1.5.0", "committed")
        .map(drop)
}

fn read_only_controller(stage: &mut Stage<'_>) -> Result<()> {
    stage.controller.stop()?;
    controller_room(stage)?.read_only(stage.world, true)?;
    for line in [
        "serve --listen 127.0.0.1:0",
        "node ls",
        "enroll token --site a --node b --env dev",
    ] {
        let result = stage.refused(code::NOT_WRITABLE, &["controller", "permissions"], || {
            Ok(stage.controller.cmd()?.line(line))
        });
        result.with_context(|| line.to_owned())?;
    }
    controller_room(stage)?.read_only(stage.world, false)?;
    stage.controller.serve()?;
    stage.node.cmd()?.arg("pull").ok().map(drop)
}

fn read_only_agent(stage: &mut Stage<'_>) -> Result<()> {
    stage.node.kill()?;
    node_room(stage)?.read_only(stage.world, true)?;
    let refused = stage.refused(code::NOT_WRITABLE, &["akwa-1", "permissions"], || {
        Ok(stage.node.cmd()?.arg("run"))
    });
    node_room(stage)?.read_only(stage.world, false)?;
    refused?;
    stage.watch.unbroken()?;
    stage.node.start()?;
    stage
        .node
        .wait_for("notebook", "1.5.0", "committed")
        .map(drop)
}

/// Waits until the node says that its disk is full, in both languages, while `version` runs on.
fn blocked(stage: &Stage<'_>, version: &str) -> Result<()> {
    let full = u64::from(code::DISK_FULL.number);
    eventually("the node to say that its disk is full", PATIENCE, || {
        let app = stage.node.app("notebook")?;
        let found = app.get("version").and_then(Value::as_str);
        if found != Some(version) {
            bail!("{version} does not run any more: {app}");
        }
        let status = stage.node.status()?;
        let contact = status.get("contact_code").and_then(Value::as_u64);
        Ok(if failure_of(&app) == Some(full) || contact == Some(full) {
            Step::Done(())
        } else {
            // Not the ages: they move while nothing else does.
            let moves = [app.get("phase"), app.get("fetched"), app.get("failure")];
            Step::Waiting(format!("{moves:?} {contact:?}"))
        })
    })?;
    for language in ["en", "fr"] {
        let page = stage
            .node
            .cmd()?
            .args(["status", "--lang", language])
            .ok()?;
        page.says(&code::DISK_FULL.to_string())?;
    }
    stage.watch.unbroken()
}

/// With room, the update ends by itself, whole; its swap is no fault of the watch.
fn goes_on(stage: &Stage<'_>, version: &str, tree: Option<&Path>) -> Result<()> {
    node_room(stage)?.clear()?;
    stage.node.wait_for("notebook", version, "committed")?;
    if let Some(tree) = tree {
        tree::same(tree, &stage.node.current("notebook")?)?;
    }
    stage.node.cmd()?.line("verify notebook").ok()?;
    stage.watch.forget();
    stage.watch.unbroken()
}

fn failure_of(app: &Value) -> Option<u64> {
    app.get("failure")?.get(0)?.as_u64()
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
