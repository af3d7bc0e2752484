//! `sanaga node`: what is known of nodes, and refusing one.

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, NodeName, SiteName};

use super::format;
use super::session::{Session, now_s};
use super::ui::Ui;
use super::watch;
use crate::ops::{AppView, Contact, Evidence, NodeQuery, NodeShow, NodeView, RevokeNode};

/// Receipts that `node show` prints.
const RECEIPTS: u64 = 8;

/// Nodes
#[derive(Debug, Args)]
pub struct NodeArgs {
    #[command(subcommand)]
    verb: NodeVerb,
}

#[derive(Debug, Subcommand)]
enum NodeVerb {
    /// All nodes
    Ls {
        /// Only those of this site
        #[arg(long)]
        site: Option<SiteName>,
        /// Only those of this environment
        #[arg(long)]
        env: Option<EnvironmentName>,
    },
    /// One node: its apps, and what it has proved
    Show {
        /// Which one
        node: NodeName,
        /// Follow it until its update has ended
        #[arg(long)]
        watch: bool,
    },
    /// Refuse a node's key from now on; what it runs goes on running
    Revoke {
        /// Which one
        node: NodeName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Does what was asked.
pub async fn run(ui: &mut Ui, session: &Session, args: NodeArgs) -> Result<(), Failure> {
    match args.verb {
        NodeVerb::Ls { site, env } => {
            let query = NodeQuery {
                site,
                environment: env,
            };
            let list = session.call(query).await?;
            ui.json(&list, Some("nodes"))?;
            ui.data(&table(ui, &list.nodes));
            match list.nodes.first() {
                Some(node) => ui.next(&format!("sanaga node show {}", node.node)),
                None => ui.next("sanaga enroll token --site SITE --node NODE --env dev"),
            }
            Ok(())
        }
        NodeVerb::Show { node, watch: true } => watch::run(ui, session, node).await,
        NodeVerb::Show { node, watch: false } => {
            let receipts = RECEIPTS;
            let view = session.call(NodeShow { node, receipts }).await?;
            ui.json(&view, None)?;
            ui.data(&describe(ui, &view));
            ui.next(&format!("sanaga node show {} --watch", view.node));
            Ok(())
        }
        NodeVerb::Revoke { node, yes } => {
            ui.yes = yes;
            ui.confirm(&ui.say("revoke-question", &[("node", node.as_str())]))?;
            let view = session.call(RevokeNode { node }).await?;
            ui.json(&view, None)?;
            ui.data(&ui.say("revoked", &[("node", view.node.as_str())]));
            ui.next(&format!(
                "sanaga enroll token --site {} --node {} --env {}",
                view.site, view.node, view.environment
            ));
            Ok(())
        }
    }
}

fn contact_word(ui: &Ui, view: &NodeView) -> String {
    let id = match view.contact {
        Contact::Live => "contact-live",
        Contact::Late => "contact-late",
        Contact::Dark => "contact-dark",
        Contact::Revoked => "contact-revoked",
    };
    ui.say(id, &[])
}

fn evidence_word(ui: &Ui, app: &AppView) -> String {
    let id = match app.evidence {
        Evidence::None => "evidence-none",
        Evidence::Claimed => "evidence-claimed",
        Evidence::Receipted => "evidence-receipted",
    };
    ui.say(id, &[])
}

fn since(ui: &Ui, contact_at_s: Option<u64>) -> String {
    match contact_at_s {
        None => ui.say("never", &[]),
        Some(at_s) => {
            let time = format::duration(now_s().saturating_sub(at_s));
            ui.say("ago", &[("time", &time)])
        }
    }
}

fn table(ui: &Ui, nodes: &[NodeView]) -> String {
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|node| {
            let apps: Vec<String> = node
                .apps
                .iter()
                .map(|app| match (&app.runs, &app.assigned) {
                    (Some(runs), Some(assigned)) if runs != assigned => {
                        format!("{}@{runs} → {assigned}", app.app)
                    }
                    (Some(runs), _) => format!("{}@{runs}", app.app),
                    (None, Some(assigned)) => format!("{} → {assigned}", app.app),
                    (None, None) => app.app.to_string(),
                })
                .collect();
            vec![
                node.node.to_string(),
                node.site.to_string(),
                node.environment.to_string(),
                contact_word(ui, node),
                since(ui, node.contact_at_s),
                apps.join(", "),
            ]
        })
        .collect();
    let heading = [
        "head-node",
        "head-site",
        "head-environment",
        "head-contact",
        "head-heard",
        "head-apps",
    ]
    .map(|id| ui.say(id, &[]));
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    format::table(&heading, &rows)
}

fn describe(ui: &Ui, view: &NodeView) -> String {
    let mut lines = vec![ui.say(
        "node-head",
        &[
            ("node", view.node.as_str()),
            ("site", view.site.as_str()),
            ("environment", view.environment.as_str()),
            ("contact", &contact_word(ui, view)),
            ("heard", &since(ui, view.contact_at_s)),
            ("generation", &view.generation.to_string()),
        ],
    )];
    if view.held {
        lines.push(ui.say("node-held", &[]));
    }
    if let Some(problem) = &view.receipts_problem {
        lines.push(ui.say("node-receipts-problem", &[("problem", problem)]));
    }
    let dash = || "–".to_owned();
    let rows: Vec<Vec<String>> = view
        .apps
        .iter()
        .map(|app| {
            vec![
                app.app.to_string(),
                app.runs.as_ref().map_or_else(dash, ToString::to_string),
                app.assigned.as_ref().map_or_else(dash, ToString::to_string),
                evidence_word(ui, app),
                app.phase.clone().unwrap_or_else(dash),
                app.code.map_or_else(dash, |code| format!("SNG-{code:04}")),
            ]
        })
        .collect();
    let heading = [
        "head-app",
        "head-runs",
        "head-assigned",
        "head-evidence",
        "head-phase",
        "head-code",
    ]
    .map(|id| ui.say(id, &[]));
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    lines.push(format::table(&heading, &rows));
    for receipt in &view.receipts {
        lines.push(watch::receipt_line(ui, receipt, view));
    }
    lines.join("\n")
}
