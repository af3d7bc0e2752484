//! The harness must itself be right about exit codes, stuck programs and processes left behind.

use std::time::Duration;

use super::*;

#[test]
fn exit_codes_and_words_are_checked() -> Result<()> {
    World::run("exits", |world| {
        let sh = |script: &str| world.cmd("/bin/sh").args(["-c", script]);
        assert_eq!(
            sh("echo out; echo err >&2; exit 7")
                .exits(7)?
                .says("err")?
                .stdout,
            "out\n"
        );
        assert!(sh("exit 3").ok().is_err());
        assert_eq!(sh("cat").stdin("typed").ok()?.stdout, "typed");
        assert_eq!(
            sh("echo $LANG $SANAGA_HOME")
                .env("SANAGA_HOME", "h")
                .ok()?
                .stdout,
            "C.UTF-8 h\n"
        );
        Ok(())
    })
}

#[test]
fn a_command_that_stands_still_is_ended() -> Result<()> {
    World::run("stuck", |world| {
        let stuck = world
            .cmd("/bin/sh")
            .args(["-c", "echo begun; sleep 600"])
            .patience(Duration::from_millis(300));
        let error = format!("{:#}", stuck.run().unwrap_err());
        assert!(
            error.contains("stands still") && error.contains("begun"),
            "{error}"
        );
        Ok(())
    })
}

#[test]
fn a_detached_process_does_not_outlive_its_world() -> Result<()> {
    let world = World::new("detached")?;
    // Its own session, and an environment without the marker: only its folder gives it away.
    let script = "setsid env -i sleep 600 >/dev/null 2>&1 & echo started";
    world.cmd("/bin/sh").args(["-c", script]).ok()?;
    eventually("the detached process", PATIENCE, || {
        Ok(if world.processes().is_empty() {
            Step::Waiting(String::new())
        } else {
            Step::Done(())
        })
    })?;
    let (id, root) = (world.id.clone(), world.root().to_owned());
    drop(world);
    assert!(processes_of(&id, &root).is_empty());
    assert!(!root.exists());
    Ok(())
}

#[test]
fn a_background_process_is_heard_and_ended() -> Result<()> {
    World::run("proc", |world| {
        let script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done";
        let mut proc = world.spawn("loop", world.cmd("/bin/sh").args(["-c", script]))?;
        assert_eq!(proc.wait_for_line("ready")?, "ready");
        assert!(proc.memory_bytes()? > 0 && proc.memory_peak_bytes()? >= proc.memory_bytes()?);
        assert_eq!(proc.terminate()?.code(), Some(4));
        assert!(proc.text().ends_with("bye\n"));

        let mut short = world.spawn(
            "short",
            world.cmd("/bin/sh").args(["-c", "echo last words"]),
        )?;
        assert!(short.wait_for_line("never said").is_err());
        Ok(())
    })
}

#[test]
fn ports_are_given_once() -> Result<()> {
    let ports = (0..50)
        .map(|_| free_port())
        .collect::<Result<BTreeSet<_>>>()?;
    assert_eq!(ports.len(), 50);
    Ok(())
}
