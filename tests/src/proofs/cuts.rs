//! A pack over a link that is cut again and again, and from hosts that lie. The transfer must end
//! without help, and must not have cost more than the pack and a frame for each cut.

mod lies;
mod naive;
mod round;

use std::panic::resume_unwind;
use std::thread::{ScopedJoinHandle, scope};

use anyhow::Result;

use self::round::Round;
use super::{Args, Outcome, Proof};
use crate::world::binaries;

/// The proof.
pub const PROOF: Proof = Proof {
    name: "cuts",
    shows: "cut at random points and killed, a transfer ends by itself and costs ≤ pack + 64 KiB a cut; lies of hosts never reach a slot",
    run,
};

/// What one cut may cost, bytes: a frame.
const CUT_BYTES: u64 = 64 * 1024;

/// Seeds, and cuts with each.
fn amount(args: &Args) -> (u64, usize) {
    if args.long { (3, 200) } else { (1, 60) }
}

fn run(args: &Args) -> Result<Outcome> {
    binaries()?;
    let (seeds, cuts) = amount(args);
    // Nearly all of the time is spent in pauses, so that everything goes on at once.
    let (rounds, lies) = scope(|scope| {
        let lies = scope.spawn(|| lies::run(args.seed));
        let rounds: Vec<_> = (0..seeds)
            .map(|number| scope.spawn(move || round::run(args.seed + number, cuts)))
            .collect();
        let rounds: Vec<_> = rounds.into_iter().map(join).collect();
        (rounds, join(lies))
    });
    let rounds = rounds.into_iter().collect::<Result<Vec<_>>>()?;
    let lies = lies?;
    for round in &rounds {
        eprintln!("{round}");
    }
    let sum = |of: fn(&Round) -> u64| rounds.iter().map(of).sum::<u64>();
    let held = |fits: fn(&Round) -> bool| rounds.iter().filter(|round| fits(round)).count() as u64;
    Ok(Outcome::new()
        .all_of("cuts", sum(|round| round.cuts), seeds * cuts as u64)
        .at_least("kills", sum(|round| round.kills), seeds, "")
        .all_of(
            "transfers within pack + 64 KiB a cut",
            held(Round::is_within),
            seeds,
        )
        .all_of(
            "ledgers that agree with the link",
            held(Round::agrees),
            seeds,
        )
        .holds(
            &format!("read beyond the packs {} B", sum(Round::beyond)),
            &format!("≤ {} B", sum(Round::allowance)),
            sum(Round::beyond) <= sum(Round::allowance),
        )
        .all_of("lies survived", lies.survived, lies.told)
        .all_of("sabotages caught", held(Round::caught), seeds))
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
