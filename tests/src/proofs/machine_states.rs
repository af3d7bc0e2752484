//! The update machine, cut at every step: every phase, power cuts nested to depth 3, every subset of
//! un-synced effects; and eight programs broken on purpose, each of which must be caught.

use anyhow::Result;
use sanaga_agent::update::model::{Sabotage, enumerate};

use super::{Args, Outcome, Proof};

/// The proof.
pub const PROOF: Proof = Proof {
    name: "machine-states",
    shows: "no power cut, nested to depth 3, breaks a site or fails an update; eight sabotages are caught",
    run,
};

/// How deep cuts are nested.
const DEPTH: usize = 3;

fn run(args: &Args) -> Result<Outcome> {
    let healthy = enumerate(DEPTH, None, args.seed);
    eprintln!(
        "{} scenarios, {} states, {} power cuts, {} kills, {} surviving disks",
        healthy.scenarios, healthy.states, healthy.cuts, healthy.kills, healthy.disks
    );
    for violation in healthy.violations.iter().take(10) {
        eprintln!("violation: {violation}");
    }
    let mut caught = 0;
    for sabotage in Sabotage::ALL {
        let report = enumerate(1, Some(sabotage), args.seed);
        let found = report.violations.first();
        eprintln!(
            "{}: {}",
            sabotage.as_str(),
            found.map_or("NOT CAUGHT", String::as_str)
        );
        caught += u64::from(found.is_some());
    }
    Ok(Outcome::new()
        .at_most("violations", healthy.violations.len() as u64, 0, "")
        .at_least("power cuts", healthy.cuts as u64, 1, "")
        .all_of("sabotages caught", caught, Sabotage::ALL.len() as u64))
}
