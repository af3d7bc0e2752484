//! The registry of proofs. A new one is a file in `proofs/` with a `pub const PROOF: Proof`, a `mod`
//! line and a line in [`ALL`].
//!
//! A proof prints what it does as it goes (on stderr), measures, and gives an [`Outcome`]. When it
//! finds something wrong that is no matter of a figure (a wrong byte, a hang) it gives an error.
//! What the machine lacks it says through [`missing`].

mod attacks;
mod bad_use;
mod blue_green;
mod cuts;
mod data_pair;
mod first_hour;
mod footprint;
mod helper;
mod machine;
mod machine_states;
mod python_tuf;
mod trees;
mod wire;

use std::error::Error;
use std::fmt;

use anyhow::Result;

/// Every proof, in the order of the documents.
pub const ALL: &[Proof] = &[
    first_hour::PROOF,
    trees::PROOF,
    cuts::PROOF,
    wire::PROOF,
    footprint::PROOF,
    attacks::PROOF,
    machine_states::PROOF,
    data_pair::PROOF,
    python_tuf::PROOF,
    bad_use::PROOF,
    helper::PROOF,
    blue_green::PROOF,
    machine::PROOF,
];

/// One proof.
#[derive(Debug, Clone, Copy)]
pub struct Proof {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it shows, in one line.
    pub shows: &'static str,
    /// Does it.
    pub run: fn(&Args) -> Result<Outcome>,
}

/// How a proof is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Args {
    /// For the recorded figure, however long it takes; otherwise a short run with the same bars.
    pub long: bool,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What was measured against what was promised.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    bars: Vec<Bar>,
}

#[derive(Debug, Clone)]
struct Bar {
    figure: String,
    bar: String,
    ok: bool,
}

impl Outcome {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A figure that must not be greater than its bar.
    #[must_use]
    pub fn at_most(self, what: &str, figure: u64, bar: u64, unit: &str) -> Self {
        let ok = figure <= bar;
        self.holds(
            &format!("{what} {}", grouped(figure, unit)),
            &format!("≤ {}", grouped(bar, unit)),
            ok,
        )
    }

    /// A figure that must not be smaller than its bar.
    #[must_use]
    pub fn at_least(self, what: &str, figure: u64, bar: u64, unit: &str) -> Self {
        let ok = figure >= bar;
        self.holds(
            &format!("{what} {}", grouped(figure, unit)),
            &format!("≥ {}", grouped(bar, unit)),
            ok,
        )
    }

    /// So many of so many; all must hold.
    #[must_use]
    pub fn all_of(self, what: &str, held: u64, of: u64) -> Self {
        let figure = format!("{what} {} of {}", grouped(held, ""), grouped(of, ""));
        self.holds(&figure, "all", of > 0 && held == of)
    }

    /// Any other figure with its bar, and whether it holds.
    #[must_use]
    pub fn holds(mut self, figure: &str, bar: &str, ok: bool) -> Self {
        self.bars.push(Bar {
            figure: figure.to_owned(),
            bar: bar.to_owned(),
            ok,
        });
        self
    }

    /// Whether every bar holds; a proof that measured nothing has proved nothing.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.bars.is_empty() && self.bars.iter().all(|bar| bar.ok)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bar) in self.bars.iter().enumerate() {
            let (comma, short) = (
                if index == 0 { "" } else { "; " },
                if bar.ok { "" } else { " SHORT" },
            );
            write!(f, "{comma}{} ({}){short}", bar.figure, bar.bar)?;
        }
        Ok(())
    }
}

/// How a proof ended.
#[derive(Debug)]
pub enum Verdict {
    /// It measured.
    Done(Outcome),
    /// It found something wrong, or could not go on.
    Failed(anyhow::Error),
    /// This machine cannot run it, for this reason.
    CannotRun(String),
}

impl Verdict {
    /// The last line that is printed.
    #[must_use]
    pub fn line(&self, proof: &Proof) -> String {
        let name = proof.name;
        match self {
            Self::Done(outcome) => format!(
                "{name}: {outcome} {}",
                if outcome.is_ok() { "ok" } else { "… short" }
            ),
            Self::Failed(error) => format!("{name}: {error:#} … short"),
            Self::CannotRun(reason) => format!("{name}: cannot run here: {reason}"),
        }
    }

    /// The same for programs, one object in one line.
    #[must_use]
    pub fn json(&self, proof: &Proof, args: &Args) -> String {
        let (result, detail) = match self {
            Self::Done(outcome) if outcome.is_ok() => ("ok", outcome.to_string()),
            Self::Done(outcome) => ("short", outcome.to_string()),
            Self::Failed(error) => ("short", format!("{error:#}")),
            Self::CannotRun(reason) => ("cannot-run", reason.clone()),
        };
        serde_json::json!({
            "schema_version": 1,
            "proof": proof.name,
            "seed": args.seed,
            "long": args.long,
            "result": result,
            "figure": detail,
        })
        .to_string()
    }
}

/// What a proof gives up with on a machine that lacks something.
#[derive(Debug)]
struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Missing {}

/// The error that says that this machine cannot run the proof (exit 77).
#[must_use]
pub fn missing(reason: impl Into<String>) -> anyhow::Error {
    Missing(reason.into()).into()
}

/// Looks a proof up by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Proof> {
    ALL.iter().find(|proof| proof.name == name)
}

/// Runs one.
#[must_use]
pub fn run(proof: &Proof, args: &Args) -> Verdict {
    match (proof.run)(args) {
        Ok(outcome) => Verdict::Done(outcome),
        Err(error) => match error.downcast_ref::<Missing>() {
            Some(Missing(reason)) => Verdict::CannotRun(reason.clone()),
            None => Verdict::Failed(error),
        },
    }
}

/// Names and purposes, one line each.
#[must_use]
pub fn list() -> String {
    ALL.iter()
        .map(|proof| format!("{:<16} {}\n", proof.name, proof.shows))
        .collect()
}

/// 1234567 and "B" give "1,234,567 B".
fn grouped(number: u64, unit: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !unit.is_empty() {
        text.push(' ');
        text.push_str(unit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: Proof = Proof {
        name: "sample",
        shows: "nothing",
        run: |args| {
            if args.long {
                Err(missing("no fuse"))
            } else {
                Ok(Outcome::new())
            }
        },
    };

    #[test]
    fn the_last_line_has_figure_bar_and_verdict() {
        let good = Outcome::new()
            .at_most("poll", 912, 1_000, "B")
            .all_of("trees", 4, 4);
        assert_eq!(
            Verdict::Done(good).line(&PROOF),
            "sample: poll 912 B (≤ 1,000 B); trees 4 of 4 (all) ok"
        );
        let bad = Outcome::new()
            .at_least("hits", 1_999_999, 2_000_000, "")
            .all_of("trees", 0, 0);
        assert_eq!(
            Verdict::Done(bad).line(&PROOF),
            "sample: hits 1,999,999 (≥ 2,000,000) SHORT; trees 0 of 0 (all) SHORT … short"
        );
    }

    #[test]
    fn what_is_missing_is_not_a_failure_and_nothing_measured_is_not_a_success() {
        let args = Args {
            long: true,
            seed: 1,
        };
        assert!(matches!(run(&PROOF, &args), Verdict::CannotRun(reason) if reason == "no fuse"));
        let args = Args {
            long: false,
            seed: 1,
        };
        assert!(matches!(run(&PROOF, &args), Verdict::Done(outcome) if !outcome.is_ok()));
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|proof| proof.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
