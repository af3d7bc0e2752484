//! What the harness promises to everybody who writes a test with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use sanaga_tests::world::{PATIENCE, Step, World, binaries, eventually, processes_of};

/// Set for the copy of this program that is killed.
pub const VICTIM: &str = "SANAGA_E2E_VICTIM";

/// Makes a world with a process that left its group, says where, and waits to be killed.
pub fn be_the_victim() -> ExitCode {
    let made = World::new("victim").and_then(|world| {
        let script = "setsid sleep 600 >/dev/null 2>&1 & echo started";
        world.cmd("/bin/sh").args(["-c", script]).ok()?;
        Ok(world)
    });
    match made {
        Ok(world) => {
            println!("{}", world.root().display());
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// A test that is killed with SIGKILL cannot clean up; its watchdog does.
pub fn nothing_outlives_a_killed_test() -> Result<()> {
    let mut victim = Command::new(std::env::current_exe()?)
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the victim")?;
    let mut line = String::new();
    let stdout = victim.stdout.take().context("stdout")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let root = Path::new(line.trim());
    let found = eventually("the detached process", PATIENCE, || {
        let found = processes_of("no marker", root);
        Ok(if found.is_empty() {
            Step::Waiting(String::new())
        } else {
            Step::Done(found)
        })
    });
    victim.kill()?;
    victim.wait()?;
    ensure!(!found?.is_empty());
    eventually("the watchdog's work", PATIENCE, || {
        let left = processes_of("no marker", root);
        let clean = left.is_empty() && !root.exists();
        Ok(if clean {
            Step::Done(())
        } else {
            Step::Waiting(format!("{left:?}"))
        })
    })
}

/// `prove` lists its proofs and refuses what it does not know.
pub fn prove_tells_what_there_is() -> Result<()> {
    World::run("prove", |world| {
        let prove = || -> Result<_> { Ok(world.cmd(binaries()?.get("prove")?)) };
        let listed = prove()?.arg("list").ok()?;
        for proof in sanaga_tests::proofs::ALL {
            listed.says(proof.name)?.says(proof.shows)?;
        }
        prove()?
            .arg("no-such-proof")
            .exits(2)?
            .says("no proof `no-such-proof`")?;
        prove()?
            .line("list --seed x")
            .exits(2)?
            .says("`x` is not a seed")?;
        prove()?.exits(2)?.says("usage: prove list")?;
        Ok(())
    })
}
