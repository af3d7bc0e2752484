//! The fetched inputs are real software.

use anyhow::{Result, ensure};
use sanaga_tests::link::Plan;
use sanaga_tests::needs::{self, NODE_RED, RUFF};
use sanaga_tests::node_red;
use sanaga_tests::site::Controller;
use sanaga_tests::world::World;

/// node-red goes from its oldest version to its newest and back, and answers over HTTP at each step.
pub fn node_red_goes_there_and_back() -> Result<()> {
    World::run("node-red", |world| {
        let controller = Controller::start(world)?;
        let node = controller.enrol("douala-akwa", "akwa-1", Plan::new(1))?;
        let journey = node_red::journey(world, &controller, &node)?;
        let steps = NODE_RED.len() as u64 + 1;
        ensure!(
            journey.steps == steps && journey.answers == steps,
            "{journey:?}"
        );
        ensure!(journey.patch_bytes * 5 < journey.full_bytes, "{journey:?}");
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
