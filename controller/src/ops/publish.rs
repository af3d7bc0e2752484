//! Bringing a release into an environment: its manifest and full pack are published and a version
//! of the environment's role that lists it waits for signatures. Nothing changes on any node.

use std::path::{Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{
    AppName, Counter, Digest, EnvironmentName, FrameRoot, ReleaseName, TreeRoot, Version,
};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::TargetEntry;
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::envelope::seal;
use sanaga_proto::wire::offer::Offer;
use serde::{Deserialize, Serialize};

use super::authority;
use super::context::{Actor, Context};
use super::names;
use super::patch::hash_file;
use super::rehearsal;
use super::role::{self, Waits};
use super::role_file::EnvironmentFile;
use super::sign;
use crate::fleet::{Change, Note, Release, StoredOffer, path};

/// Asks what publishing would meet, before anything is packed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckRelease {
    /// The environment.
    pub environment: EnvironmentName,
    /// The app.
    pub app: AppName,
    /// Its version.
    pub version: Version,
    /// The SHA-256 of the manifest, once it is known.
    pub manifest: Option<Digest>,
}

/// What publishing would meet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// The counter that the environment gave this content already.
    pub placed: Option<Counter>,
    /// The keys that may sign for the environment.
    pub keys: Vec<Digest>,
    /// How many must.
    pub threshold: u64,
}

/// A pack that was handed in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackUpload {
    /// The SHA-256 of the file, which is its name among the uploads.
    pub sha256: Digest,
    /// What authenticates the pack.
    pub frame_root: FrameRoot,
    /// The pack without its hashes, bytes.
    pub pack_bytes: u64,
    /// The file, bytes.
    pub file_bytes: u64,
}

/// Adds a release to what waits in an environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageRelease {
    /// The environment.
    pub environment: EnvironmentName,
    /// The manifest.
    #[serde(with = "super::wire::base64_bytes")]
    pub manifest: Vec<u8>,
    /// The full pack; left out when it was published before.
    pub pack: Option<PackUpload>,
    /// Versions that it may replace although their counters are higher.
    pub allow_downgrade_from: Vec<Version>,
}

/// Brings a release that is published already into another environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Promote {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// Where it goes.
    pub environment: EnvironmentName,
    /// Versions that it may replace although their counters are higher.
    pub allow_downgrade_from: Vec<Version>,
    /// Why it goes there although its migration was not rehearsed; none when it was, or needs not be.
    #[serde(default)]
    pub without_rehearsal: Option<String>,
}

/// What waits now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Staged {
    /// Its place in the order of the environment.
    pub counter: Counter,
    /// The manifest.
    pub manifest: Digest,
    /// The tree.
    pub root: TreeRoot,
    /// What waits for signatures; none when the environment says exactly this already.
    pub waits: Option<Waits>,
}

/// The trees from which patches to a release are worth making.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bases {
    /// Most useful first.
    pub bases: Vec<super::patch::BaseView>,
}

pub(super) async fn check(
    context: &Context,
    _actor: &Actor,
    request: CheckRelease,
) -> Result<Checked, Failure> {
    let environment = context.environment(&request.environment).await?.name;
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    let authority = authority::of_role(context, environment.as_str()).await?;
    let release = context.store.release(&name).await.map_err(Failure::of)?;
    let mut placed = None;
    if let (Some(release), Some(manifest)) = (&release, request.manifest) {
        same_content(release, &manifest)?;
        placed = release
            .placement(&environment)
            .map(|placement| placement.counter);
    }
    Ok(Checked {
        placed,
        keys: authority.keys.iter().map(|key| key.id()).collect(),
        threshold: authority.threshold,
    })
}

pub(super) async fn stage(
    context: &Context,
    actor: &Actor,
    request: StageRelease,
) -> Result<Staged, Failure> {
    let environment = context.environment(&request.environment).await?.name;
    let manifest = Manifest::from_bytes(&request.manifest).map_err(Failure::of)?;
    let target = Target {
        name: manifest.release(),
        digest: Digest::of(&request.manifest),
        length_bytes: request.manifest.len() as u64,
        root: manifest.root,
    };
    if let Some(release) = context
        .store
        .release(&target.name)
        .await
        .map_err(Failure::of)?
    {
        same_content(&release, &target.digest)?;
    }
    rehearsal::require(context, actor, &manifest, &environment, None).await?;
    context
        .repository
        .put(&path::manifest(&target.digest), request.manifest)
        .await
        .map_err(Failure::of)?;
    match &request.pack {
        Some(upload) => offer_pack(context, actor, None, target.root, upload).await?,
        None => require_offer(context, &target).await?,
    }
    add_target(
        context,
        actor,
        environment,
        target,
        &request.allow_downgrade_from,
    )
    .await
}

pub(super) async fn promote(
    context: &Context,
    actor: &Actor,
    request: Promote,
) -> Result<Staged, Failure> {
    let environment = context.environment(&request.environment).await?.name;
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    let release = find_release(context, &name).await?;
    let target = Target {
        name,
        digest: release.manifest_digest,
        length_bytes: release.manifest.len() as u64,
        root: release.root,
    };
    require_offer(context, &target).await?;
    if release.placement(&environment).is_none() {
        let manifest = Manifest::from_bytes(&release.manifest).map_err(Failure::of)?;
        let reason = request.without_rehearsal.as_deref();
        rehearsal::require(context, actor, &manifest, &environment, reason).await?;
    }
    add_target(
        context,
        actor,
        environment,
        target,
        &request.allow_downgrade_from,
    )
    .await
}

/// A release by its name, with a suggestion when there is none.
pub(super) async fn find_release(
    context: &Context,
    name: &ReleaseName,
) -> Result<Release, Failure> {
    if let Some(release) = context.store.release(name).await.map_err(Failure::of)? {
        return Ok(release);
    }
    let all = context.store.releases().await.map_err(Failure::of)?;
    let texts: Vec<String> = all
        .iter()
        .map(|release| release.name().to_string())
        .collect();
    let near = match names::find(&texts, &name.to_string(), String::as_str) {
        Ok(found) => found.clone(),
        Err(near) => near,
    };
    Err(Failure::new(code::NO_SUCH_RELEASE)
        .arg("release", name)
        .arg("near", near))
}

/// Publishes an uploaded pack and the director's offer of it.
pub(super) async fn offer_pack(
    context: &Context,
    actor: &Actor,
    base: Option<TreeRoot>,
    root: TreeRoot,
    upload: &PackUpload,
) -> Result<(), Failure> {
    let file = upload_path(context, &upload.sha256);
    check_upload(&file, upload).await?;
    context
        .repository
        .put_file(&path::pack(&upload.frame_root), &file)
        .await
        .map_err(Failure::of)?;
    let offer = Offer {
        repository: context.repository_id().await?,
        base,
        root,
        frame_root: upload.frame_root,
        pack_bytes: upload.pack_bytes,
    };
    let stored = StoredOffer {
        base,
        root,
        frame_root: upload.frame_root,
        pack_bytes: upload.pack_bytes,
        file_bytes: upload.file_bytes,
        signed: seal(&offer, context.director().await?.as_ref()).map_err(Failure::of)?,
    };
    let note = Note::new("offer", Offer::name(base.as_ref(), &root))
        .after(format!("{} bytes", upload.file_bytes));
    let batch = context.batch(actor, note).with(Change::SetOffer(stored));
    context.commit(batch).await?;
    // What is published is no longer needed here; a leftover only takes room.
    let _ = tokio::fs::remove_file(&file).await;
    Ok(())
}

/// Where an upload lies.
#[must_use]
pub(super) fn upload_path(context: &Context, sha256: &Digest) -> PathBuf {
    context.home.uploads().join(sha256.to_string())
}

async fn check_upload(file: &Path, upload: &PackUpload) -> Result<(), Failure> {
    let (file, upload) = (file.to_owned(), upload.clone());
    let task = tokio::task::spawn_blocking(move || {
        let (sha256, bytes) = hash_file(&file)?;
        if bytes == upload.file_bytes && sha256 == upload.sha256 {
            return Ok(());
        }
        Err(Failure::new(code::BAD_REQUEST).arg("problem", "the pack was changed on its way"))
    });
    task.await
        .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?
}

struct Target {
    name: ReleaseName,
    digest: Digest,
    length_bytes: u64,
    root: TreeRoot,
}

/// Without a full pack no empty node could ever install it.
async fn require_offer(context: &Context, target: &Target) -> Result<(), Failure> {
    let offers = context
        .store
        .offers_to(&target.root)
        .await
        .map_err(Failure::of)?;
    if offers.iter().any(|offer| offer.base.is_none()) {
        return Ok(());
    }
    Err(Failure::new(code::NO_PACK).arg("release", &target.name))
}

fn same_content(release: &Release, manifest: &Digest) -> Result<(), Failure> {
    if release.manifest_digest == *manifest {
        return Ok(());
    }
    let environments: Vec<&str> = release
        .placements
        .iter()
        .map(|placement| placement.environment.as_str())
        .collect();
    Err(Failure::new(code::VERSION_TAKEN)
        .arg("release", release.name())
        .arg("environment", environments.join(", ")))
}

/// Rebuilds what waits in an environment's role with one more release.
async fn add_target(
    context: &Context,
    actor: &Actor,
    environment: EnvironmentName,
    target: Target,
    downgrade: &[Version],
) -> Result<Staged, Failure> {
    let role = environment.as_str();
    let current = authority::current(context, role).await?;
    let current_file = EnvironmentFile::read(role, &current.bytes)?;
    let former = sign::of_role(context, role).await?;
    let mut file = match &former {
        Some(former) => EnvironmentFile::read(role, &former.bytes)?,
        None => current_file.clone(),
    };
    let at = target.name.target_path(&environment);
    let prefix = format!("{environment}/{}/", target.name.app);
    let counters = file
        .releases
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix));
    let counter_max = counters.map(|(_, entry)| entry.counter).max().unwrap_or(0);
    let mut allow_downgrade_from = None;
    for version in downgrade {
        let known = file.releases.get(&format!("{prefix}{version}"));
        let known = known.ok_or_else(|| {
            Failure::new(code::NO_SUCH_RELEASE)
                .arg("release", format!("{}@{version}", target.name.app))
                .arg("near", "")
        })?;
        allow_downgrade_from = allow_downgrade_from.max(Some(known.counter));
    }
    let placed = file.releases.get(&at);
    let entry = TargetEntry {
        digest: target.digest,
        length_bytes: target.length_bytes,
        counter: placed.map_or(counter_max + 1, |placed| placed.counter),
        allow_downgrade_from: allow_downgrade_from
            .or_else(|| placed.and_then(|placed| placed.allow_downgrade_from)),
    };
    let mut staged = Staged {
        counter: entry.counter,
        manifest: target.digest,
        root: target.root,
        waits: None,
    };
    if current_file.releases.get(&at) == Some(&entry) {
        return Ok(staged);
    }
    file.releases.insert(at, entry);
    file.head.version = current.version;
    let body = file.next(role, context.now_signed_s());
    let what = format!("add {}, counter {}", target.name, staged.counter);
    let version = current.version + 1;
    let waits = role::set_pending(context, actor, role, version, &body, &what, former).await?;
    staged.waits = Some(waits);
    Ok(staged)
}
