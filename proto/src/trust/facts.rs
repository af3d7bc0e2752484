//! What a verified metadata file says, in our own types.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha512};

use super::error::TrustError;
use super::key::{KeySet, PublicKey, to_hex};

/// A verified root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFacts {
    /// Its version.
    pub version: u64,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// `x-signed-at`, seconds since 1970.
    pub signed_at_s: Option<i64>,
    /// Whether files carry their version in their names.
    pub consistent: bool,
    /// Who signs root.
    pub root: KeySet,
    /// Who signs the timestamp.
    pub timestamp: KeySet,
    /// Who signs the snapshot.
    pub snapshot: KeySet,
    /// Who signs targets.
    pub targets: KeySet,
}

/// What a parent says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// Its version.
    pub version: u64,
    /// Its length in bytes, if the parent says it.
    pub length_bytes: Option<u64>,
}

/// A verified timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampFacts {
    /// Its version.
    pub version: u64,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// `x-signed-at`, seconds since 1970.
    pub signed_at_s: Option<i64>,
    /// The snapshot that it names.
    pub snapshot: Pin,
}

/// A verified snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// Its version.
    pub version: u64,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// The targets files that it names, by role.
    pub pins: BTreeMap<String, Pin>,
}

/// A delegation in a targets file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationFacts {
    /// The role's name.
    pub name: String,
    /// Who signs for it.
    pub keys: KeySet,
    /// The keys themselves, as far as they are of a kind that we know.
    pub public: Vec<PublicKey>,
}

/// A verified targets file, without its list of targets (ask [`super::Verifier::target`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetsFacts {
    /// Its version.
    pub version: u64,
    /// Seconds since 1970.
    pub expires_s: i64,
    /// `x-signed-at`, seconds since 1970.
    pub signed_at_s: Option<i64>,
    /// Its delegations, in their order.
    pub delegations: Vec<DelegationFacts>,
    /// `x-tls-ca`: the certificate authorities of our server, PEM.
    pub tls_ca: Vec<String>,
}

/// One target of a targets file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFacts {
    /// Its length, bytes.
    pub length_bytes: u64,
    /// Its hashes by algorithm, hexadecimal.
    pub hashes: BTreeMap<String, String>,
    /// Whatever its role says of it.
    pub custom: Option<Value>,
}

impl TargetFacts {
    /// The name under which the file is fetched: with its hash before the last component, if the
    /// repository keeps consistent snapshots (specification 5.7.2).
    #[must_use]
    pub fn file_name(&self, path: &str, consistent: bool) -> Option<String> {
        if !consistent {
            return Some(path.to_owned());
        }
        let hash = self
            .hashes
            .get("sha256")
            .or_else(|| self.hashes.get("sha512"))
            .or_else(|| self.hashes.values().next())?;
        Some(match path.rsplit_once('/') {
            Some((folder, name)) => format!("{folder}/{hash}.{name}"),
            None => format!("{hash}.{path}"),
        })
    }

    /// Checks a fetched file: its length and every hash of a kind that we know, of which there
    /// must be one.
    ///
    /// # Errors
    /// [`TrustError::BadMetadata`] if it is another file.
    pub fn check(&self, path: &str, bytes: &[u8]) -> Result<(), TrustError> {
        let bad = |problem: &str| {
            Err(TrustError::BadMetadata {
                what: path.to_owned(),
                problem: problem.to_owned(),
            })
        };
        if bytes.len() as u64 != self.length_bytes {
            return bad("has another length");
        }
        let mut known = 0;
        for (algorithm, expected) in &self.hashes {
            let actual = match algorithm.as_str() {
                "sha256" => to_hex(&Sha256::digest(bytes)),
                "sha512" => to_hex(&Sha512::digest(bytes)),
                _ => continue,
            };
            if !actual.eq_ignore_ascii_case(expected) {
                return bad("has another hash");
            }
            known += 1;
        }
        if known == 0 {
            return bad("has no hash of a kind that we know");
        }
        Ok(())
    }
}
