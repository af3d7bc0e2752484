//! Looking at releases, and at what each way to them costs.

use std::collections::BTreeMap;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{
    AppName, Counter, Digest, EnvironmentName, ReleaseName, TreeRoot, Version,
};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::wire::Document as _;
use serde::{Deserialize, Serialize};

use super::assign::{from_version, running};
use super::context::{Actor, Context};
use super::publish::find_release;
use super::rehearsal::{self, Rehearsal};
use super::selector::Selector;
use crate::fleet::Release;

/// Asks for all releases.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Releases {
    /// Only those of this app.
    pub app: Option<AppName>,
}

/// All releases.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseList {
    /// In order of app and then of first publishing.
    pub releases: Vec<ReleaseView>,
}

/// Asks for one release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShowRelease {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
}

/// A release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseView {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// How much care it asks for.
    pub risk: String,
    /// The SHA-256 of its manifest.
    pub manifest: Digest,
    /// Its tree.
    pub root: TreeRoot,
    /// All files together, bytes.
    pub unpacked_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// When it was first published, seconds since 1970.
    pub published_at_s: u64,
    /// By whom.
    pub published_by: String,
    /// Where it is signed, and its place in the order there.
    pub placements: BTreeMap<EnvironmentName, Counter>,
    /// The full pack, bytes, if it is still offered.
    pub full_bytes: Option<u64>,
    /// Nodes that run its tree, as far as is known.
    pub nodes: u64,
    /// What changed, in English.
    pub notes_en: Option<String>,
    /// What changed, in French.
    pub notes_fr: Option<String>,
    /// How far the rehearsal of its migration is; none when it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
}

/// Asks what a release costs from each base.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanRelease {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// Only for these nodes.
    pub to: Option<Selector>,
}

/// What a release costs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plans {
    /// From nothing first, then by base version.
    pub lines: Vec<PlanLine>,
    /// Thousandths of the currency per megabyte.
    pub price_thousandths_per_mb: u64,
    /// The currency.
    pub currency: String,
}

/// What it costs from one base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// The version that a node runs; none for nothing.
    pub from: Option<Version>,
    /// Its tree.
    pub base: Option<TreeRoot>,
    /// Nodes that run it.
    pub nodes: u64,
    /// What such a node fetches, bytes.
    pub download_bytes: u64,
    /// Whether a patch is offered; without one, it is the full pack.
    pub patch: bool,
}

pub(super) async fn list(
    context: &Context,
    _actor: &Actor,
    request: Releases,
) -> Result<ReleaseList, Failure> {
    let mut releases = Vec::new();
    for release in context.store.releases().await.map_err(Failure::of)? {
        if request.app.as_ref().is_none_or(|app| *app == release.app) {
            releases.push(view(context, release).await?);
        }
    }
    Ok(ReleaseList { releases })
}

pub(super) async fn show(
    context: &Context,
    _actor: &Actor,
    request: ShowRelease,
) -> Result<ReleaseView, Failure> {
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    view(context, find_release(context, &name).await?).await
}

async fn view(context: &Context, release: Release) -> Result<ReleaseView, Failure> {
    let manifest = Manifest::from_bytes(&release.manifest).map_err(Failure::of)?;
    let rehearsal = rehearsal::of_release(context, &manifest).await?;
    let notes = manifest.notes.unwrap_or_default();
    let offers = context
        .store
        .offers_to(&release.root)
        .await
        .map_err(Failure::of)?;
    let running = context
        .store
        .running_roots(&release.app, None)
        .await
        .map_err(Failure::of)?;
    Ok(ReleaseView {
        risk: release.risk.to_string(),
        manifest: release.manifest_digest,
        root: release.root,
        unpacked_bytes: release.unpacked_bytes,
        entries: release.entries,
        published_at_s: release.published_at_s,
        published_by: release.published_by,
        placements: release
            .placements
            .into_iter()
            .map(|placement| (placement.environment, placement.counter))
            .collect(),
        full_bytes: offers
            .iter()
            .find(|offer| offer.base.is_none())
            .map(|offer| offer.file_bytes),
        nodes: running
            .iter()
            .find(|(root, _)| *root == release.root)
            .map_or(0, |(_, nodes)| *nodes),
        notes_en: notes.en,
        notes_fr: notes.fr,
        rehearsal,
        app: release.app,
        version: release.version,
    })
}

pub(super) async fn plan(
    context: &Context,
    _actor: &Actor,
    request: PlanRelease,
) -> Result<Plans, Failure> {
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    let release = find_release(context, &name).await?;
    let controller = context.controller().await?;
    let offers = context
        .store
        .offers_to(&release.root)
        .await
        .map_err(Failure::of)?;
    let mut bases: BTreeMap<Option<TreeRoot>, (Option<Version>, u64)> = BTreeMap::new();
    bases.insert(None, (None, 0));
    for offer in &offers {
        bases.entry(offer.base).or_default();
    }
    let nodes = match &request.to {
        Some(selector) => selector.some_nodes(context).await?,
        None => context.store.nodes().await.map_err(Failure::of)?,
    };
    for node in nodes.iter().filter(|node| node.revoked_at_s.is_none()) {
        let apps = context
            .store
            .node_apps(Some(&node.name))
            .await
            .map_err(Failure::of)?;
        bases
            .entry(running(&apps, &release.app).root)
            .or_default()
            .1 += 1;
    }
    let mut lines = Vec::new();
    for (base, (_, nodes)) in bases {
        let runs = super::assign::Running {
            version: None,
            root: base,
        };
        let (download_bytes, _) =
            super::assign::cost(&offers, base.as_ref(), &release.root, &name)?;
        lines.push(PlanLine {
            from: from_version(context, &runs, &release.app).await?,
            base,
            nodes,
            download_bytes,
            patch: offers.iter().any(|offer| offer.base == base) && base.is_some(),
        });
    }
    lines.sort_by(|a, b| a.from.cmp(&b.from));
    Ok(Plans {
        lines,
        price_thousandths_per_mb: controller.price.thousandths_per_mb,
        currency: controller.price.currency,
    })
}
