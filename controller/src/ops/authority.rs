//! Who may sign for a role now, and which signatures of a file count.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::Authority;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::names;
use super::role_file::{ROOT_ROLES, RootFile, TargetsFile};
use super::sign;
use crate::fleet::RoleFile;
use crate::keys::ceremony::tally;

/// How far a pending version is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The ids of the keys whose signatures count.
    pub by: BTreeSet<Digest>,
    /// How many more must sign.
    pub missing: u64,
    /// The threshold.
    pub need: u64,
    /// The ids of the keys that may still sign.
    pub waiting_for: BTreeSet<Digest>,
}

/// The current file of a role that must be there.
pub(super) async fn current(context: &Context, role: &str) -> Result<RoleFile, Failure> {
    let found = context.store.role(role).await.map_err(Failure::of)?;
    found.ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", format!("{role}.json")))
}

/// The current root.
pub(super) async fn root(context: &Context) -> Result<RootFile, Failure> {
    RootFile::read(&current(context, "root").await?.bytes)
}

/// The current targets.
pub(super) async fn targets(context: &Context) -> Result<TargetsFile, Failure> {
    TargetsFile::read(&current(context, "targets").await?.bytes)
}

/// Every role that has keys, in the order in which people are told of them, with who signs for it.
pub(super) async fn all(context: &Context) -> Result<Vec<(String, Authority)>, Failure> {
    let root = root(context).await?;
    let mut out: Vec<(String, Authority)> = Vec::new();
    for name in ROOT_ROLES {
        if let Some(authority) = root.roles.get(name) {
            out.push((name.to_owned(), authority.clone()));
        }
    }
    for delegation in targets(context).await?.delegations {
        out.push((delegation.name, delegation.authority));
    }
    Ok(out)
}

/// Who signs for a role now.
pub(super) async fn of_role(context: &Context, role: &str) -> Result<Authority, Failure> {
    let all = all(context).await?;
    names::find(&all, role, |(name, _)| name.as_str())
        .map(|(_, authority)| authority.clone())
        .map_err(|near| {
            Failure::new(code::NO_SUCH_ROLE)
                .arg("role", role)
                .arg("near", near)
        })
}

/// Who must sign a new version of a role: for root, its own new keys as well (TUF 5.3.4). Likewise
/// targets, while a root waits that gives it other keys: what both sign holds before and after.
pub(super) async fn over(
    context: &Context,
    role: &str,
    file: &[u8],
) -> Result<Vec<Authority>, Failure> {
    let mut out = vec![of_role(context, role).await?];
    let root = match role {
        "root" => Some(file.to_vec()),
        "targets" => sign::of_role(context, "root").await?.map(|root| root.bytes),
        _ => None,
    };
    if let Some(root) = root {
        out.extend(RootFile::read(&root)?.roles.remove(role));
    }
    Ok(out)
}

/// Whether a new root would leave the current targets without enough signatures.
pub(super) async fn outgrows_targets(context: &Context, root: &[u8]) -> Result<bool, Failure> {
    let Some(authority) = RootFile::read(root)?.roles.remove("targets") else {
        return Ok(false);
    };
    let targets = current(context, "targets").await?;
    Ok(count(&targets.bytes, &[authority])?.missing > 0)
}

/// Which signatures of `file` count under all of `authorities`.
pub(super) fn count(file: &[u8], authorities: &[Authority]) -> Result<Signed, Failure> {
    let mut out = Signed {
        by: BTreeSet::new(),
        missing: 0,
        need: 0,
        waiting_for: BTreeSet::new(),
    };
    for authority in authorities {
        let tally = tally(file, authority).map_err(Failure::of)?;
        if !tally.is_complete() {
            let have = tally.by.len() as u64;
            out.missing = out.missing.max(tally.need.saturating_sub(have));
            out.waiting_for.extend(tally.waiting);
        }
        out.need = out.need.max(tally.need);
        out.by.extend(tally.by);
    }
    Ok(out)
}
