//! Writing metadata: the `signed` objects of every role, and envelopes that collect signatures one
//! at a time, on different machines.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::canonical::{to_canonical, to_rfc3339};
use super::error::TrustError;
use super::key::{KeySet, PublicKey, from_hex, to_hex};
use super::sign::Signer;
use super::time::DAY_S;
use crate::ids::{Counter, Digest, EnvironmentName};

/// The version of the specification that we write.
const SPEC_VERSION: &str = "1.0.33";

/// Who may sign for a role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authority {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u64,
}

impl Authority {
    /// The keys as a set.
    #[must_use]
    pub fn set(&self) -> KeySet {
        KeySet::of(&self.keys, self.threshold)
    }

    /// Whether enough keys are there.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let keys = self.set().keys.len();
        self.threshold >= 1 && u64::try_from(keys).is_ok_and(|keys| keys >= self.threshold)
    }

    fn to_value(&self) -> Value {
        let ids: Vec<String> = self.set().keys.iter().map(Digest::to_string).collect();
        json!({"keyids": ids, "threshold": self.threshold})
    }
}

/// A delegation of `targets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The role.
    pub name: String,
    /// Who signs for it.
    pub authority: Authority,
    /// The path patterns that it may list; none for the director, which has no file.
    pub paths: Vec<String>,
    /// Whether a search ends here.
    pub terminating: bool,
}

impl Delegation {
    /// The role of an environment: `production/*/*`, terminating.
    #[must_use]
    pub fn environment(name: &EnvironmentName, authority: Authority) -> Self {
        Self {
            name: name.as_str().to_owned(),
            authority,
            paths: vec![format!("{name}/*/*")],
            terminating: true,
        }
    }

    /// The director: keys without a file.
    #[must_use]
    pub fn director(authority: Authority) -> Self {
        Self {
            name: "director".to_owned(),
            authority,
            paths: Vec::new(),
            terminating: true,
        }
    }
}

/// A release in an environment's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEntry {
    /// The SHA-256 of the manifest.
    pub digest: Digest,
    /// Its length, bytes.
    pub length_bytes: u64,
    /// The order in environment and app.
    pub counter: Counter,
    /// The highest counter that it may replace though its own is lower.
    pub allow_downgrade_from: Option<Counter>,
}

/// A file as its parent names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetaPin {
    /// Its version.
    pub version: u64,
    /// Its length, bytes.
    pub length_bytes: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

impl MetaPin {
    /// The pin of a file.
    #[must_use]
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        Self {
            version,
            length_bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
        }
    }

    fn to_value(self) -> Value {
        json!({
            "version": self.version,
            "length": self.length_bytes,
            "hashes": {"sha256": self.digest.to_string()},
        })
    }
}

/// How long each role's signature is good, days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiries;

impl Expiries {
    /// Days by the role's name; an environment that is not in the table is treated as `dev`.
    #[must_use]
    pub fn days(role: &str) -> i64 {
        match role {
            "root" => 730,
            "targets" | "production" => 365,
            "staging" | "snapshot" => 90,
            _ => 30,
        }
    }
}

/// When something that is signed now expires, seconds since 1970.
#[must_use]
pub fn expires_after(role: &str, now_s: i64) -> i64 {
    now_s.saturating_add(Expiries::days(role).saturating_mul(DAY_S))
}

fn head(kind: &str, version: u64, expires_s: i64, signed_at_s: Option<i64>) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("_type".to_owned(), kind.into());
    map.insert("spec_version".to_owned(), SPEC_VERSION.into());
    map.insert("version".to_owned(), version.into());
    map.insert("expires".to_owned(), to_rfc3339(expires_s).into());
    if let Some(at_s) = signed_at_s {
        map.insert("x-signed-at".to_owned(), to_rfc3339(at_s).into());
    }
    map
}

fn keys_value<'a>(authorities: impl Iterator<Item = &'a Authority>) -> Value {
    let keys = authorities.flat_map(|authority| &authority.keys);
    let keys: Map<String, Value> = keys
        .map(|key| (key.id().to_string(), key.to_tuf()))
        .collect();
    Value::Object(keys)
}

/// The `signed` object of root. `roles` names `root`, `timestamp`, `snapshot` and `targets`.
#[must_use]
pub fn root(
    version: u64,
    expires_s: i64,
    signed_at_s: i64,
    roles: &BTreeMap<&str, Authority>,
) -> Value {
    let mut map = head("root", version, expires_s, Some(signed_at_s));
    map.insert("consistent_snapshot".to_owned(), true.into());
    map.insert("keys".to_owned(), keys_value(roles.values()));
    let roles = roles
        .iter()
        .map(|(name, authority)| ((*name).to_owned(), authority.to_value()))
        .collect();
    map.insert("roles".to_owned(), Value::Object(roles));
    Value::Object(map)
}

/// The `signed` object of the top-level targets: delegations and TLS authorities (PEM), no targets.
#[must_use]
pub fn targets(
    version: u64,
    expires_s: i64,
    signed_at_s: i64,
    delegations: &[Delegation],
    tls_ca: &[String],
) -> Value {
    let mut map = head("targets", version, expires_s, Some(signed_at_s));
    map.insert("targets".to_owned(), json!({}));
    let roles: Vec<Value> = delegations
        .iter()
        .map(|delegation| {
            let mut role = delegation.authority.to_value();
            if let Some(role) = role.as_object_mut() {
                role.insert("name".to_owned(), delegation.name.clone().into());
                role.insert("paths".to_owned(), delegation.paths.clone().into());
                role.insert("terminating".to_owned(), delegation.terminating.into());
            }
            role
        })
        .collect();
    let keys = keys_value(delegations.iter().map(|delegation| &delegation.authority));
    map.insert(
        "delegations".to_owned(),
        json!({"keys": keys, "roles": roles}),
    );
    map.insert("x-tls-ca".to_owned(), tls_ca.to_vec().into());
    Value::Object(map)
}

/// The `signed` object of an environment's role. Only `production` carries the date of signing.
#[must_use]
pub fn environment(
    version: u64,
    expires_s: i64,
    signed_at_s: Option<i64>,
    releases: &BTreeMap<String, TargetEntry>,
) -> Value {
    let mut map = head("targets", version, expires_s, signed_at_s);
    let releases = releases
        .iter()
        .map(|(path, entry)| {
            let mut custom = json!({"counter": entry.counter});
            if let (Some(custom), Some(from)) = (custom.as_object_mut(), entry.allow_downgrade_from)
            {
                custom.insert("allow_downgrade_from".to_owned(), from.into());
            }
            let value = json!({
                "length": entry.length_bytes,
                "hashes": {"sha256": entry.digest.to_string()},
                "custom": custom,
            });
            (path.clone(), value)
        })
        .collect();
    map.insert("targets".to_owned(), Value::Object(releases));
    Value::Object(map)
}

/// The `signed` object of the snapshot: every targets file by role.
#[must_use]
pub fn snapshot(version: u64, expires_s: i64, files: &BTreeMap<String, MetaPin>) -> Value {
    let mut map = head("snapshot", version, expires_s, None);
    let files = files
        .iter()
        .map(|(role, pin)| (format!("{role}.json"), pin.to_value()))
        .collect();
    map.insert("meta".to_owned(), Value::Object(files));
    Value::Object(map)
}

/// The `signed` object of the timestamp.
#[must_use]
pub fn timestamp(version: u64, expires_s: i64, signed_at_s: i64, snapshot: MetaPin) -> Value {
    let mut map = head("timestamp", version, expires_s, Some(signed_at_s));
    map.insert(
        "meta".to_owned(),
        json!({"snapshot.json": snapshot.to_value()}),
    );
    Value::Object(map)
}

/// A signature in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSignature {
    /// The id of the key.
    pub key: String,
    /// The signature, raw or DER.
    pub bytes: Vec<u8>,
}

/// A metadata file: the object and its signatures, in ordinary JSON without white space. (Canonical
/// JSON is what signatures cover; with the line feeds of PEM in it, it is no JSON.)
///
/// # Errors
/// [`TrustError::BadMetadata`] if the object cannot be canonical.
pub fn envelope(signed: &Value, signatures: &[RoleSignature]) -> Result<Vec<u8>, TrustError> {
    let signatures: Vec<Value> = signatures
        .iter()
        .map(|signature| json!({"keyid": signature.key, "sig": to_hex(&signature.bytes)}))
        .collect();
    to_canonical(signed)?;
    Ok(json!({"signatures": signatures, "signed": signed})
        .to_string()
        .into_bytes())
}

/// The `signed` object of a metadata file.
///
/// # Errors
/// [`TrustError::BadMetadata`] if it is no metadata file.
pub fn signed_object(file: &[u8]) -> Result<Value, TrustError> {
    Ok(parts(file)?.0)
}

/// The bytes that signatures of a metadata file cover: canonical JSON, which not every JSON parser
/// reads. To read the object, use [`signed_object`].
///
/// # Errors
/// [`TrustError::BadMetadata`] if it is no metadata file.
pub fn signed_bytes(file: &[u8]) -> Result<Vec<u8>, TrustError> {
    to_canonical(&parts(file)?.0)
}

/// The signatures of a metadata file, verified or not.
///
/// # Errors
/// [`TrustError::BadMetadata`] if it is no metadata file.
pub fn signatures(file: &[u8]) -> Result<Vec<RoleSignature>, TrustError> {
    Ok(parts(file)?.1)
}

/// Adds one signature; one that this key made before is replaced.
///
/// # Errors
/// [`TrustError::BadMetadata`] if it is no metadata file, or what the signer says.
pub fn add_signature(file: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, TrustError> {
    let (signed, mut all) = parts(file)?;
    let key = signer.public().id().to_string();
    let bytes = signer.sign_tuf(&to_canonical(&signed)?)?;
    all.retain(|signature| signature.key != key);
    all.push(RoleSignature { key, bytes });
    envelope(&signed, &all)
}

fn parts(file: &[u8]) -> Result<(Value, Vec<RoleSignature>), TrustError> {
    let bad = |problem: String| TrustError::BadMetadata {
        what: "metadata file".to_owned(),
        problem,
    };
    let mut value: Value = serde_json::from_slice(file).map_err(|error| bad(error.to_string()))?;
    let signed = value.get_mut("signed").map(Value::take);
    let signed = signed.ok_or_else(|| bad("no `signed`".to_owned()))?;
    let list = value.get("signatures").and_then(Value::as_array);
    let list = list.ok_or_else(|| bad("no `signatures`".to_owned()))?;
    let signature = |value: &Value| -> Option<Result<RoleSignature, TrustError>> {
        let key = value.get("keyid")?.as_str()?.to_owned();
        let bytes = from_hex(value.get("sig")?.as_str()?);
        Some(bytes.map(|bytes| RoleSignature { key, bytes }))
    };
    let all: Result<Vec<_>, _> = list
        .iter()
        .map(|value| signature(value).unwrap_or_else(|| Err(bad("a bad signature".to_owned()))))
        .collect();
    Ok((signed, all?))
}
