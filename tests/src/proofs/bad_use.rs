//! Bad use: whatever a person or a disk does wrong ends in a stable code, a hint and the documented
//! exit code, in English and in French, and nothing is lost: the state of controller and node is
//! what it was, and the site's app answers all the while.
//!
//! Each case is a function in a file of `bad_use/` and a line in its `CASES`.

mod disk;
mod node;
mod operator;
mod stage;
mod watch;

use std::time::Instant;

use anyhow::{Result, anyhow};

use super::{Args, Outcome, Proof, missing};
use crate::world::{Room, World};
use stage::{Case, Stage};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "bad-use",
    shows: "bad use ends in a code, a hint and the documented exit, in English and French, and nothing is lost",
    run,
};

/// What came of some cases.
#[derive(Debug, Default)]
struct Tally {
    held: u64,
    of: u64,
    refusals: u64,
    looks: u64,
}

fn run(args: &Args) -> Result<Outcome> {
    let lacking = Room::missing();
    // Both halves wait most of the time, in worlds of their own.
    let (plain, disk) = std::thread::scope(|scope| {
        let disk = scope.spawn(|| {
            let mut tally = Tally::default();
            if lacking.is_none() {
                disk::play_all(args.seed, &mut tally)?;
            }
            anyhow::Ok(tally)
        });
        let plain = play_plain(args.seed);
        let disk = disk
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the disk's half panicked")));
        (plain, disk)
    });
    let (plain, disk) = (plain?, disk?);
    if plain.held == plain.of && disk.held == disk.of {
        // What was not tried is not claimed.
        if let Some(reason) = lacking {
            return Err(missing(format!("small disks of their own: {reason}")));
        }
    }
    Ok(Outcome::new()
        .all_of("cases of bad use", plain.held, plain.of)
        .all_of("cases of a full or read-only disk", disk.held, disk.of)
        .at_least("refusals read", plain.refusals + disk.refusals, 60, "")
        .at_least("looks at the site's app", plain.looks + disk.looks, 100, ""))
}

fn play_plain(seed: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    World::run("bad-use", |world| {
        let stage = Stage::new(world, seed)?;
        for cases in [operator::CASES, node::CASES] {
            play(&stage, cases, &mut tally);
        }
        tally.looks = stage.looks();
        Ok(())
    })?;
    Ok(tally)
}

/// Plays cases one after the other; each must leave everything as it found it.
fn play(stage: &Stage<'_>, cases: &[Case], tally: &mut Tally) {
    for case in cases {
        let begun = Instant::now();
        let before = stage.refusals();
        let result = stage.untouched(case.run);
        tally.of += 1;
        tally.refusals += stage.refusals() - before;
        let took = begun.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                tally.held += 1;
                eprintln!("ok     {took:>5.1} s  {}", case.name);
            }
            Err(error) => eprintln!("SHORT  {took:>5.1} s  {}: {error:#}", case.name),
        }
    }
}
