//! Attacks on trust, packs, lists and orders: each is a named test of `proto/tests` that first shows
//! that the honest input is taken. This proof runs them and holds them against the list below, so
//! that none goes missing.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::{Args, Outcome, Proof};
use crate::world::workspace_root;

/// The proof.
pub const PROOF: Proof = Proof {
    name: "attacks",
    shows: "every named attack on trust, packs, trees, orders and clocks is refused",
    run,
};

/// The attacks that were promised, and the beginning of the names of the tests that try them.
const PROMISED: &[(&str, &str)] = &[
    ("arbitrary software", "forged::arbitrary_software"),
    ("rollback", "online::rollback"),
    ("fast-forward and recovery", "online::fast_forward"),
    ("freeze", "online::freeze"),
    ("mix-and-match", "forged::mix_and_match"),
    ("wrong threshold", "forged::wrong_threshold"),
    (
        "root signed by the new keys only",
        "rotation::a_root_signed_by_the_new_keys_only",
    ),
    ("torn store files, then an old repository", "stored::"),
    (
        "assignment of another node",
        "director::an_assignment_of_another_node",
    ),
    (
        "assignment of another repository",
        "director::an_assignment_of_another_repository",
    ),
    (
        "assignment of another environment",
        "director::an_assignment_of_another_environment",
    ),
    ("older generation", "director::an_older_generation"),
    (
        "director key replaced",
        "rotation::the_director_is_replaced",
    ),
    (
        "what a replaced director signed",
        "director::what_a_replaced_director_signed",
    ),
    ("clock at 1970", "clocks::at_1970"),
    ("clock 5 years back", "clocks::five_years_back"),
    ("clock 10 years ahead", "clocks::ten_years_ahead"),
    ("200 seeds of clocks", "clocks::anything_from_1970_to_2060"),
    ("18 months dark", "clocks::eighteen_months_dark"),
    (
        "timestamp far in the future",
        "online::a_timestamp_far_in_the_future",
    ),
    ("path traversal", "bad_lists::path_traversal"),
    ("symlink chains", "bad_lists::link_chain"),
    ("absolute links", "bad_lists::absolute_link"),
    (
        "duplicate names by case",
        "bad_lists::duplicate_names_by_case",
    ),
    (
        "duplicate names by Unicode form",
        "bad_lists::duplicate_names_by_unicode_form",
    ),
    ("setuid", "bad_lists::setuid"),
    ("device entries", "bad_lists::device_entry"),
    ("huge headers", "bad_packs::huge_headers"),
    ("decompression bombs", "bad_packs::decompression_bombs"),
    ("wrong totals", "bad_packs::wrong_totals"),
    ("10⁶ entries", "bad_lists::a_million_entries"),
];

fn run(_args: &Args) -> Result<Outcome> {
    let results = tests()?;
    for (name, ok) in &results {
        eprintln!("{name}: {}", if *ok { "refused" } else { "NOT REFUSED" });
    }
    let held = results.values().filter(|ok| **ok).count() as u64;
    let mut covered = 0;
    for (attack, prefix) in PROMISED {
        let found = results
            .iter()
            .any(|(name, ok)| name.starts_with(prefix) && *ok);
        if !found {
            eprintln!("no passing test for: {attack}");
        }
        covered += u64::from(found);
    }
    Ok(Outcome::new()
        .all_of("named attacks covered", covered, PROMISED.len() as u64)
        .all_of("bad inputs refused", held, results.len() as u64))
}

/// Names and results of the attack tests. With the features of the whole workspace, so that what
/// `cargo test --workspace` has built is used.
fn tests() -> Result<BTreeMap<String, bool>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["test", "--workspace", "--no-fail-fast", "--quiet"])
        .args(["--test", "attacks", "--test", "packs"])
        .args(["--", "--format", "pretty"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        Some((name.to_owned(), result == "ok"))
    });
    Ok(lines.collect())
}
