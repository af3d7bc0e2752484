//! `sanaga assign`: say which nodes run a release.

use clap::Args;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::ReleaseName;

use super::format;
use super::session::Session;
use super::ui::Ui;
use crate::ops::{Assign, Assigned, Line, Selector};

/// Say which nodes run a release
#[derive(Debug, Args)]
pub struct AssignArgs {
    /// The release
    #[arg(value_name = "APP@VERSION")]
    release: ReleaseName,
    /// node=NAME, site=NAME or env=NAME
    #[arg(long)]
    to: Selector,
    /// Only say what it would cost
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Assigns it.
pub async fn run(ui: &mut Ui, session: &Session, args: AssignArgs) -> Result<(), Failure> {
    ui.yes = args.yes;
    let order = Assign {
        app: args.release.app,
        version: args.release.version,
        to: args.to,
        dry_run: true,
    };
    let plan = session.call(order.clone()).await?;
    ui.data(&table(ui, &plan, !args.yes));
    if args.dry_run {
        ui.json(&plan, Some("nodes"))?;
        ui.tell("assign-nothing", &[]);
        return Ok(());
    }
    let count = plan.nodes.len().to_string();
    ui.confirm(&ui.say("assign-question", &[("count", &count)]))?;
    let done = session
        .call(Assign {
            dry_run: false,
            ..order
        })
        .await?;
    ui.json(&done, Some("nodes"))?;
    say_assigned(ui, &done);
    Ok(())
}

fn table(ui: &Ui, plan: &Assigned, priced: bool) -> String {
    let cost = ui.say("head-cost", &[]);
    let heading = [
        ui.say("head-node", &[]),
        ui.say("head-from", &[]),
        ui.say("head-download", &[]),
        // Whoever is asked must see what the answer rests on.
        if priced {
            format!("{cost} ({})", plan.price)
        } else {
            cost
        },
    ];
    let rows: Vec<Vec<String>> = plan.nodes.iter().map(|line| row(ui, plan, line)).collect();
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    format::table(&heading, &rows)
}

fn row(ui: &Ui, plan: &Assigned, line: &Line) -> Vec<String> {
    let mut download = ui.bytes(line.download_bytes);
    if line.download_bytes < line.full_bytes {
        let full = ui.say("download-full", &[("bytes", &ui.bytes(line.full_bytes))]);
        download = format!("{download} {full}");
    }
    let from = line.from.as_ref();
    vec![
        line.node.to_string(),
        from.map_or_else(|| "–".to_owned(), ToString::to_string),
        download,
        format::cost(
            line.download_bytes,
            plan.price_thousandths_per_mb,
            &plan.currency,
        ),
    ]
}

fn say_assigned(ui: &Ui, done: &Assigned) {
    let generation = |line: &Line| line.generation.to_string();
    match done.nodes.as_slice() {
        [] => {}
        [line] => ui.tell(
            "assigned-one",
            &[
                ("generation", &generation(line)),
                ("node", line.node.as_str()),
                ("seconds", &poll_time(line.poll_interval_s)),
                ("environment", line.environment.as_str()),
            ],
        ),
        [first, ..] => {
            let polls = done.nodes.iter().map(|line| line.poll_interval_s).max();
            ui.tell(
                "assigned-many",
                &[
                    ("count", &done.nodes.len().to_string()),
                    ("node", first.node.as_str()),
                    ("seconds", &poll_time(polls.unwrap_or_default())),
                ],
            );
        }
    }
}

/// The poll interval as it stands in the configuration: `60 s`.
fn poll_time(seconds: u64) -> String {
    if seconds <= 120 {
        return format!("{seconds} s");
    }
    format::duration(seconds)
}
