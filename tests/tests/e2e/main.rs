//! The end-to-end tests. Those that need more than Rust and a C compiler are ignored where that is
//! missing, with the reason; under `SANAGA_REQUIRE=all` a missing need is a failure.
//!
//! A new case is a function in a file of this folder and a line in [`CASES`].

mod apart;
mod ceremony;
mod harness;
mod inputs;
mod power;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use sanaga_tests::needs::{self, Need};

/// One test.
struct Case {
    name: &'static str,
    needs: &'static [Need],
    run: fn() -> Result<()>,
}

const CASES: &[Case] = &[
    Case {
        name: "apart::helper_and_worker_die_in_turn",
        needs: &[],
        run: apart::helper_and_worker_die_in_turn,
    },
    Case {
        name: "apart::a_stick_without_a_network",
        needs: &[],
        run: apart::a_stick_without_a_network,
    },
    Case {
        name: "ceremony::three_people",
        needs: &[],
        run: ceremony::three_people,
    },
    Case {
        name: "ceremony::from_one_to_three",
        needs: &[],
        run: ceremony::from_one_to_three,
    },
    Case {
        name: "harness::nothing_outlives_a_killed_test",
        needs: &[],
        run: harness::nothing_outlives_a_killed_test,
    },
    Case {
        name: "harness::prove_tells_what_there_is",
        needs: &[],
        run: harness::prove_tells_what_there_is,
    },
    Case {
        name: "inputs::node_red_goes_there_and_back",
        needs: &[Need::Node, Need::NodeRedTrees],
        run: inputs::node_red_goes_there_and_back,
    },
    Case {
        name: "power::an_update_waits_for_a_charged_battery",
        needs: &[Need::Nut],
        run: power::an_update_waits_for_a_charged_battery,
    },
    Case {
        name: "inputs::ruff_tells_its_version",
        needs: &[Need::RuffTrees],
        run: inputs::ruff_tells_its_version,
    },
];

fn main() -> ExitCode {
    // One case starts this program again and kills it.
    if std::env::var_os(harness::VICTIM).is_some() {
        return harness::be_the_victim();
    }
    let mut reasons = Vec::new();
    let trials = CASES.iter().map(|case| trial(case, &mut reasons)).collect();
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        for reason in reasons {
            eprintln!("{reason}");
        }
    }
    conclusion.exit_code()
}

fn trial(case: &Case, reasons: &mut Vec<String>) -> Trial {
    let run = case.run;
    let Some(missing) = needs::first_missing(case.needs) else {
        return Trial::test(case.name, move || run().map_err(failed));
    };
    let required = needs::all_required();
    reasons.push(format!(
        "{} {}: {missing}",
        if required { "missing for" } else { "ignored" },
        case.name
    ));
    Trial::test(case.name, move || Err(Failed::from(missing))).with_ignored_flag(!required)
}

fn failed(error: anyhow::Error) -> Failed {
    Failed::from(format!("{error:#}"))
}
