//! A machine that is lived with: a bare Debian 12 under systemd, from `apt-get install` of our packages
//! to `dpkg --purge`, with updates, kills, power cuts and a boot without a network in between. One
//! release is broken on purpose and must be taken back, so that "none was marked failed" says something.

mod kills;
mod packages;
mod site;
mod story;

use anyhow::Result;

use super::{Args, Outcome, Proof, missing};
use crate::machine::Machine;
use crate::needs::{Need, first_missing};
use crate::world::World;

/// The proof.
pub const PROOF: Proof = Proof {
    name: "machine",
    shows: "Debian packages under a real systemd: install, updates under random kills, offline boot, upgrade, purge",
    run,
};

/// A boot without a network brings the site's app back within, milliseconds.
const OFFLINE_MS_MAX: u64 = 60_000;

/// Kills across the updates.
fn kills(args: &Args) -> u64 {
    if args.long { 1_000 } else { 8 }
}

fn run(args: &Args) -> Result<Outcome> {
    let lacking = Machine::missing().or_else(|| first_missing(&[Need::DebianPackages]));
    if let Some(reason) = lacking {
        return Err(missing(reason));
    }
    World::run("machine", |world| {
        let told = story::tell(world, args.seed, kills(args))?;
        Ok(Outcome::new()
            .at_least("kills", told.loops.kills, kills(args), "")
            .all_of(
                "updates that reached their target",
                told.loops.reached,
                told.loops.updates,
            )
            .at_most("marked failed", told.loops.failed, 0, "")
            .all_of("notes of the site kept", told.notes_kept, told.notes)
            .at_most(
                "app back after an offline boot",
                told.offline_ms,
                OFFLINE_MS_MAX,
                "ms",
            )
            .all_of("broken releases taken back", told.broken_back, 1)
            .all_of("steps of the packages' life", told.steps, story::STEPS))
    })
}
