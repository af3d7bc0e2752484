//! Patches: from the trees that nodes run, and from the last releases, to a new one. They are made
//! from published packs, so that no key ceremony and no operator's folder is needed.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{
    AppName, Digest, EnvironmentName, FrameRoot, ReleaseName, TreeRoot, Version,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::assign::{Running, from_version};
use super::context::{Actor, Context};
use super::publish::{Bases, PackUpload, find_release, offer_pack, upload_path};
use crate::fleet::{StoredOffer, path};
use crate::publish::{PackOptions, TreeDir, make_pack, unpack};

/// Patches are made from so many of the last releases of an environment, whoever runs them.
const LAST_RELEASES: usize = 3;
/// And from at most so many trees in all.
const BASES_MAX: usize = 12;
/// What is read from a file at once, bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// Asks from which trees patches to a release are worth making.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PatchBases {
    /// The app.
    pub app: AppName,
    /// The tree that they lead to.
    pub root: TreeRoot,
    /// Whose nodes count.
    pub environment: EnvironmentName,
}

/// A tree that a patch can start from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseView {
    /// Its version.
    pub version: Version,
    /// The tree.
    pub root: TreeRoot,
    /// Nodes of the environment that run it.
    pub nodes: u64,
    /// The patch that is offered already, bytes.
    pub offered_bytes: Option<u64>,
    /// The full pack of the tree.
    pub frame_root: FrameRoot,
    /// That pack without its hashes, bytes.
    pub pack_bytes: u64,
}

/// Makes one patch and offers it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MakePatch {
    /// The app.
    pub app: AppName,
    /// The release that it leads to.
    pub version: Version,
    /// Where it starts.
    pub base: TreeRoot,
}

/// A patch that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchMade {
    /// What a node fetches, bytes.
    pub bytes: u64,
    /// Whether it is offered: one that is not smaller than the full pack is of no use.
    pub offered: bool,
}

pub(super) async fn bases(
    context: &Context,
    _actor: &Actor,
    request: PatchBases,
) -> Result<Bases, Failure> {
    let environment = context.environment(&request.environment).await?.name;
    let mut roots: Vec<(TreeRoot, u64)> = context
        .store
        .running_roots(&request.app, Some(&environment))
        .await
        .map_err(Failure::of)?;
    let mut last: Vec<(u64, TreeRoot)> = Vec::new();
    for release in context.store.releases().await.map_err(Failure::of)? {
        if let Some(placement) = release.placement(&environment)
            && release.app == request.app
        {
            last.push((placement.counter, release.root));
        }
    }
    last.sort_by(|a, b| b.cmp(a));
    // The newest may be the release itself, which is left out below.
    for (_, root) in last.into_iter().take(LAST_RELEASES + 1) {
        if !roots.iter().any(|(known, _)| *known == root) {
            roots.push((root, 0));
        }
    }
    let offers = context
        .store
        .offers_to(&request.root)
        .await
        .map_err(Failure::of)?;
    let mut out = Vec::new();
    for (root, nodes) in roots.into_iter().filter(|(root, _)| *root != request.root) {
        let runs = Running {
            version: None,
            root: Some(root),
        };
        // A tree that was never published here has no pack to start from.
        let Some(version) = from_version(context, &runs, &request.app).await? else {
            continue;
        };
        let full = context.store.offers_to(&root).await.map_err(Failure::of)?;
        let Some(full) = full.iter().find(|offer| offer.base.is_none()) else {
            continue;
        };
        let offer = offers.iter().find(|offer| offer.base == Some(root));
        out.push(BaseView {
            version,
            root,
            nodes,
            offered_bytes: offer.map(|offer| offer.file_bytes),
            frame_root: full.frame_root,
            pack_bytes: full.pack_bytes,
        });
    }
    out.truncate(BASES_MAX);
    Ok(Bases { bases: out })
}

pub(super) async fn make(
    context: &Context,
    actor: &Actor,
    request: MakePatch,
) -> Result<PatchMade, Failure> {
    let name = ReleaseName {
        app: request.app,
        version: request.version,
    };
    let release = find_release(context, &name).await?;
    let new = full_offer(context, &release.root, &name).await?;
    let old = full_offer(context, &request.base, &name).await?;
    let folder = Workshop::make(context)?;
    let old_pack = fetch_pack(context, &old, &folder.0, "old.pack").await?;
    let new_pack = fetch_pack(context, &new, &folder.0, "new.pack").await?;
    let work = folder.0.clone();
    let task = tokio::task::spawn_blocking(move || {
        let old = open_tree(&old_pack, &old, &work.join("old"))?;
        let new = open_tree(&new_pack, &new, &work.join("new"))?;
        pack_into(&work.join("patch"), Some(&old), &new, &mut |_| {})
    });
    let (file, upload) = task
        .await
        .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))??;
    let made = PatchMade {
        bytes: upload.file_bytes,
        offered: upload.file_bytes < new_file_bytes(context, &release.root, &name).await?,
    };
    if made.offered {
        let target = upload_path(context, &upload.sha256);
        sanaga_durable::rename(&file, &target)
            .map_err(|error| crate::disk::failure(&target, &error))?;
        offer_pack(context, actor, Some(request.base), release.root, &upload).await?;
    }
    Ok(made)
}

async fn new_file_bytes(
    context: &Context,
    root: &TreeRoot,
    name: &ReleaseName,
) -> Result<u64, Failure> {
    Ok(full_offer(context, root, name).await?.file_bytes)
}

/// Writes a pack beside `at` and says what it is. `old` makes it a patch.
///
/// # Errors
/// What packing says, or a fault of the disk.
pub fn pack_into(
    at: &Path,
    old: Option<&TreeDir>,
    new: &TreeDir,
    progress: &mut dyn FnMut(crate::publish::Progress),
) -> Result<(PathBuf, PackUpload), Failure> {
    let scratch_path = at.with_extension("scratch");
    let file = at.with_extension("pack");
    let scratch = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&scratch_path)
        .map_err(|error| crate::disk::failure(&scratch_path, &error))?;
    let served = File::create(&file).map_err(|error| crate::disk::failure(&file, &error))?;
    let packed = make_pack(old, new, scratch, served, PackOptions::default(), progress)
        .map_err(Failure::of)?;
    // The scratch file is of no use any more; a leftover goes with the folder.
    let _ = std::fs::remove_file(&scratch_path);
    let (sha256, file_bytes) = hash_file(&file)?;
    let upload = PackUpload {
        sha256,
        frame_root: packed.framed.root,
        pack_bytes: packed.framed.pack_bytes,
        file_bytes,
    };
    Ok((file, upload))
}

/// The SHA-256 of a file, and its length in bytes.
pub(super) fn hash_file(path: &Path) -> Result<(Digest, u64), Failure> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(|error| fault(path, &error))?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut chunk).map_err(|error| fault(path, &error))?;
        if read == 0 {
            return Ok((Digest(hash.finalize().into()), bytes));
        }
        bytes += read as u64;
        hash.update(chunk.get(..read).unwrap_or_default());
    }
}

async fn full_offer(
    context: &Context,
    root: &TreeRoot,
    name: &ReleaseName,
) -> Result<StoredOffer, Failure> {
    let offers = context.store.offers_to(root).await.map_err(Failure::of)?;
    offers
        .into_iter()
        .find(|offer| offer.base.is_none())
        .ok_or_else(|| Failure::new(code::NO_PACK).arg("release", name))
}

/// Copies a published pack out of wherever published files live.
async fn fetch_pack(
    context: &Context,
    offer: &StoredOffer,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, Failure> {
    use futures_util::StreamExt as _;
    use tokio::io::AsyncWriteExt as _;
    let at = path::pack(&offer.frame_root);
    let to = folder.join(name);
    let mut file = tokio::fs::File::create(&to)
        .await
        .map_err(|error| crate::disk::failure(&to, &error))?;
    let stream = context
        .repository
        .stream(&at, 0..offer.file_bytes)
        .await
        .map_err(Failure::of)?
        .ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", &at))?;
    let mut stream = std::pin::pin!(stream);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(Failure::of)?;
        file.write_all(&chunk)
            .await
            .map_err(|error| crate::disk::failure(&to, &error))?;
    }
    file.flush()
        .await
        .map_err(|error| crate::disk::failure(&to, &error))?;
    Ok(to)
}

fn open_tree(pack: &Path, offer: &StoredOffer, folder: &Path) -> Result<TreeDir, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| crate::disk::failure(folder, &error))?;
    let served = File::open(pack).map_err(|error| fault(pack, &error))?;
    unpack(
        BufReader::new(served),
        offer.frame_root,
        offer.pack_bytes,
        &offer.root,
        folder,
    )
    .map_err(Failure::of)
}

/// A scratch folder of its own, gone when it is dropped.
#[derive(Debug)]
struct Workshop(PathBuf);

impl Workshop {
    fn make(context: &Context) -> Result<Self, Failure> {
        let mut random = [0u8; 8];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| Failure::new(code::INTERNAL).arg("problem", "no random numbers"))?;
        let name = format!("patch-{:016x}", u64::from_be_bytes(random));
        let path = context.home.work().join(name);
        std::fs::create_dir_all(&path).map_err(|error| crate::disk::failure(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What cannot be removed now is swept when the server starts.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A published pack that does not read.
fn fault(path: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(code::DISK_FAULT)
        .arg("path", path.display())
        .arg("problem", problem)
}
