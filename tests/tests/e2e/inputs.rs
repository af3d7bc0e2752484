//! The fetched inputs are real software: they start from the trees as they were fetched.

use anyhow::Result;
use sanaga_tests::http;
use sanaga_tests::needs::{self, NODE_RED, RUFF};
use sanaga_tests::world::{PATIENCE, Step, World, eventually, free_port};

/// Every version of node-red starts and answers.
pub fn node_red_answers_http() -> Result<()> {
    World::run("node-red", |world| {
        for version in NODE_RED {
            let port = free_port()?;
            let cmd = world
                .cmd("node")
                .arg(needs::node_red(version).join("node_modules/node-red/red.js"))
                .args(["--port", &port.to_string(), "--userDir"])
                .arg(world.dir(&format!("user-{version}"))?);
            let mut node = world.spawn(&format!("node-red-{version}"), cmd)?;
            let url = format!("http://127.0.0.1:{port}/settings");
            let answer = eventually("node-red", PATIENCE, || {
                Ok(match http::get(&url) {
                    Ok(answer) if answer.status == 200 => Step::Done(answer),
                    _ => Step::Waiting(node.text()),
                })
            })?;
            anyhow::ensure!(answer.text().contains(version), "{}", answer.text());
            node.terminate()?;
        }
        Ok(())
    })
}

/// Every version of ruff runs.
pub fn ruff_tells_its_version() -> Result<()> {
    World::run("ruff", |world| {
        for version in RUFF {
            world
                .cmd(needs::ruff(version).join("bin/ruff"))
                .arg("--version")
                .ok()?
                .says(version)?;
        }
        Ok(())
    })
}
