//! What an offline bundle carries: the static files that an install without a network needs.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, NodeName, ReleaseName, RepositoryId, TreeRoot, Version};
use serde::{Deserialize, Serialize};

use super::assign::running;
use super::context::{Actor, Context};
use super::publish::find_release;
use crate::fleet::{Node, Release, path};

/// Asks which files a bundle is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleFiles {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// The nodes that it is for.
    pub nodes: Vec<NodeName>,
}

/// The files, in the order in which a reader wants them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleList {
    /// Which repository.
    pub repository: RepositoryId,
    /// Paths below `/v1/` and lengths in bytes.
    pub files: Vec<(String, u64)>,
    /// Nodes whose current assignment does not name this release: they will not install it.
    pub not_assigned: Vec<NodeName>,
}

pub(super) async fn files(
    context: &Context,
    _actor: &Actor,
    request: BundleFiles,
) -> Result<BundleList, Failure> {
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    let release = find_release(context, &name).await?;
    let mut nodes = Vec::new();
    for node in &request.nodes {
        nodes.push(context.node(node).await?);
    }
    let mut paths = metadata(context).await?;
    paths.push("hold/all".to_owned());
    let mut not_assigned = Vec::new();
    for node in &nodes {
        if release.placement(&node.environment).is_none() {
            return Err(Failure::new(code::NOT_IN_ENVIRONMENT)
                .arg("release", &name)
                .arg("environment", &node.environment)
                .arg("node", &node.name));
        }
        paths.push(path::assignment(&node.key));
        paths.push(path::hold(Some(&node.key)));
        let assigned = context
            .store
            .assignment(&node.name)
            .await
            .map_err(Failure::of)?;
        let apps = assigned
            .map(|current| current.document.apps)
            .unwrap_or_default();
        if !apps.iter().any(|app| app.release() == name) {
            not_assigned.push(node.name.clone());
        }
    }
    paths.push(path::manifest(&release.manifest_digest));
    paths.extend(packs(context, &release, &nodes).await?);
    let mut files = Vec::new();
    for path in paths {
        // A hold that was never given has no file, and that is all right.
        if let Some(length) = context
            .repository
            .length(&path)
            .await
            .map_err(Failure::of)?
        {
            files.push((path, length));
        }
    }
    Ok(BundleList {
        repository: context.repository_id().await?,
        files,
        not_assigned,
    })
}

/// The whole root chain, and the current file of every other role.
async fn metadata(context: &Context) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    let mut others = Vec::new();
    for role in context.store.roles().await.map_err(Failure::of)? {
        if role.role == "root" {
            paths.extend((1..=role.version).map(|version| path::role("root", version)));
        } else {
            others.push(path::role(&role.role, role.version));
        }
    }
    paths.extend(others);
    Ok(paths)
}

/// Offers and packs: the full one, and those from the trees that the named nodes run.
async fn packs(
    context: &Context,
    release: &Release,
    nodes: &[Node],
) -> Result<Vec<String>, Failure> {
    let mut bases: Vec<TreeRoot> = Vec::new();
    for node in nodes {
        let apps = context
            .store
            .node_apps(Some(&node.name))
            .await
            .map_err(Failure::of)?;
        bases.extend(running(&apps, &release.app).root);
    }
    let offers = context
        .store
        .offers_to(&release.root)
        .await
        .map_err(Failure::of)?;
    let wanted = offers
        .iter()
        .filter(|offer| offer.base.is_none_or(|base| bases.contains(&base)));
    let mut paths = Vec::new();
    for offer in wanted {
        paths.push(path::offer(offer.base.as_ref(), &offer.root));
        paths.push(path::pack(&offer.frame_root));
    }
    Ok(paths)
}
