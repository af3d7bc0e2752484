//! `config check` and `config show`: what is in force, and which file says so.

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;
use serde::Serialize;

use super::table::Table;
use super::{Context, Outcome};
use crate::config::{Config, Entry, Origin};

#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Read every file and variable, and change nothing
    Check,
    /// Print every value in force
    Show {
        /// With the file and line, variable or flag that it comes from
        #[arg(long)]
        origin: bool,
    },
}

/// One value, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

/// The result of a check, for programs.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    set: usize,
}

pub fn run(args: &ConfigArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let config = context.config(&[]).map_err(Failure::of)?;
    match args.verb {
        ConfigVerb::Check => check(&config, context)?,
        ConfigVerb::Show { origin } => show(&config, origin, context)?,
    }
    Ok(Outcome::Done)
}

fn check(config: &Config, context: &mut Context) -> Result<(), Failure> {
    let entries = config.entries().iter();
    let set = entries
        .filter(|entry| entry.origin != Origin::Default)
        .count();
    if !context.for_people() {
        return context.print_json(&Checked { ok: true, set });
    }
    let count = set.to_string();
    let args = [
        ("count", &*count),
        ("form", super::speech::form(set as u64, &context.speech)),
    ];
    let line = context.speech.say("config-good", &args);
    context.print(&line)?;
    context.next("sanaga-agent config show --origin");
    Ok(())
}

fn show(config: &Config, origin: bool, context: &mut Context) -> Result<(), Failure> {
    if !context.for_people() {
        let shown = |entry: &Entry| entry.origin.to_string();
        let list: Vec<Shown<'_>> = config
            .entries()
            .iter()
            .map(|entry| Shown {
                key: &entry.key,
                value: &entry.value,
                origin: origin.then(|| shown(entry)),
            })
            .collect();
        return context.print_list("values", &list);
    }
    let heads = ["col-key", "col-value", "col-origin"];
    let heads = heads.iter().take(if origin { 3 } else { 2 });
    let mut table = Table::new(heads.map(|id| context.speech.say(id, &[])).collect());
    for entry in config.entries() {
        let origin = origin.then(|| match &entry.origin {
            Origin::Default => context.speech.say("origin-default", &[]),
            set @ (Origin::File { .. } | Origin::Variable(_) | Origin::Flag(_)) => set.to_string(),
        });
        let cells = [entry.key.clone(), entry.value.clone()]
            .into_iter()
            .chain(origin);
        table.row(cells.map(Into::into).collect());
    }
    for line in table.lines(context.colour) {
        context.print(&line)?;
    }
    Ok(())
}
