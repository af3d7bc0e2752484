//! The only way a release reaches a node: a new generation of its assignment. What it will cost is
//! said first.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{
    AppName, EnvironmentName, Generation, NodeName, ReleaseName, SiteName, TreeRoot, Version,
};
use serde::{Deserialize, Serialize};

use super::context::{Actor, Context};
use super::orders::{Desk, apps_with};
use super::publish::find_release;
use super::selector::Selector;
use crate::fleet::{Change, Node, NodeApp, Note, Release, StoredAssignment, StoredOffer};

/// Assigns a release to some nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assign {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// To whom.
    pub to: Selector,
    /// Only say what it would cost.
    pub dry_run: bool,
}

/// What was, or would be, assigned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assigned {
    /// One line for each node, in order of name.
    pub nodes: Vec<Line>,
    /// The price of data, for people: `1.0 XAF/MB`.
    pub price: String,
    /// Thousandths of the currency per megabyte.
    pub price_thousandths_per_mb: u64,
    /// The currency.
    pub currency: String,
}

/// One node of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The node.
    pub node: NodeName,
    /// Its site.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The version that it runs, as far as is known.
    pub from: Option<Version>,
    /// What it will fetch, bytes; none when it has the tree already.
    pub download_bytes: u64,
    /// The full pack, bytes.
    pub full_bytes: u64,
    /// The generation that it gets.
    pub generation: Generation,
    /// How often it asks, seconds.
    pub poll_interval_s: u64,
}

pub(super) async fn assign(
    context: &Context,
    actor: &Actor,
    request: Assign,
) -> Result<Assigned, Failure> {
    let name = ReleaseName {
        app: request.app.clone(),
        version: request.version.clone(),
    };
    let release = find_release(context, &name).await?;
    let nodes = request.to.some_nodes(context).await?;
    let desk = Desk::open(context).await?;
    let offers = context
        .store
        .offers_to(&release.root)
        .await
        .map_err(Failure::of)?;
    let note = Note::new("assign", format!("{name} to {}", request.to));
    let mut batch = context.batch(actor, note);
    let mut lines = Vec::new();
    for node in &nodes {
        let current = context
            .store
            .assignment(&node.name)
            .await
            .map_err(Failure::of)?;
        let apps = context
            .store
            .node_apps(Some(&node.name))
            .await
            .map_err(Failure::of)?;
        let runs = running(&apps, &release.app);
        check_order(context, &release, node, current.as_ref()).await?;
        let app = desk.app(node, &release)?;
        let next = desk.next(
            context,
            actor,
            node,
            current.as_ref(),
            apps_with(current.as_ref(), app),
        )?;
        let (download_bytes, full_bytes) = cost(&offers, runs.root.as_ref(), &release.root, &name)?;
        lines.push(Line {
            node: node.name.clone(),
            site: node.site.clone(),
            environment: node.environment.clone(),
            from: from_version(context, &runs, &release.app).await?,
            download_bytes,
            full_bytes,
            generation: next.document.generation,
            poll_interval_s: next.document.poll_interval_s,
        });
        batch = batch.with(Change::Assign(next)).note(
            Note::new("assign", format!("node {}", node.name))
                .after(format!("{name}, generation {}", generation_of(&lines))),
        );
    }
    if !request.dry_run {
        context.commit(batch).await?;
    }
    Ok(Assigned {
        nodes: lines,
        price: desk.controller.price.to_string(),
        price_thousandths_per_mb: desk.controller.price.thousandths_per_mb,
        currency: desk.controller.price.currency,
    })
}

fn generation_of(lines: &[Line]) -> Generation {
    lines.last().map_or(0, |line| line.generation)
}

/// What a node runs of an app: by receipt where there is one, else by its own claim.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    pub version: Option<Version>,
    pub root: Option<TreeRoot>,
}

pub(super) fn running(apps: &[NodeApp], app: &AppName) -> Running {
    let Some(found) = apps.iter().find(|found| found.app == *app) else {
        return Running::default();
    };
    let claimed = found.claim.as_ref().and_then(|claim| claim.status.root);
    let installed = found
        .receipted
        .as_ref()
        .and_then(|receipted| receipted.installed.clone());
    match installed {
        // The claim is newer than the receipt while one is on its way; its tree is what is on disk.
        Some((version, root)) if claimed.is_none_or(|claimed| claimed == root) => Running {
            version: Some(version),
            root: Some(root),
        },
        Some(_) | None => Running {
            version: None,
            root: claimed,
        },
    }
}

/// The version that a node runs, by its receipt or the release that has the tree.
pub(super) async fn from_version(
    context: &Context,
    runs: &Running,
    app: &AppName,
) -> Result<Option<Version>, Failure> {
    if runs.version.is_some() {
        return Ok(runs.version.clone());
    }
    let Some(root) = &runs.root else {
        return Ok(None);
    };
    let releases = context
        .store
        .releases_by_root(root)
        .await
        .map_err(Failure::of)?;
    let found = releases
        .into_iter()
        .rev()
        .find(|release| release.app == *app);
    Ok(found.map(|release| release.version))
}

/// Bytes of the cheapest way from what a node runs, and of the full pack.
pub(super) fn cost(
    offers: &[StoredOffer],
    from: Option<&TreeRoot>,
    to: &TreeRoot,
    name: &ReleaseName,
) -> Result<(u64, u64), Failure> {
    let full_bytes = offers
        .iter()
        .find(|offer| offer.base.is_none())
        .map(|offer| offer.file_bytes)
        .ok_or_else(|| Failure::new(code::NO_PACK).arg("release", name))?;
    if from == Some(to) {
        return Ok((0, full_bytes));
    }
    let patch_bytes = offers
        .iter()
        .filter(|offer| from.is_some() && offer.base.as_ref() == from)
        .map(|offer| offer.file_bytes)
        .min();
    Ok((
        patch_bytes.unwrap_or(full_bytes).min(full_bytes),
        full_bytes,
    ))
}

/// Refuses an older release, unless its environment signed that it may take the newer one's place.
async fn check_order(
    context: &Context,
    release: &Release,
    node: &Node,
    current: Option<&StoredAssignment>,
) -> Result<(), Failure> {
    let former = current.and_then(|current| {
        current
            .document
            .apps
            .iter()
            .find(|app| app.app == release.app)
    });
    let (Some(former), Some(placement)) = (former, release.placement(&node.environment)) else {
        return Ok(());
    };
    let allowed = placement.allow_downgrade_from.unwrap_or(0);
    if former.counter <= placement.counter.max(allowed) {
        return Ok(());
    }
    let apps = context
        .store
        .node_apps(Some(&node.name))
        .await
        .map_err(Failure::of)?;
    let runs = running(&apps, &release.app);
    let runs = from_version(context, &runs, &release.app).await?;
    Err(Failure::new(code::DOWNGRADE)
        .arg("release", release.name())
        .arg("node", &node.name)
        .arg("running", runs.as_ref().unwrap_or(&former.version)))
}
