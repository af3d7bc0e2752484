//! `sanaga release` and `sanaga plan`: what was published, and what it costs to bring it to nodes.

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, ReleaseName};

use super::format;
use super::session::Session;
use super::ui::Ui;
use crate::ops::{PlanRelease, Rehearsal, ReleaseView, Releases, Selector, ShowRelease};

/// Releases
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    #[command(subcommand)]
    verb: ReleaseVerb,
}

#[derive(Debug, Subcommand)]
enum ReleaseVerb {
    /// All releases
    Ls {
        /// Only those of this app
        app: Option<AppName>,
    },
    /// One release
    Show {
        /// Which one
        #[arg(value_name = "APP@VERSION")]
        release: ReleaseName,
    },
}

/// The bytes that a release costs from each version
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The release
    #[arg(value_name = "APP@VERSION")]
    release: ReleaseName,
    /// Only for these nodes: node=NAME, site=NAME or env=NAME
    #[arg(long)]
    to: Option<Selector>,
}

/// Does what was asked.
pub async fn run(ui: &mut Ui, session: &Session, args: ReleaseArgs) -> Result<(), Failure> {
    match args.verb {
        ReleaseVerb::Ls { app } => {
            let list = session.call(Releases { app }).await?;
            ui.json(&list, Some("releases"))?;
            let rows: Vec<Vec<String>> = list.releases.iter().map(|view| row(ui, view)).collect();
            let heading = [
                "head-release",
                "head-environments",
                "head-files",
                "head-size",
                "head-pack",
                "head-nodes",
                "head-published",
            ]
            .map(|id| ui.say(id, &[]));
            let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
            ui.data(&format::table(&heading, &rows));
            match list.releases.last() {
                Some(last) => ui.next(&format!("sanaga plan {}@{}", last.app, last.version)),
                None => ui.next("sanaga publish DIR --env dev"),
            }
            Ok(())
        }
        ReleaseVerb::Show { release } => {
            let view = session
                .call(ShowRelease {
                    app: release.app,
                    version: release.version,
                })
                .await?;
            ui.json(&view, None)?;
            ui.data(&describe(ui, &view));
            ui.next(&format!("sanaga plan {}@{}", view.app, view.version));
            Ok(())
        }
    }
}

fn environments(view: &ReleaseView) -> String {
    let places: Vec<String> = view
        .placements
        .iter()
        .map(|(environment, counter)| format!("{environment} #{counter}"))
        .collect();
    places.join(", ")
}

fn row(ui: &Ui, view: &ReleaseView) -> Vec<String> {
    vec![
        format!("{}@{}", view.app, view.version),
        environments(view),
        view.entries.to_string(),
        ui.bytes(view.unpacked_bytes),
        view.full_bytes
            .map_or_else(|| "–".to_owned(), |bytes| ui.bytes(bytes)),
        view.nodes.to_string(),
        format::moment(view.published_at_s),
    ]
}

fn describe(ui: &Ui, view: &ReleaseView) -> String {
    let pack = view
        .full_bytes
        .map_or_else(|| "–".to_owned(), |bytes| ui.bytes(bytes));
    let text = ui.say(
        "release-show",
        &[
            ("release", &format!("{}@{}", view.app, view.version)),
            ("environments", &environments(view)),
            ("risk", &view.risk),
            ("files", &view.entries.to_string()),
            ("size", &ui.bytes(view.unpacked_bytes)),
            ("pack", &pack),
            ("root", &view.root.to_string()),
            ("manifest", &view.manifest.to_string()),
            ("nodes", &view.nodes.to_string()),
            ("published", &format::moment(view.published_at_s)),
            ("by", &view.published_by),
        ],
    );
    let text = match &view.rehearsal {
        Some(rehearsal) => format!("{text}\n{}", rehearsed(ui, rehearsal)),
        None => text,
    };
    let notes = match ui.language {
        sanaga_proto::text::Language::English => view.notes_en.as_ref().or(view.notes_fr.as_ref()),
        sanaga_proto::text::Language::French => view.notes_fr.as_ref().or(view.notes_en.as_ref()),
    };
    match notes {
        Some(notes) => format!("{text}\n\n{notes}"),
        None => text,
    }
}

/// How far the rehearsal of a migration is.
fn rehearsed(ui: &Ui, rehearsal: &Rehearsal) -> String {
    let missing = [
        (rehearsal.committed, "rehearsal-commit"),
        (rehearsal.rolled_back, "rehearsal-rollback"),
    ];
    let missing = missing.into_iter().filter(|(is_there, _)| !is_there);
    let missing: Vec<String> = missing.map(|(_, id)| ui.say(id, &[])).collect();
    let environment = ("environment", rehearsal.environment.as_str());
    if missing.is_empty() {
        return ui.say("rehearsal-done", &[environment]);
    }
    ui.say(
        "rehearsal-missing",
        &[environment, ("missing", &missing.join(", "))],
    )
}

/// Says what a release costs from each base.
pub async fn plan(ui: &mut Ui, session: &Session, args: PlanArgs) -> Result<(), Failure> {
    let name = args.release.to_string();
    let plans = session
        .call(PlanRelease {
            app: args.release.app,
            version: args.release.version,
            to: args.to,
        })
        .await?;
    ui.json(&plans, Some("lines"))?;
    let rows: Vec<Vec<String>> = plans
        .lines
        .iter()
        .map(|line| {
            let from = match (&line.from, &line.base) {
                (Some(version), _) => version.to_string(),
                (None, Some(base)) => format::digest_start(base),
                (None, None) => "–".to_owned(),
            };
            let by = if line.patch {
                "by-patch"
            } else {
                "by-full-pack"
            };
            vec![
                from,
                ui.bytes(line.download_bytes),
                ui.say(by, &[]),
                line.nodes.to_string(),
                format::cost(
                    line.download_bytes,
                    plans.price_thousandths_per_mb,
                    &plans.currency,
                ),
            ]
        })
        .collect();
    let heading = [
        "head-from",
        "head-download",
        "head-by",
        "head-nodes",
        "head-cost",
    ]
    .map(|id| ui.say(id, &[]));
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    ui.data(&format::table(&heading, &rows));
    ui.next(&format!("sanaga assign {name} --to site=SITE --dry-run"));
    Ok(())
}
