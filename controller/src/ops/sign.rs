//! What waits for signatures, and taking one in. The last one that is needed makes the version
//! current, and everything that follows from it is in the same batch.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{AppName, Counter, ReleaseName, Version};
use sanaga_proto::limits;
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{TargetEntry, envelope, signatures, signed_bytes};
use sanaga_proto::wire::Document as _;
use serde::{Deserialize, Serialize};

use super::authority::{self, Signed};
use super::context::{Actor, Context};
use super::online::RoleSet;
use super::role_file::{self, EnvironmentFile, TargetsFile};
use super::rotation;
use crate::fleet::{Change, Note, PendingRole, Placement, Release, RoleFile, path};

/// Asks what waits for whose signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {}

/// What waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingList {
    /// In order of role.
    pub pending: Vec<PendingView>,
}

/// A version that waits for signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingView {
    /// The role.
    pub role: String,
    /// The version that it will have.
    pub version: u64,
    /// What it will do; one line each.
    pub summary: Vec<String>,
    /// How far it is signed.
    pub signed: Signed,
    /// The file with the signatures so far.
    #[serde(with = "super::wire::base64_bytes")]
    pub file: Vec<u8>,
}

/// Hands in a signature on a pending version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignRole {
    /// The role.
    pub role: String,
    /// The pending file with one more signature, or more.
    #[serde(with = "super::wire::base64_bytes")]
    pub file: Vec<u8>,
}

/// What a signature did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignDone {
    /// The role.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// How far it is signed.
    pub signed: Signed,
    /// Whether it is current now.
    pub current: bool,
    /// Environments that must be signed again, because their keys changed.
    pub sign_again: Vec<String>,
    /// What came into the environment.
    pub placed: Vec<PlacedRelease>,
    /// The version of root that waited for this and is current now.
    pub root: Option<u64>,
}

/// A release that came into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedRelease {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// Its place in the order of the environment.
    pub counter: Counter,
}

pub(super) async fn pending(
    context: &Context,
    _actor: &Actor,
    _request: Pending,
) -> Result<PendingList, Failure> {
    let mut pending = Vec::new();
    for waiting in context.store.pending().await.map_err(Failure::of)? {
        pending.push(view(context, waiting).await?);
    }
    Ok(PendingList { pending })
}

/// A pending version as it is shown.
pub(super) async fn view(context: &Context, waiting: PendingRole) -> Result<PendingView, Failure> {
    let authorities = authority::over(context, &waiting.role, &waiting.bytes).await?;
    Ok(PendingView {
        signed: authority::count(&waiting.bytes, &authorities)?,
        role: waiting.role,
        version: waiting.version,
        summary: waiting.summary,
        file: waiting.bytes,
    })
}

/// The pending version of a role, if there is one.
pub(super) async fn of_role(context: &Context, role: &str) -> Result<Option<PendingRole>, Failure> {
    let all = context.store.pending().await.map_err(Failure::of)?;
    Ok(all.into_iter().find(|waiting| waiting.role == role))
}

pub(super) async fn sign(
    context: &Context,
    actor: &Actor,
    request: SignRole,
) -> Result<SignDone, Failure> {
    let role = request.role.as_str();
    let Some(mut waiting) = of_role(context, role).await? else {
        // A typing error is more likely than a role that does not exist.
        authority::of_role(context, role).await?;
        return Err(Failure::new(code::NOTHING_PENDING).arg("role", role));
    };
    let authorities = authority::over(context, role, &waiting.bytes).await?;
    waiting.bytes = merge(role, &waiting.bytes, &request.file, &authorities)?;
    waiting.at_s = context.now_s();
    let signed = authority::count(&waiting.bytes, &authorities)?;
    let mut done = SignDone {
        role: role.to_owned(),
        version: waiting.version,
        current: signed.missing == 0,
        signed,
        sign_again: Vec::new(),
        placed: Vec::new(),
        root: None,
    };
    if done.current
        && role == "root"
        && authority::outgrows_targets(context, &waiting.bytes).await?
    {
        return wait_for_targets(context, actor, waiting, done).await;
    }
    let object = format!("{role} {}", waiting.version);
    if done.current {
        make_current(context, actor, waiting, &mut done).await?;
        if role == "targets" {
            done.root = follow_with_root(context, actor).await?;
        }
    } else {
        let note = Note::new("sign", object).after(format!(
            "{} of {} signatures",
            done.signed.need - done.signed.missing,
            done.signed.need
        ));
        let batch = context.batch(actor, note).with(Change::SetPending(waiting));
        context.commit(batch).await?;
    }
    Ok(done)
}

/// A root that is whole, but whose keys for targets have not signed targets yet, waits for them: a
/// node that took it now would find targets without enough signatures.
async fn wait_for_targets(
    context: &Context,
    actor: &Actor,
    root: PendingRole,
    mut done: SignDone,
) -> Result<SignDone, Failure> {
    done.current = false;
    done.sign_again.push("targets".to_owned());
    let note = Note::new("sign", format!("root {}", root.version)).after("waits for targets");
    let mut batch = context.batch(actor, note).with(Change::SetPending(root));
    if of_role(context, "targets").await?.is_none() {
        let current = authority::current(context, "targets").await?;
        let body = TargetsFile::read(&current.bytes)?.next(context.now_signed_s());
        batch = batch.with(Change::SetPending(PendingRole {
            role: "targets".to_owned(),
            version: current.version + 1,
            bytes: envelope(&body, &[]).map_err(Failure::of)?,
            at_s: context.now_s(),
            summary: vec!["sign the same delegations with the new keys".to_owned()],
        }));
    }
    context.commit(batch).await?;
    Ok(done)
}

/// Makes a root current that waited only for targets; its version, if there was one.
async fn follow_with_root(context: &Context, actor: &Actor) -> Result<Option<u64>, Failure> {
    let Some(root) = of_role(context, "root").await? else {
        return Ok(None);
    };
    let authorities = authority::over(context, "root", &root.bytes).await?;
    let signed = authority::count(&root.bytes, &authorities)?;
    if signed.missing > 0 || authority::outgrows_targets(context, &root.bytes).await? {
        return Ok(None);
    }
    let version = root.version;
    let mut done = SignDone {
        role: "root".to_owned(),
        version,
        current: true,
        signed,
        sign_again: Vec::new(),
        placed: Vec::new(),
        root: None,
    };
    make_current(context, actor, root, &mut done).await?;
    Ok(Some(version))
}

/// The pending file with the signatures of both that verify; refuses a submission that adds none.
fn merge(
    role: &str,
    pending: &[u8],
    submitted: &[u8],
    authorities: &[sanaga_proto::trust::Authority],
) -> Result<Vec<u8>, Failure> {
    let body = signed_bytes(pending).map_err(Failure::of)?;
    if signed_bytes(submitted).map_err(Failure::of)? != body {
        let problem = "the pending version has changed since; sign it again";
        return Err(Failure::new(code::BAD_SIGNATURE)
            .arg("role", role)
            .arg("problem", problem));
    }
    let known = authority::count(pending, authorities)?;
    let found = authority::count(submitted, authorities)?;
    if found.by.is_subset(&known.by) {
        return Err(Failure::new(code::BAD_SIGNATURE)
            .arg("role", role)
            .arg("problem", "no new signature by a key of that role"));
    }
    let mut all = signatures(pending).map_err(Failure::of)?;
    let good = |id: &str| found.by.iter().any(|key| key.to_string() == id);
    let new = signatures(submitted).map_err(Failure::of)?;
    all.retain(|signature| !good(&signature.key) || !new.iter().any(|n| n.key == signature.key));
    all.extend(new.into_iter().filter(|signature| good(&signature.key)));
    envelope(&role_file::signed(role, pending)?, &all).map_err(Failure::of)
}

/// Makes a fully signed version current, with all that follows from it.
async fn make_current(
    context: &Context,
    actor: &Actor,
    waiting: PendingRole,
    done: &mut SignDone,
) -> Result<(), Failure> {
    let before = RoleSet::current(context).await?;
    let mut after = before.clone();
    after.put(RoleFile {
        role: waiting.role.clone(),
        version: waiting.version,
        bytes: waiting.bytes.clone(),
        at_s: context.now_s(),
    });
    after.renew(context, true)?;
    after.verify()?;
    let note = Note::new(
        "publish role",
        format!("{} {}", waiting.role, waiting.version),
    )
    .after(waiting.summary.join("; "));
    let mut batch = context.batch(actor, note);
    batch.changes = after.changes_from(&before);
    if waiting.role == "targets" {
        let (old, new) = (before.get("targets")?, after.get("targets")?);
        let orders = rotation::follow_director(context, actor, old, new).await?;
        batch.changes.extend(orders);
        for environment in context.store.environments().await.map_err(Failure::of)? {
            let role = environment.name.as_str();
            if after.verify_environment(role).is_err() {
                batch.changes.push(again(context, role).await?);
                done.sign_again.push(role.to_owned());
            }
        }
    } else if waiting.role != "root" {
        after.verify_environment(&waiting.role)?;
        let changes = placements(context, actor, &waiting).await?;
        done.placed = changes.iter().filter_map(placed).collect();
        batch.changes.extend(changes);
    }
    context.commit(batch).await?;
    rotation::forget_old_keys(context).await
}

fn placed(change: &Change) -> Option<PlacedRelease> {
    let Change::Place {
        app,
        version,
        placement,
    } = change
    else {
        return None;
    };
    Some(PlacedRelease {
        app: app.clone(),
        version: version.clone(),
        counter: placement.counter,
    })
}

/// The same environment once more, for its new keys to sign.
async fn again(context: &Context, role: &str) -> Result<Change, Failure> {
    let current = authority::current(context, role).await?;
    let body = EnvironmentFile::read(role, &current.bytes)?.next(role, context.now_signed_s());
    Ok(Change::SetPending(PendingRole {
        role: role.to_owned(),
        version: current.version + 1,
        bytes: envelope(&body, &[]).map_err(Failure::of)?,
        at_s: context.now_s(),
        summary: vec!["sign the same releases with the new keys".to_owned()],
    }))
}

/// What an environment's new version says that the former did not.
async fn placements(
    context: &Context,
    actor: &Actor,
    waiting: &PendingRole,
) -> Result<Vec<Change>, Failure> {
    let role = waiting.role.as_str();
    let before = authority::current(context, role).await?;
    let before = EnvironmentFile::read(role, &before.bytes)?.releases;
    let after = EnvironmentFile::read(role, &waiting.bytes)?.releases;
    let mut changes = Vec::new();
    for (target, entry) in &after {
        if before.get(target) == Some(entry) {
            continue;
        }
        let name = release_of(role, target)?;
        if context
            .store
            .release(&name)
            .await
            .map_err(Failure::of)?
            .is_none()
        {
            let release = read_release(context, actor, &name, entry).await?;
            changes.push(Change::AddRelease(release));
        }
        changes.push(Change::Place {
            app: name.app,
            version: name.version,
            placement: Placement {
                environment: role.parse().map_err(|_| odd(target))?,
                counter: entry.counter,
                allow_downgrade_from: entry.allow_downgrade_from,
                at_s: context.now_s(),
                actor: actor.to_string(),
            },
        });
    }
    for target in before.keys().filter(|target| !after.contains_key(*target)) {
        let name = release_of(role, target)?;
        changes.push(Change::Withdraw {
            app: name.app,
            version: name.version,
            environment: role.parse().map_err(|_| odd(target))?,
        });
    }
    Ok(changes)
}

/// `dev/shop/1.4.1` in `dev`.
fn release_of(role: &str, target: &str) -> Result<ReleaseName, Failure> {
    let rest = target
        .strip_prefix(role)
        .and_then(|rest| rest.strip_prefix('/'));
    let (app, version) = rest
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| odd(target))?;
    Ok(ReleaseName {
        app: app.parse().map_err(|_| odd(target))?,
        version: version.parse().map_err(|_| odd(target))?,
    })
}

/// A release from its published manifest.
async fn read_release(
    context: &Context,
    actor: &Actor,
    name: &ReleaseName,
    entry: &TargetEntry,
) -> Result<Release, Failure> {
    let at = path::manifest(&entry.digest);
    let found = context
        .repository
        .get(&at, limits::MANIFEST_BYTES_MAX)
        .await
        .map_err(Failure::of)?;
    let bytes = found.ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", &at))?;
    let manifest = Manifest::from_bytes(&bytes).map_err(Failure::of)?;
    if manifest.release() != *name {
        return Err(odd(&at));
    }
    Ok(Release {
        app: manifest.app,
        version: manifest.version,
        manifest_digest: entry.digest,
        root: manifest.root,
        risk: manifest.risk,
        unpacked_bytes: manifest.unpacked_bytes,
        entries: manifest.entries,
        manifest: bytes.to_vec(),
        published_at_s: context.now_s(),
        published_by: actor.to_string(),
        placements: Vec::new(),
    })
}

fn odd(target: &str) -> Failure {
    Failure::new(code::BAD_METADATA)
        .arg("what", target)
        .arg("problem", "is not where it says")
}
