//! Looking at sites and nodes. Contact says when a node was last heard, evidence what it has proved;
//! neither is guessed from the other.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};
use sanaga_proto::ids::{
    AppName, EnvironmentName, Generation, NodeName, ReleaseName, SiteName, TreeRoot, Version,
};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::wire::Document as _;
use serde::{Deserialize, Serialize};

use super::assign::{from_version, running};
use super::context::{Actor, Context};
use crate::fleet::{Change, Node, NodeApp, Note, POLL_INTERVAL_S, Receipt, StoredAssignment};

/// A node that missed so many polls is late.
const LATE_POLLS: u64 = 3;
/// A node that was not heard for so long is dark, seconds: one day.
const DARK_S: u64 = 86_400;

/// Asks for all sites.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sites {}

/// All sites.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SiteList {
    /// In order of name.
    pub sites: Vec<SiteView>,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteView {
    /// Its name.
    pub site: SiteName,
    /// Its nodes.
    pub nodes: u64,
    /// Those that were heard lately.
    pub live: u64,
    /// The environments of its nodes.
    pub environments: Vec<EnvironmentName>,
}

/// Asks for nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeQuery {
    /// Only those of this site.
    pub site: Option<SiteName>,
    /// Only those of this environment.
    pub environment: Option<EnvironmentName>,
}

/// Some nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeList {
    /// In order of name.
    pub nodes: Vec<NodeView>,
}

/// Asks for one node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeShow {
    /// Which one.
    pub node: NodeName,
    /// How many of its newest receipts to give.
    pub receipts: u64,
}

/// Refuses a node's key from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokeNode {
    /// Which one.
    pub node: NodeName,
}

/// How lately a node was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contact {
    /// It polls as it should.
    Live,
    /// It missed some polls.
    Late,
    /// It was not heard for a day, or never.
    Dark,
    /// Its key is refused.
    Revoked,
}

/// What a node has proved of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Nothing was heard of it.
    None,
    /// The worker says so.
    Claimed,
    /// A receipt that the node's key signed says so.
    Receipted,
}

/// A node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: NodeName,
    /// Its site.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// How lately it was heard.
    pub contact: Contact,
    /// Its last poll, seconds since 1970.
    pub contact_at_s: Option<u64>,
    /// The agent's version at that poll.
    pub agent: Option<String>,
    /// The generation of its assignment.
    pub generation: Generation,
    /// Why its last receipts were not taken, if they were not.
    pub receipts_problem: Option<String>,
    /// Whether a hold stops it.
    pub held: bool,
    /// Its apps, assigned or running, in order of name.
    pub apps: Vec<AppView>,
    /// Its newest receipts, newest first, if they were asked for.
    pub receipts: Vec<ReceiptView>,
}

/// An app of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppView {
    /// The app.
    pub app: AppName,
    /// The version that is assigned.
    pub assigned: Option<Version>,
    /// The version that runs, as far as is known.
    pub runs: Option<Version>,
    /// The tree that runs.
    pub root: Option<TreeRoot>,
    /// What proves it.
    pub evidence: Evidence,
    /// What the worker says it is doing.
    pub phase: Option<String>,
    /// Bytes of the pack that it says are on disk.
    pub fetched_bytes: Option<u64>,
    /// The pack that it is likely to fetch, bytes.
    pub download_bytes: Option<u64>,
    /// The soak of the assigned release, seconds.
    pub soak_s: Option<u64>,
    /// Probes of the assigned release.
    pub probes: u64,
    /// The number of the failure that it reports.
    pub code: Option<u64>,
}

/// A receipt, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptView {
    /// Its number in its chain.
    pub number: u64,
    /// Which chain.
    pub epoch: u64,
    /// When, by the node's clock, seconds since 1970.
    pub at_s: u64,
    /// When it was taken in, seconds since 1970.
    pub taken_at_s: u64,
    /// What happened.
    pub event: String,
    /// The app.
    pub app: Option<AppName>,
    /// The version.
    pub version: Option<Version>,
    /// Its tree.
    pub root: Option<TreeRoot>,
    /// The failure's number.
    pub code: Option<u64>,
    /// The assignment that asked for it.
    pub generation: Option<Generation>,
    /// Pack bytes that were read from the network for it.
    pub received_bytes: Option<u64>,
    /// The biggest pack to this tree that fits into those, bytes: what was needed at least.
    pub pack_bytes: Option<u64>,
    /// A few words.
    pub detail: Option<String>,
    /// Whether only the worker says so.
    pub claimed: bool,
}

pub(super) async fn sites(
    context: &Context,
    actor: &Actor,
    _request: Sites,
) -> Result<SiteList, Failure> {
    let query = NodeQuery {
        site: None,
        environment: None,
    };
    let nodes = list(context, actor, query).await?.nodes;
    let mut sites: BTreeMap<SiteName, SiteView> = BTreeMap::new();
    for site in context.store.sites().await.map_err(Failure::of)? {
        let view = SiteView {
            site: site.name.clone(),
            nodes: 0,
            live: 0,
            environments: Vec::new(),
        };
        sites.insert(site.name, view);
    }
    for node in nodes.iter().filter(|node| node.contact != Contact::Revoked) {
        if let Some(site) = sites.get_mut(&node.site) {
            site.nodes += 1;
            site.live += u64::from(node.contact == Contact::Live);
            if !site.environments.contains(&node.environment) {
                site.environments.push(node.environment.clone());
            }
        }
    }
    Ok(SiteList {
        sites: sites.into_values().collect(),
    })
}

pub(super) async fn list(
    context: &Context,
    _actor: &Actor,
    request: NodeQuery,
) -> Result<NodeList, Failure> {
    if let Some(site) = &request.site {
        let sites = context.store.sites().await.map_err(Failure::of)?;
        if !sites.iter().any(|known| known.name == *site) {
            let near = nearest(site.as_str(), sites.iter().map(|known| known.name.as_str()));
            return Err(Failure::new(code::NO_SUCH_SITE)
                .arg("site", site)
                .arg("near", near));
        }
    }
    if let Some(environment) = &request.environment {
        context.environment(environment).await?;
    }
    let mut nodes = Vec::new();
    for node in context.store.nodes().await.map_err(Failure::of)? {
        let here = request.site.as_ref().is_none_or(|site| *site == node.site);
        let inside = request
            .environment
            .as_ref()
            .is_none_or(|environment| *environment == node.environment);
        if here && inside {
            nodes.push(view(context, node, Vec::new()).await?);
        }
    }
    Ok(NodeList { nodes })
}

pub(super) async fn show(
    context: &Context,
    _actor: &Actor,
    request: NodeShow,
) -> Result<NodeView, Failure> {
    let node = context.node(&request.node).await?;
    let receipts = match request.receipts {
        0 => Vec::new(),
        limit => context
            .store
            .receipts(&node.name, limit)
            .await
            .map_err(Failure::of)?,
    };
    view(context, node, receipts).await
}

pub(super) async fn revoke(
    context: &Context,
    actor: &Actor,
    request: RevokeNode,
) -> Result<NodeView, Failure> {
    let node = context.node(&request.node).await?;
    if node.revoked_at_s.is_none() {
        let note = Note::new("revoke", format!("node {}", node.name));
        let batch = context
            .batch(actor, note)
            .with(Change::RevokeNode(node.name.clone()));
        context.commit(batch).await?;
    }
    view(context, context.node(&request.node).await?, Vec::new()).await
}

async fn view(context: &Context, node: Node, receipts: Vec<Receipt>) -> Result<NodeView, Failure> {
    let assignment = context
        .store
        .assignment(&node.name)
        .await
        .map_err(Failure::of)?;
    let known = context
        .store
        .node_apps(Some(&node.name))
        .await
        .map_err(Failure::of)?;
    let holds = context.store.holds().await.map_err(Failure::of)?;
    let held = holds
        .iter()
        .any(|hold| hold.document.on && hold.node_key().is_none_or(|key| key == node.key));
    Ok(NodeView {
        contact: contact(context, &node, assignment.as_ref()),
        generation: assignment
            .as_ref()
            .map_or(0, |current| current.document.generation),
        apps: apps(context, assignment.as_ref(), &known).await?,
        held,
        receipts: receipt_views(context, receipts).await?,
        node: node.name,
        site: node.site,
        environment: node.environment,
        contact_at_s: node.contact_at_s,
        agent: node.agent,
        receipts_problem: node.receipts_problem,
    })
}

fn contact(context: &Context, node: &Node, assignment: Option<&StoredAssignment>) -> Contact {
    if node.revoked_at_s.is_some() {
        return Contact::Revoked;
    }
    let poll_s = assignment.map_or(POLL_INTERVAL_S, |current| current.document.poll_interval_s);
    let Some(contact_at_s) = node.contact_at_s else {
        return Contact::Dark;
    };
    let silent_s = context.now_s().saturating_sub(contact_at_s);
    if silent_s <= poll_s.saturating_mul(LATE_POLLS) {
        Contact::Live
    } else if silent_s <= DARK_S {
        Contact::Late
    } else {
        Contact::Dark
    }
}

async fn apps(
    context: &Context,
    assignment: Option<&StoredAssignment>,
    known: &[NodeApp],
) -> Result<Vec<AppView>, Failure> {
    let assigned = assignment.map(|current| current.document.apps.as_slice());
    let assigned = assigned.unwrap_or_default();
    let mut names: Vec<&AppName> = assigned.iter().map(|app| &app.app).collect();
    names.extend(known.iter().map(|app| &app.app));
    names.sort();
    names.dedup();
    let mut out = Vec::new();
    for app in names {
        let order = assigned.iter().find(|found| found.app == *app);
        let found = known.iter().find(|found| found.app == *app);
        let claim = found.and_then(|found| found.claim.as_ref());
        let runs = running(known, app);
        let release = match order {
            Some(order) => context
                .store
                .release(&order.release())
                .await
                .map_err(Failure::of)?,
            None => None,
        };
        let mut view = AppView {
            app: app.clone(),
            assigned: order.map(|order| order.version.clone()),
            evidence: match (&runs.version, claim) {
                (Some(_), _) => Evidence::Receipted,
                (None, Some(_)) => Evidence::Claimed,
                (None, None) => Evidence::None,
            },
            runs: from_version(context, &runs, app).await?,
            root: runs.root,
            phase: claim.and_then(|claim| claim.status.phase.clone()),
            fetched_bytes: claim.and_then(|claim| claim.status.fetched_bytes),
            download_bytes: None,
            soak_s: None,
            probes: 0,
            code: claim.and_then(|claim| claim.status.code),
        };
        if let Some(release) = release {
            let manifest = Manifest::from_bytes(&release.manifest).map_err(Failure::of)?;
            let offers = context
                .store
                .offers_to(&release.root)
                .await
                .map_err(Failure::of)?;
            let name = ReleaseName {
                app: release.app,
                version: release.version,
            };
            let cost = super::assign::cost(&offers, runs.root.as_ref(), &release.root, &name);
            view.download_bytes = cost.ok().map(|(download_bytes, _)| download_bytes);
            view.soak_s = manifest.soak_s;
            view.probes = manifest.probes.len() as u64;
        }
        out.push(view);
    }
    Ok(out)
}

async fn receipt_views(
    context: &Context,
    receipts: Vec<Receipt>,
) -> Result<Vec<ReceiptView>, Failure> {
    let mut out = Vec::new();
    for kept in receipts {
        let mut view = receipt(kept);
        if let (Some(root), Some(received)) = (&view.root, view.received_bytes) {
            let offers = context.store.offers_to(root).await.map_err(Failure::of)?;
            let sizes = offers.iter().map(|offer| offer.file_bytes);
            view.pack_bytes = sizes.filter(|bytes| *bytes <= received).max();
        }
        out.push(view);
    }
    Ok(out)
}

fn receipt(receipt: Receipt) -> ReceiptView {
    let event = receipt.event;
    ReceiptView {
        number: receipt.number,
        epoch: receipt.epoch,
        at_s: event.at_s,
        taken_at_s: receipt.taken_at_s,
        event: event.kind.to_string(),
        app: event.app,
        version: event.version,
        root: event.root,
        code: event.code,
        generation: event.generation,
        received_bytes: event.received_bytes,
        pack_bytes: None,
        detail: event.detail,
        claimed: event.claimed == Some(true),
    }
}
