//! Who may sign for a role now, and which signatures of a file count.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{Authority, signatures, signed_bytes};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::names;
use super::role_file::{ROOT_ROLES, RootFile, TargetsFile};
use crate::fleet::RoleFile;

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

/// Who must sign a new version of a role: for root, its own new keys as well (TUF 5.3.4).
pub(super) async fn over(
    context: &Context,
    role: &str,
    file: &[u8],
) -> Result<Vec<Authority>, Failure> {
    let mut out = vec![of_role(context, role).await?];
    if role == "root" {
        out.extend(RootFile::read(file)?.roles.remove("root"));
    }
    Ok(out)
}

/// Which signatures of `file` count under all of `authorities`.
pub(super) fn count(file: &[u8], authorities: &[Authority]) -> Result<Signed, Failure> {
    let body = signed_bytes(file).map_err(Failure::of)?;
    let found = signatures(file).map_err(Failure::of)?;
    let mut out = Signed {
        by: BTreeSet::new(),
        missing: 0,
        need: 0,
        waiting_for: BTreeSet::new(),
    };
    for authority in authorities {
        let mut by = BTreeSet::new();
        for key in &authority.keys {
            let id = key.id();
            let good = found.iter().any(|signature| {
                signature.key == id.to_string()
                    && key.verify_tuf(&body, &signature.bytes).is_ok()
            });
            if good {
                by.insert(id);
            }
        }
        let have = by.len() as u64;
        if have < authority.threshold {
            out.missing = out.missing.max(authority.threshold - have);
            let ids = authority.keys.iter().map(|key| key.id());
            out.waiting_for.extend(ids.filter(|id| !by.contains(id)));
        }
        out.need = out.need.max(authority.threshold);
        out.by.extend(by);
    }
    Ok(out)
}
