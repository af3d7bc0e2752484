//! `sanaga site ls`.

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;

use super::format;
use super::session::Session;
use super::ui::Ui;
use crate::ops::Sites;

/// Sites
#[derive(Debug, Args)]
pub struct SiteArgs {
    #[command(subcommand)]
    verb: SiteVerb,
}

#[derive(Debug, Subcommand)]
enum SiteVerb {
    /// All sites
    Ls,
}

/// Lists them.
pub async fn run(ui: &mut Ui, session: &Session, args: SiteArgs) -> Result<(), Failure> {
    let SiteVerb::Ls = args.verb;
    let list = session.call(Sites {}).await?;
    ui.json(&list, Some("sites"))?;
    let rows: Vec<Vec<String>> = list
        .sites
        .iter()
        .map(|site| {
            let environments: Vec<&str> =
                site.environments.iter().map(|name| name.as_str()).collect();
            vec![
                site.site.to_string(),
                site.nodes.to_string(),
                site.live.to_string(),
                environments.join(", "),
            ]
        })
        .collect();
    let heading =
        ["head-site", "head-nodes", "head-live", "head-environments"].map(|id| ui.say(id, &[]));
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    ui.data(&format::table(&heading, &rows));
    match list.sites.first() {
        Some(site) => ui.next(&format!("sanaga node ls --site {}", site.site)),
        None => ui.next("sanaga enroll token --site SITE --node NODE --env dev"),
    }
    Ok(())
}
