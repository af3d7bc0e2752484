//! What a refresh ends with: the answers that everything else builds on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::TrustError;
use super::facts::{RootFacts, SnapshotFacts, TargetFacts, TargetsFacts, TimestampFacts};
use super::floors::Floors;
use super::key::{KeySet, PublicKey};
use super::refresh::Alarm;
use super::search::{Found, Search};
use super::time::{Clock, Freeze};
use super::verify::Verifier;
use crate::ids::{Counter, Digest, EnvironmentName, ReleaseName};

/// The delegation of `targets` that holds the director's keys and has no file of its own.
const DIRECTOR: &str = "director";

/// Who signs assignments, offers and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Director {
    /// The keys.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u64,
    /// The set, as floors carry it; [`KeySet::id`] names it.
    pub set: KeySet,
}

/// A release as its environment's role signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `production/shop/1.4.2`.
    pub path: String,
    /// The SHA-256 of the manifest.
    pub digest: Digest,
    /// The length of the manifest, bytes.
    pub length_bytes: u64,
    /// The order of the release in its environment and app.
    pub counter: Counter,
    /// The highest counter that this release may replace though its own is lower.
    pub allow_downgrade_from: Option<Counter>,
    /// All that the role says of it.
    pub custom: Value,
}

impl Target {
    pub(super) fn parse(path: &str, facts: TargetFacts) -> Result<Self, TrustError> {
        let bad = |problem: &str| TrustError::BadMetadata {
            what: path.to_owned(),
            problem: problem.to_owned(),
        };
        let custom = facts.custom.ok_or_else(|| bad("has no custom"))?;
        let number = |name: &str| match custom.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| bad(&format!("{name} is not a number"))),
        };
        let digest = facts
            .hashes
            .get("sha256")
            .and_then(|hex| hex.parse().ok())
            .ok_or_else(|| bad("has no sha256"))?;
        Ok(Self {
            path: path.to_owned(),
            digest,
            length_bytes: facts.length_bytes,
            counter: number("counter")?.ok_or_else(|| bad("has no counter"))?,
            allow_downgrade_from: number("allow_downgrade_from")?,
            custom,
        })
    }
}

/// Verified metadata at one attempt time.
pub struct Trusted {
    pub(super) verifier: Box<dyn Verifier>,
    pub(super) root: RootFacts,
    pub(super) timestamp: TimestampFacts,
    pub(super) snapshot: SnapshotFacts,
    pub(super) targets: TargetsFacts,
    pub(super) environment: Option<EnvironmentName>,
    pub(super) environment_facts: Option<TargetsFacts>,
    pub(super) environment_problem: Option<TrustError>,
    pub(super) attempt_s: i64,
    pub(super) floors: Floors,
    pub(super) documents: BTreeMap<String, Vec<u8>>,
    pub(super) alarms: Vec<Alarm>,
}

impl Trusted {
    /// The release as the node's own environment signs it. Walks the delegations from `targets` as
    /// the specification's 5.6.7 says, and accepts the answer of the environment's role alone.
    ///
    /// # Errors
    /// [`TrustError::NotForUs`] for another environment than that of the refresh,
    /// [`TrustError::Expired`] if its role is, [`TrustError::NotSignedHere`] if it does not list the
    /// release, [`TrustError::BadMetadata`] if it lists it without hash or counter.
    pub fn resolve(
        &self,
        environment: &EnvironmentName,
        release: &ReleaseName,
    ) -> Result<Target, TrustError> {
        if self.environment.as_ref() != Some(environment) {
            return Err(TrustError::NotForUs {
                what: release.to_string(),
                expected: self
                    .environment
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                found: environment.to_string(),
            });
        }
        if let Some(problem) = &self.environment_problem {
            return Err(problem.clone());
        }
        let path = release.target_path(environment);
        match Search::new(&path).among_loaded(self.verifier.as_ref(), &self.snapshot)? {
            Some(Found { role, facts }) if role == environment.as_str() => {
                Target::parse(&path, facts)
            }
            Some(_) | None => Err(TrustError::NotSignedHere {
                release: release.to_string(),
                environment: environment.to_string(),
            }),
        }
    }

    /// Who signs assignments, offers and holds; none if `targets` names nobody.
    #[must_use]
    pub fn director(&self) -> Option<Director> {
        director_of(&self.targets)
    }

    /// The certificate authorities of our server, PEM.
    #[must_use]
    pub fn tls_ca(&self) -> &[String] {
        &self.targets.tls_ca
    }

    /// The keys of the refreshed environment's role, which sign its counters.
    #[must_use]
    pub fn environment_keys(&self) -> Option<&KeySet> {
        let name = self.environment.as_ref()?.as_str();
        let found = self.targets.delegations.iter().find(|d| d.name == name)?;
        Some(&found.keys)
    }

    /// The attempt time of this verification, seconds since 1970.
    #[must_use]
    pub fn attempt_s(&self) -> i64 {
        self.attempt_s
    }

    /// When the timestamp was signed, if it says so, seconds since 1970.
    #[must_use]
    pub fn signed_at_s(&self) -> Option<i64> {
        self.timestamp.signed_at_s
    }

    /// The freeze alarm (rule 11), to be asked after every poll that succeeded.
    #[must_use]
    pub fn freeze(&self, build_s: i64, clock: &Clock) -> Option<Freeze> {
        let lower_s = self.floors.lower_s(build_s, &clock.now);
        super::time::freeze(self.timestamp.signed_at_s?, lower_s, clock)
    }

    /// The verified root.
    #[must_use]
    pub fn root(&self) -> &RootFacts {
        &self.root
    }

    /// The verified timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &TimestampFacts {
        &self.timestamp
    }

    /// The verified snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &SnapshotFacts {
        &self.snapshot
    }

    /// The verified top-level targets.
    #[must_use]
    pub fn targets(&self) -> &TargetsFacts {
        &self.targets
    }

    /// The verified role of the environment, if it has a file and is not expired.
    #[must_use]
    pub fn environment(&self) -> Option<&TargetsFacts> {
        self.environment_facts.as_ref()
    }

    /// The floors after this refresh.
    #[must_use]
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Stored documents that were found damaged, and were fetched again.
    #[must_use]
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }
}

impl std::fmt::Debug for Trusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trusted")
            .field("root", &self.root.version)
            .field("timestamp", &self.timestamp.version)
            .field("snapshot", &self.snapshot.version)
            .field("targets", &self.targets.version)
            .field("attempt_s", &self.attempt_s)
            .finish_non_exhaustive()
    }
}

pub(super) fn director_of(targets: &TargetsFacts) -> Option<Director> {
    let found = targets.delegations.iter().find(|d| d.name == DIRECTOR)?;
    Some(Director {
        keys: found.public.clone(),
        threshold: found.keys.threshold,
        set: found.keys.clone(),
    })
}
