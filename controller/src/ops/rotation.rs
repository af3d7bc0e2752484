//! New keys for the roles that the server signs: after a theft, or in good time. The new key is made
//! here and lies idle until people have signed the root or targets that names it; from then on it
//! signs, and everything of the director is signed again with it.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::trust::Authority;
use sanaga_proto::wire::envelope::seal;
use sanaga_proto::wire::offer::Offer;
use serde::{Deserialize, Serialize};

use super::authority;
use super::context::{Actor, Context};
use super::names;
use super::orders::Desk;
use super::role::{self, RoleChange};
use super::role_file::{ROOT_ROLES, RootFile, TargetsFile};
use crate::fleet::{Change, RoleFile, StoredHold, StoredOffer};
use crate::server_keys::ONLINE;

/// Asks for a new key of a role that the server signs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotateOnline {
    /// `snapshot`, `timestamp` or `director`.
    pub role: String,
}

pub(super) async fn rotate_online(
    context: &Context,
    actor: &Actor,
    request: RotateOnline,
) -> Result<RoleChange, Failure> {
    let role = names::find(&ONLINE, &request.role, |role| *role).map_err(|near| {
        Failure::new(code::NO_SUCH_ROLE)
            .arg("role", &request.role)
            .arg("near", near)
    })?;
    let new = context.keys.prepare(role)?;
    let what = format!("a new key {} for {role}", names::short_key(&new.id()));
    let edit = |name: &str, found: &mut Authority| {
        if name == *role {
            found.keys = vec![new.clone()];
        }
        Ok(())
    };
    let file = if ROOT_ROLES.contains(role) {
        "root"
    } else {
        "targets"
    };
    let waits = role::change(context, actor, file, &what, &edit).await?;
    Ok(RoleChange {
        pending: waits.into_iter().collect(),
    })
}

/// What follows when targets names another director: nodes void what the old one signed, so every
/// order that stands is signed again. Generations and holds go on counting.
pub(super) async fn follow_director(
    context: &Context,
    actor: &Actor,
    before: &RoleFile,
    after: &RoleFile,
) -> Result<Vec<Change>, Failure> {
    let (old, new) = (director_of(before)?, director_of(after)?);
    if old.keys == new.keys {
        return Ok(Vec::new());
    }
    let director = context.keys.signer("director", &new.keys)?;
    let mut desk = Desk::open(context).await?;
    desk.director = director;
    let mut changes = offers(context, &desk).await?;
    for node in context.store.nodes().await.map_err(Failure::of)? {
        let current = context.store.assignment(&node.name).await;
        if let Some(current) = current.map_err(Failure::of)? {
            let apps = current.document.carried();
            let next = desk.next(context, actor, &node, Some(&current), apps)?;
            changes.push(Change::Assign(next));
        }
    }
    for mut hold in context.store.holds().await.map_err(Failure::of)? {
        hold.document.number += 1;
        changes.push(Change::SetHold(StoredHold {
            signed: seal(&hold.document, desk.director.as_ref()).map_err(Failure::of)?,
            document: hold.document,
            at_s: context.now_s(),
            actor: actor.to_string(),
        }));
    }
    Ok(changes)
}

async fn offers(context: &Context, desk: &Desk) -> Result<Vec<Change>, Failure> {
    let releases = context.store.releases().await.map_err(Failure::of)?;
    let roots: BTreeSet<_> = releases.into_iter().map(|release| release.root).collect();
    let mut changes = Vec::new();
    for root in roots {
        let offers = context.store.offers_to(&root).await.map_err(Failure::of)?;
        for stored in offers {
            let offer = Offer {
                repository: desk.controller.repository,
                base: stored.base,
                root: stored.root,
                frame_root: stored.frame_root,
                pack_bytes: stored.pack_bytes,
            };
            changes.push(Change::SetOffer(StoredOffer {
                signed: seal(&offer, desk.director.as_ref()).map_err(Failure::of)?,
                ..stored
            }));
        }
    }
    Ok(changes)
}

/// Old keys are written over once the metadata that no longer names them is current.
pub(super) async fn forget_old_keys(context: &Context) -> Result<(), Failure> {
    for role in ONLINE {
        let named = authority::of_role(context, role).await?;
        context.keys.follow(role, &named.keys)?;
    }
    Ok(())
}

fn director_of(targets: &RoleFile) -> Result<Authority, Failure> {
    let delegations = TargetsFile::read(&targets.bytes)?.delegations;
    let found = delegations.into_iter().find(|d| d.name == "director");
    found
        .map(|delegation| delegation.authority)
        .ok_or_else(|| missing("director"))
}

/// Who signs for a role of the top level under this root.
pub(super) fn under_root(root: &RoleFile, role: &str) -> Result<Authority, Failure> {
    let mut roles = RootFile::read(&root.bytes)?.roles;
    roles.remove(role).ok_or_else(|| missing(role))
}

fn missing(role: &str) -> Failure {
    Failure::new(code::NO_SUCH_ROLE)
        .arg("role", role)
        .arg("near", "")
}
