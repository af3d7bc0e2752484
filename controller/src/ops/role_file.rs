//! Role files, read back into what they are built from, so that the next version changes only what
//! it must. These files are our own, signed and stored; a reader on a node has its own, stricter way.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{
    Authority, Delegation, PublicKey, TargetEntry, environment, expires_after, from_rfc3339, root,
    targets,
};
use serde_json::Value;

/// The roles of root, in the order in which people are told of them.
pub(super) const ROOT_ROLES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// What every role file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Its version.
    pub version: u64,
    /// When it expires, seconds since 1970.
    pub expires_s: i64,
}

/// What root says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RootFile {
    pub head: Head,
    /// Who signs for the four roles of the top level.
    pub roles: BTreeMap<&'static str, Authority>,
}

/// What targets says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetsFile {
    pub head: Head,
    /// The environments and the director.
    pub delegations: Vec<Delegation>,
    /// The authorities of our TLS certificates, PEM.
    pub tls_ca: Vec<String>,
}

/// What an environment's role says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvironmentFile {
    pub head: Head,
    /// Releases by target path.
    pub releases: BTreeMap<String, TargetEntry>,
}

impl RootFile {
    /// Reads a root file.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let signed = signed("root", bytes)?;
        let mut roles = BTreeMap::new();
        for name in ROOT_ROLES {
            let role = signed
                .pointer(&format!("/roles/{name}"))
                .ok_or_else(|| damaged("root", name))?;
            roles.insert(name, authority("root", role, signed.get("keys"))?);
        }
        Ok(Self {
            head: head("root", &signed)?,
            roles,
        })
    }

    /// The next version with these roles, unsigned.
    pub fn next(&self, now_s: i64) -> Value {
        root(
            self.head.version + 1,
            expires_after("root", now_s),
            now_s,
            &self
                .roles
                .iter()
                .map(|(name, who)| (*name, who.clone()))
                .collect(),
        )
    }
}

impl TargetsFile {
    /// Reads a targets file.
    pub fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let signed = signed("targets", bytes)?;
        let keys = signed.pointer("/delegations/keys");
        let list = array("targets", signed.pointer("/delegations/roles"))?;
        let mut delegations = Vec::new();
        for role in list {
            delegations.push(Delegation {
                name: text("targets", role.get("name"))?,
                authority: authority("targets", role, keys)?,
                paths: texts("targets", role.get("paths"))?,
                terminating: role.get("terminating").and_then(Value::as_bool) == Some(true),
            });
        }
        Ok(Self {
            head: head("targets", &signed)?,
            delegations,
            tls_ca: texts("targets", signed.get("x-tls-ca"))?,
        })
    }

    /// The next version with these delegations, unsigned.
    pub fn next(&self, now_s: i64) -> Value {
        targets(
            self.head.version + 1,
            expires_after("targets", now_s),
            now_s,
            &self.delegations,
            &self.tls_ca,
        )
    }
}

impl EnvironmentFile {
    /// Reads an environment's role file.
    pub fn read(role: &str, bytes: &[u8]) -> Result<Self, Failure> {
        let signed = signed(role, bytes)?;
        let mut releases = BTreeMap::new();
        let targets = signed.get("targets").and_then(Value::as_object);
        for (path, target) in targets.ok_or_else(|| damaged(role, "targets"))? {
            let number = |pointer: &str| target.pointer(pointer).and_then(Value::as_u64);
            let digest = text(role, target.pointer("/hashes/sha256"))?;
            let entry = TargetEntry {
                digest: digest.parse().map_err(|_| damaged(role, path))?,
                length_bytes: number("/length").ok_or_else(|| damaged(role, path))?,
                counter: number("/custom/counter").ok_or_else(|| damaged(role, path))?,
                allow_downgrade_from: number("/custom/allow_downgrade_from"),
            };
            releases.insert(path.clone(), entry);
        }
        Ok(Self {
            head: head(role, &signed)?,
            releases,
        })
    }

    /// The next version with these releases, unsigned.
    pub fn next(&self, role: &str, now_s: i64) -> Value {
        build_environment(role, self.head.version + 1, now_s, &self.releases)
    }
}

/// An environment's role of any version. Only production carries the date of its signing: its keys
/// are offline, so that nodes may learn the time from it.
pub(super) fn build_environment(
    role: &str,
    version: u64,
    now_s: i64,
    releases: &BTreeMap<String, TargetEntry>,
) -> Value {
    let signed_at_s = (role == sanaga_proto::trust::OFFLINE_ENVIRONMENT).then_some(now_s);
    environment(version, expires_after(role, now_s), signed_at_s, releases)
}

/// What any role file has.
pub(super) fn read_head(role: &str, bytes: &[u8]) -> Result<Head, Failure> {
    head(role, &signed(role, bytes)?)
}

/// The `signed` object of a role file.
pub(super) fn signed(role: &str, bytes: &[u8]) -> Result<Value, Failure> {
    let mut file: Value = serde_json::from_slice(bytes).map_err(|_| damaged(role, "JSON"))?;
    file.get_mut("signed")
        .map(Value::take)
        .ok_or_else(|| damaged(role, "signed"))
}

fn head(role: &str, signed: &Value) -> Result<Head, Failure> {
    let version = signed.get("version").and_then(Value::as_u64);
    let expires = text(role, signed.get("expires"))?;
    Ok(Head {
        version: version.ok_or_else(|| damaged(role, "version"))?,
        expires_s: from_rfc3339(role, &expires).map_err(Failure::of)?,
    })
}

fn authority(file: &str, role: &Value, keys: Option<&Value>) -> Result<Authority, Failure> {
    let mut out = Authority {
        keys: Vec::new(),
        threshold: role
            .get("threshold")
            .and_then(Value::as_u64)
            .ok_or_else(|| damaged(file, "threshold"))?,
    };
    for id in texts(file, role.get("keyids"))? {
        let key = keys
            .and_then(|keys| keys.get(&id))
            .ok_or_else(|| damaged(file, &id))?;
        out.keys
            .push(PublicKey::from_tuf(key).map_err(Failure::of)?);
    }
    Ok(out)
}

fn array<'v>(file: &str, value: Option<&'v Value>) -> Result<&'v Vec<Value>, Failure> {
    value
        .and_then(Value::as_array)
        .ok_or_else(|| damaged(file, "a list"))
}

fn texts(file: &str, value: Option<&Value>) -> Result<Vec<String>, Failure> {
    array(file, value)?
        .iter()
        .map(|item| text(file, Some(item)))
        .collect()
}

fn text(file: &str, value: Option<&Value>) -> Result<String, Failure> {
    value
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| damaged(file, "a text"))
}

fn damaged(file: &str, place: &str) -> Failure {
    Failure::new(code::STORE_DAMAGED).arg("what", format!("{file}: {place}"))
}

/// The digests of an authority's keys, in order.
pub(super) fn key_ids(authority: &Authority) -> Vec<Digest> {
    authority.keys.iter().map(PublicKey::id).collect()
}
