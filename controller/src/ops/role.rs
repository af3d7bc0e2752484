//! Who may sign what, and changing it: a new version of root or targets that waits for signatures.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{Authority, PublicKey, envelope, signatures};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authority;
use super::context::{Actor, Context};
use super::names;
use super::role_file::{EnvironmentFile, ROOT_ROLES, RootFile, TargetsFile, key_ids, read_head};
use super::sign::{self, PendingView};
use crate::fleet::{Change, Note, PendingRole};
use crate::keys::ceremony::{check, replace_key};
use crate::server_keys::ONLINE;

/// Asks for all roles.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Roles {}

/// All roles.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleView {
    /// Those of root first, then the delegations of targets.
    pub roles: Vec<KeyView>,
}

/// Who signs for a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// The role.
    pub role: String,
    /// How many of the keys must sign.
    pub threshold: u64,
    /// The ids of the keys.
    pub keys: Vec<Digest>,
    /// Whether the server has the key and signs by itself.
    pub online: bool,
    /// Its current version; the director has no file.
    pub version: Option<u64>,
    /// When that expires, seconds since 1970.
    pub expires_s: Option<i64>,
}

/// Says who signs for a role from now on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetRole {
    /// The role.
    pub role: String,
    /// How many must sign.
    pub threshold: u64,
    /// Their public keys, as TUF writes them.
    pub keys: Vec<Value>,
}

/// Puts a new key in the place of an old one in every role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotateKey {
    /// The id of the old key.
    pub old: Digest,
    /// The new one, as TUF writes it.
    pub new: Value,
}

/// Signs a role again as it is, before its metadata runs out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRole {
    /// The role: root, targets or an environment.
    pub role: String,
}

/// What waits because of a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleChange {
    /// The versions that wait for signatures now; none when nothing changes.
    pub pending: Vec<Waits>,
}

/// A pending version that was built or rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// What waits.
    pub pending: PendingView,
    /// How many signatures its former form had, which are void now.
    pub voided: u64,
}

pub(super) async fn roles(
    context: &Context,
    _actor: &Actor,
    _request: Roles,
) -> Result<RoleView, Failure> {
    let mut roles = Vec::new();
    for (role, authority) in authority::all(context).await? {
        let file = context.store.role(&role).await.map_err(Failure::of)?;
        let head = match &file {
            Some(file) => Some(read_head(&role, &file.bytes)?),
            None => None,
        };
        roles.push(KeyView {
            threshold: authority.threshold,
            keys: key_ids(&authority),
            online: ONLINE.contains(&role.as_str()),
            version: head.as_ref().map(|head| head.version),
            expires_s: head.as_ref().map(|head| head.expires_s),
            role,
        });
    }
    Ok(RoleView { roles })
}

pub(super) async fn set_role(
    context: &Context,
    actor: &Actor,
    request: SetRole,
) -> Result<RoleChange, Failure> {
    authority::of_role(context, &request.role).await?;
    let mut keys = Vec::new();
    for key in &request.keys {
        keys.push(PublicKey::from_tuf(key).map_err(Failure::of)?);
    }
    let authority = Authority {
        keys,
        threshold: request.threshold,
    };
    let authority = check(&request.role, authority).map_err(Failure::of)?;
    let different = key_ids(&authority).into_iter().collect::<BTreeSet<_>>();
    if different.len() != authority.keys.len() {
        // Somebody who names a key twice believes that there are more.
        return Err(Failure::new(code::BAD_THRESHOLD)
            .arg("role", &request.role)
            .arg("threshold", request.threshold)
            .arg("keys", different.len()));
    }
    let what = format!(
        "{}: {} of {} keys",
        request.role,
        request.threshold,
        authority.keys.len()
    );
    let role = request.role.clone();
    let file = if ROOT_ROLES.contains(&role.as_str()) {
        "root"
    } else {
        "targets"
    };
    let edit = |name: &str, found: &mut Authority| {
        if name == role {
            *found = authority.clone();
        }
        Ok(())
    };
    let waits = change(context, actor, file, &what, &edit).await?;
    Ok(RoleChange {
        pending: waits.into_iter().collect(),
    })
}

pub(super) async fn rotate_key(
    context: &Context,
    actor: &Actor,
    request: RotateKey,
) -> Result<RoleChange, Failure> {
    let new = PublicKey::from_tuf(&request.new).map_err(Failure::of)?;
    let edit = |role: &str, found: &mut Authority| {
        if found.keys.iter().any(|key| key.id() == request.old) {
            *found = replace_key(role, found, &request.old, new.clone()).map_err(Failure::of)?;
        }
        Ok(())
    };
    let what = format!(
        "key {} in the place of {}",
        names::short_key(&new.id()),
        names::short_key(&request.old)
    );
    let mut pending = Vec::new();
    for file in ["root", "targets"] {
        pending.extend(change(context, actor, file, &what, &edit).await?);
    }
    if pending.is_empty() {
        return Err(Failure::new(code::NO_SUCH_KEY)
            .arg("key", names::short_key(&request.old))
            .arg("near", ""));
    }
    Ok(RoleChange { pending })
}

pub(super) async fn renew(
    context: &Context,
    actor: &Actor,
    request: RenewRole,
) -> Result<RoleChange, Failure> {
    let role = request.role.as_str();
    authority::of_role(context, role).await?;
    if ONLINE.contains(&role) {
        let problem = format!("{role} is signed by the server by itself");
        return Err(Failure::new(code::BAD_REQUEST).arg("problem", problem));
    }
    let current = authority::current(context, role).await?;
    let former = sign::of_role(context, role).await?;
    if let Some(former) = former {
        // What waits already will run as long as what would be built now.
        let pending = sign::view(context, former).await?;
        return Ok(RoleChange {
            pending: vec![Waits { pending, voided: 0 }],
        });
    }
    let now_s = context.now_signed_s();
    let body = match role {
        "root" => RootFile::read(&current.bytes)?.next(now_s),
        "targets" => TargetsFile::read(&current.bytes)?.next(now_s),
        environment => EnvironmentFile::read(role, &current.bytes)?.next(environment, now_s),
    };
    let what = "the same again, with a new date";
    let version = current.version + 1;
    let waits = set_pending(context, actor, role, version, &body, what, None).await?;
    Ok(RoleChange {
        pending: vec![waits],
    })
}

/// Builds the next version of root or targets with edited authorities, on top of what waits
/// already; none when the edit changes nothing.
pub(super) async fn change(
    context: &Context,
    actor: &Actor,
    file: &str,
    what: &str,
    edit: &(dyn Fn(&str, &mut Authority) -> Result<(), Failure> + Sync),
) -> Result<Option<Waits>, Failure> {
    let current = authority::current(context, file).await?;
    let former = sign::of_role(context, file).await?;
    let base = former
        .as_ref()
        .map_or(&current.bytes, |former| &former.bytes);
    let body = if file == "root" {
        let mut root = RootFile::read(base)?;
        let before = root.clone();
        for (name, authority) in &mut root.roles {
            edit(name, authority)?;
        }
        root.head.version = current.version;
        (root.roles != before.roles).then(|| root.next(context.now_signed_s()))
    } else {
        let mut targets = TargetsFile::read(base)?;
        let before = targets.clone();
        for delegation in &mut targets.delegations {
            edit(&delegation.name.clone(), &mut delegation.authority)?;
        }
        targets.head.version = current.version;
        (targets.delegations != before.delegations).then(|| targets.next(context.now_signed_s()))
    };
    match body {
        Some(body) => set_pending(
            context,
            actor,
            file,
            current.version + 1,
            &body,
            what,
            former,
        )
        .await
        .map(Some),
        None => Ok(None),
    }
}

/// Puts a rebuilt version in the place of what waited; its signatures are void.
pub(super) async fn set_pending(
    context: &Context,
    actor: &Actor,
    role: &str,
    version: u64,
    body: &Value,
    what: &str,
    former: Option<PendingRole>,
) -> Result<Waits, Failure> {
    let voided = match &former {
        Some(former) => signatures(&former.bytes).map_err(Failure::of)?.len() as u64,
        None => 0,
    };
    let mut summary = former.map(|former| former.summary).unwrap_or_default();
    summary.retain(|line| line != what);
    summary.push(what.to_owned());
    let waiting = PendingRole {
        role: role.to_owned(),
        version,
        bytes: envelope(body, &[]).map_err(Failure::of)?,
        at_s: context.now_s(),
        summary,
    };
    let mut note = Note::new("prepare role", format!("{role} {version}")).after(what);
    if voided > 0 {
        note = note.before(format!("{voided} signatures, void now"));
    }
    let batch = context
        .batch(actor, note)
        .with(Change::SetPending(waiting.clone()));
    context.commit(batch).await?;
    Ok(Waits {
        pending: sign::view(context, waiting).await?,
        voided,
    })
}
