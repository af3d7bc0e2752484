//! The verifier behind our own trait: signatures, thresholds, versions, hashes and the chain of
//! roots, as the crate `sigstore-tuf` checks them. Its `Updater` and stores are not used.
//!
//! Every file is handed to it as of the epoch, so that expiry never hides a stored file from the
//! checks against rollback; expiry is judged in [`super::Refresh`], at the one attempt time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use sigstore_tuf as tuf;

use super::canonical::from_rfc3339;
use super::error::TrustError;
use super::facts::{
    DelegationFacts, Pin, RootFacts, SnapshotFacts, TargetFacts, TargetsFacts, TimestampFacts,
};
use super::key::{KeySet, PublicKey};
use crate::ids::Digest;

/// The name of the extra field with the date of signing.
const SIGNED_AT: &str = "x-signed-at";
/// The name of the extra field of targets with the TLS authorities.
const TLS_CA: &str = "x-tls-ca";
/// TLS authorities that are looked at.
const TLS_CA_MAX: usize = 16;
/// Expiry is not judged here.
const NEVER: Timestamp = Timestamp::UNIX_EPOCH;

/// Checks metadata and holds what was accepted. `peek_…` only checks the form and the signatures
/// under the keys that are trusted now; `take_…` checks all but expiry, and accepts.
pub trait Verifier: Send {
    /// Begins with a root that is trusted because of where it was kept; it must be signed by its
    /// own keys.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn start(&mut self, root: &[u8]) -> Result<RootFacts, TrustError>;
    /// The next version of root, signed by the old keys and by its own.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn next_root(&mut self, bytes: &[u8]) -> Result<RootFacts, TrustError>;
    /// Form and signatures of a timestamp.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn peek_timestamp(&self, bytes: &[u8]) -> Result<TimestampFacts, TrustError>;
    /// Form and signatures of a snapshot.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn peek_snapshot(&self, bytes: &[u8]) -> Result<SnapshotFacts, TrustError>;
    /// Form and signatures of the top-level targets.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn peek_targets(&self, bytes: &[u8]) -> Result<TargetsFacts, TrustError>;
    /// Form and signatures of a role that `delegator` delegates.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn peek_delegated(
        &self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
    ) -> Result<TargetsFacts, TrustError>;
    /// Accepts a timestamp.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn take_timestamp(&mut self, bytes: &[u8]) -> Result<(), TrustError>;
    /// Accepts a snapshot that the accepted timestamp names.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn take_snapshot(&mut self, bytes: &[u8]) -> Result<SnapshotFacts, TrustError>;
    /// Accepts the targets that the accepted snapshot names.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn take_targets(&mut self, bytes: &[u8]) -> Result<TargetsFacts, TrustError>;
    /// Accepts a delegated role that the accepted snapshot names.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    fn take_delegated(
        &mut self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
    ) -> Result<TargetsFacts, TrustError>;
    /// Whether an accepted delegated role is also signed as this delegator asks.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`] if it is not.
    fn holds_delegated(&self, role: &str, delegator: &str) -> Result<(), TrustError>;
    /// Whether a targets role was accepted.
    fn has(&self, role: &str) -> bool;
    /// One target of an accepted role.
    fn target(&self, role: &str, path: &str) -> Option<TargetFacts>;
    /// The delegations of an accepted role that match a path, in order, with `terminating`.
    ///
    /// # Errors
    /// [`TrustError::BadMetadata`] if a pattern is malformed.
    fn delegations_for(&self, role: &str, path: &str) -> Result<Vec<(String, bool)>, TrustError>;
}

/// The verifier on `sigstore-tuf`.
#[derive(Debug, Default)]
pub struct Sigstore {
    set: Option<tuf::TrustedMetadataSet>,
}

impl Default for Box<dyn Verifier> {
    fn default() -> Self {
        Box::<Sigstore>::default()
    }
}

impl Sigstore {
    fn set(&self) -> Result<&tuf::TrustedMetadataSet, TrustError> {
        self.set.as_ref().ok_or(NO_ROOT)
    }

    fn set_mut(&mut self) -> Result<&mut tuf::TrustedMetadataSet, TrustError> {
        self.set.as_mut().ok_or(NO_ROOT)
    }

    /// Parses a file and checks that the root's keys for `role` signed it.
    fn signed<T: tuf::Role>(
        &self,
        bytes: &[u8],
        role: &str,
    ) -> Result<tuf::Metadata<T>, TrustError> {
        let root = self.set()?.root();
        let metadata = tuf::Metadata::<T>::from_slice(bytes).map_err(|e| refused(role, &e))?;
        let keys = root
            .role(role)
            .ok_or_else(|| malformed(role, "root has no such role"))?;
        metadata
            .verify_threshold(&root.keys, keys, role)
            .map_err(|e| refused(role, &e))?;
        Ok(metadata)
    }
}

const NO_ROOT: TrustError = TrustError::Misuse {
    problem: "the verifier was not started with a root",
};

impl Verifier for Sigstore {
    fn start(&mut self, root: &[u8]) -> Result<RootFacts, TrustError> {
        let set = tuf::TrustedMetadataSet::from_root(root).map_err(|e| refused("root", &e))?;
        let facts = root_facts(set.root())?;
        self.set = Some(set);
        Ok(facts)
    }

    fn next_root(&mut self, bytes: &[u8]) -> Result<RootFacts, TrustError> {
        let set = self.set_mut()?;
        set.update_root(bytes).map_err(|e| refused("root", &e))?;
        root_facts(set.root())
    }

    fn peek_timestamp(&self, bytes: &[u8]) -> Result<TimestampFacts, TrustError> {
        timestamp_facts(self.signed::<tuf::Timestamp>(bytes, "timestamp")?.signed())
    }

    fn peek_snapshot(&self, bytes: &[u8]) -> Result<SnapshotFacts, TrustError> {
        Ok(snapshot_facts(
            self.signed::<tuf::Snapshot>(bytes, "snapshot")?.signed(),
        ))
    }

    fn peek_targets(&self, bytes: &[u8]) -> Result<TargetsFacts, TrustError> {
        targets_facts(
            "targets",
            self.signed::<tuf::Targets>(bytes, "targets")?.signed(),
        )
    }

    fn peek_delegated(
        &self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
    ) -> Result<TargetsFacts, TrustError> {
        let delegations = self
            .set()?
            .targets_role(delegator)
            .and_then(|targets| targets.delegations.as_ref())
            .ok_or_else(|| malformed(delegator, "delegates nothing"))?;
        let delegation = delegations
            .roles
            .iter()
            .find(|delegation| delegation.name == role)
            .ok_or_else(|| malformed(role, "is not delegated"))?;
        let metadata =
            tuf::Metadata::<tuf::Targets>::from_slice(bytes).map_err(|e| refused(role, &e))?;
        metadata
            .verify_threshold(&delegations.keys, &delegation.role_keys(), role)
            .map_err(|e| refused(role, &e))?;
        targets_facts(role, metadata.signed())
    }

    fn take_timestamp(&mut self, bytes: &[u8]) -> Result<(), TrustError> {
        match self.set_mut()?.update_timestamp(bytes, NEVER) {
            // 5.4.3: an equal version is discarded, and that is no error.
            Ok(()) | Err(tuf::Error::EqualVersion { .. }) => Ok(()),
            Err(error) => Err(refused("timestamp", &error)),
        }
    }

    fn take_snapshot(&mut self, bytes: &[u8]) -> Result<SnapshotFacts, TrustError> {
        let set = self.set_mut()?;
        set.update_snapshot(bytes, NEVER)
            .map_err(|e| refused("snapshot", &e))?;
        set.snapshot()
            .map(snapshot_facts)
            .ok_or_else(|| malformed("snapshot", "was not kept"))
    }

    fn take_targets(&mut self, bytes: &[u8]) -> Result<TargetsFacts, TrustError> {
        let targets = self
            .set_mut()?
            .update_targets(bytes, NEVER)
            .map_err(|e| refused("targets", &e))?;
        targets_facts("targets", targets)
    }

    fn take_delegated(
        &mut self,
        bytes: &[u8],
        role: &str,
        delegator: &str,
    ) -> Result<TargetsFacts, TrustError> {
        let targets = self
            .set_mut()?
            .update_delegated_targets(bytes, role, delegator, NEVER)
            .map_err(|e| refused(role, &e))?;
        targets_facts(role, targets)
    }

    fn holds_delegated(&self, role: &str, delegator: &str) -> Result<(), TrustError> {
        self.set()?
            .verify_delegated_targets(role, delegator, NEVER)
            .map(|_| ())
            .map_err(|e| refused(role, &e))
    }

    fn has(&self, role: &str) -> bool {
        self.set().is_ok_and(|set| set.targets_role(role).is_some())
    }

    fn target(&self, role: &str, path: &str) -> Option<TargetFacts> {
        let target = self.set().ok()?.targets_role(role)?.target(path)?;
        Some(TargetFacts {
            length_bytes: target.length,
            hashes: target.hashes.clone(),
            custom: target.custom.clone(),
        })
    }

    fn delegations_for(&self, role: &str, path: &str) -> Result<Vec<(String, bool)>, TrustError> {
        let Some(delegations) = self
            .set()?
            .targets_role(role)
            .and_then(|targets| targets.delegations.as_ref())
        else {
            return Ok(Vec::new());
        };
        let mut matching = Vec::new();
        for delegation in &delegations.roles {
            if delegation
                .matches_path(path)
                .map_err(|e| refused(role, &e))?
            {
                matching.push((delegation.name.clone(), delegation.terminating));
            }
        }
        Ok(matching)
    }
}

fn malformed(what: &str, problem: &str) -> TrustError {
    TrustError::BadMetadata {
        what: what.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Our error for one of the verifier's, which was met while looking at `role`.
fn refused(role: &str, error: &tuf::Error) -> TrustError {
    match error {
        tuf::Error::ThresholdNotMet {
            role,
            found,
            threshold,
        } => TrustError::BadSignature {
            role: role.clone(),
            problem: format!("{found} of {threshold} needed signatures are valid"),
        },
        tuf::Error::DuplicateSignature { role, .. } => TrustError::BadSignature {
            role: role.clone(),
            problem: error.to_string(),
        },
        tuf::Error::Rollback { role, trusted, new } => TrustError::Rollback {
            what: role.clone(),
            trusted: *trusted,
            offered: *new,
        },
        tuf::Error::BadRootVersion { trusted, new } if new <= trusted => TrustError::Rollback {
            what: role.to_owned(),
            trusted: *trusted,
            offered: *new,
        },
        tuf::Error::Json(_)
        | tuf::Error::Malformed(_)
        | tuf::Error::NonIntegerNumber
        | tuf::Error::UnusableKey { .. }
        | tuf::Error::UnsupportedScheme { .. }
        | tuf::Error::UnknownRole(_)
        | tuf::Error::EqualVersion { .. }
        | tuf::Error::BadRootVersion { .. }
        | tuf::Error::Expired { .. }
        | tuf::Error::IntegrityMismatch(_)
        | tuf::Error::Crypto(_)
        | tuf::Error::NotRefreshed
        | tuf::Error::TargetNotFound(_)
        | tuf::Error::Io { .. }
        | tuf::Error::Transport { .. }
        | _ => malformed(role, &error.to_string()),
    }
}

fn signed_at_s(role: &str, extra: &BTreeMap<String, Value>) -> Result<Option<i64>, TrustError> {
    match extra.get(SIGNED_AT) {
        None => Ok(None),
        Some(Value::String(text)) => from_rfc3339(role, text).map(Some),
        Some(_) => Err(malformed(role, "x-signed-at is not text")),
    }
}

/// A set of keys by what they are, whatever the metadata calls them.
fn key_set(keys: &BTreeMap<String, tuf::Key>, ids: &[String], threshold: usize) -> KeySet {
    let keys: BTreeSet<Digest> = ids
        .iter()
        .filter_map(|id| keys.get(id)?.key_id().ok()?.parse().ok())
        .collect();
    KeySet {
        keys,
        threshold: u64::try_from(threshold).unwrap_or(u64::MAX),
    }
}

fn root_facts(root: &tuf::Root) -> Result<RootFacts, TrustError> {
    let role = |name: &str| {
        root.role(name)
            .map(|role| key_set(&root.keys, &role.keyids, role.threshold))
            .ok_or_else(|| malformed("root", &format!("has no role {name}")))
    };
    Ok(RootFacts {
        version: root.version,
        expires_s: root.expires.as_second(),
        signed_at_s: signed_at_s("root", &root.extra)?,
        consistent: root.consistent_snapshot,
        root: role("root")?,
        timestamp: role("timestamp")?,
        snapshot: role("snapshot")?,
        targets: role("targets")?,
    })
}

fn pin(meta: &tuf::MetaFile) -> Pin {
    Pin {
        version: meta.version,
        length_bytes: meta.length,
    }
}

fn timestamp_facts(timestamp: &tuf::Timestamp) -> Result<TimestampFacts, TrustError> {
    Ok(TimestampFacts {
        version: timestamp.version,
        expires_s: timestamp.expires.as_second(),
        signed_at_s: signed_at_s("timestamp", &timestamp.extra)?,
        snapshot: timestamp
            .snapshot_meta()
            .map(pin)
            .ok_or_else(|| malformed("timestamp", "names no snapshot"))?,
    })
}

fn snapshot_facts(snapshot: &tuf::Snapshot) -> SnapshotFacts {
    let pins = snapshot
        .meta
        .iter()
        .filter_map(|(name, meta)| Some((name.strip_suffix(".json")?.to_owned(), pin(meta))))
        .collect();
    SnapshotFacts {
        version: snapshot.version,
        expires_s: snapshot.expires.as_second(),
        pins,
    }
}

fn targets_facts(role: &str, targets: &tuf::Targets) -> Result<TargetsFacts, TrustError> {
    let delegations = targets.delegations.iter().flat_map(|delegations| {
        delegations.roles.iter().map(|role| DelegationFacts {
            name: role.name.clone(),
            keys: key_set(&delegations.keys, &role.keyids, role.threshold),
            public: role
                .keyids
                .iter()
                .filter_map(|id| serde_json::to_value(delegations.keys.get(id)?).ok())
                .filter_map(|key| PublicKey::from_tuf(&key).ok())
                .collect(),
        })
    });
    let tls_ca = match targets.extra.get(TLS_CA) {
        None => Vec::new(),
        Some(value) => serde_json::from_value::<Vec<String>>(value.clone())
            .map_err(|_| malformed(role, "x-tls-ca is not a list of texts"))?,
    };
    if tls_ca.len() > TLS_CA_MAX {
        return Err(malformed(role, "x-tls-ca is too long"));
    }
    Ok(TargetsFacts {
        version: targets.version,
        expires_s: targets.expires.as_second(),
        signed_at_s: signed_at_s(role, &targets.extra)?,
        delegations: delegations.collect(),
        tls_ca,
    })
}
