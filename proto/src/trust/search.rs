//! Which role signs a target path: the specification's pre-order depth-first search over
//! delegations (5.6.7), with `terminating` and bounds.

use std::collections::BTreeSet;

use super::error::TrustError;
use super::facts::{SnapshotFacts, TargetFacts};
use super::refresh::Change;
use super::roles::Role;
use super::time::check_fresh;
use super::trusted::Trusted;
use super::verify::Verifier;

/// Roles that one search may visit (5.6.7.1); the bound of python-tuf.
const VISITS_MAX: usize = 32;

/// A target and the role that lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The role.
    pub role: String,
    /// What it says.
    pub facts: TargetFacts,
}

/// What a search wants next.
#[derive(Debug)]
pub enum SearchStep {
    /// Fetch a delegated role, at most so many bytes.
    Fetch {
        /// Its name under the metadata URL.
        name: String,
        /// The bound.
        bytes_max: u64,
    },
    /// Make a change durable.
    Persist(Change),
    /// The search is over.
    Done(Option<Found>),
}

/// What the caller tells a search.
#[derive(Debug)]
pub enum SearchInput {
    /// Begin, or go on after a change was persisted.
    Go,
    /// The file that was asked for.
    Found(Vec<u8>),
    /// The repository said that it has no such file.
    Absent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Visit {
    role: String,
    delegator: String,
}

/// A search for one path.
#[derive(Debug)]
pub struct Search {
    path: String,
    /// To be visited, the next one last.
    waiting: Vec<Visit>,
    visited: BTreeSet<String>,
    /// The visit for which a file was asked.
    asked: Option<Visit>,
}

impl Search {
    /// A search that begins at the top-level targets.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            waiting: vec![Visit {
                role: "targets".to_owned(),
                delegator: "root".to_owned(),
            }],
            visited: BTreeSet::new(),
            asked: None,
        }
    }

    /// Goes one step; delegated roles that are needed are fetched, verified and persisted.
    ///
    /// # Errors
    /// Why what was found is refused.
    pub fn step(
        &mut self,
        trusted: &mut Trusted,
        input: SearchInput,
    ) -> Result<SearchStep, TrustError> {
        match (input, self.asked.take()) {
            (SearchInput::Go, None) => self.advance(trusted),
            (SearchInput::Found(bytes), Some(visit)) => self.take(trusted, &visit, bytes),
            (SearchInput::Absent, Some(visit)) => Err(TrustError::Missing { what: visit.role }),
            (SearchInput::Go, Some(_)) | (SearchInput::Found(_) | SearchInput::Absent, None) => {
                Err(TrustError::Misuse {
                    problem: "the search was stepped out of turn",
                })
            }
        }
    }

    /// The search over roles that are there; one that would have to be fetched is an error.
    pub(super) fn among_loaded(
        mut self,
        verifier: &dyn Verifier,
        snapshot: &SnapshotFacts,
    ) -> Result<Option<Found>, TrustError> {
        while let Some(visit) = self.next() {
            if !verifier.has(&visit.role) {
                if snapshot.pins.contains_key(&visit.role) {
                    return Err(TrustError::Missing { what: visit.role });
                }
                continue;
            }
            if let Some(found) = self.visit(verifier, &visit)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, trusted: &mut Trusted) -> Result<SearchStep, TrustError> {
        while let Some(visit) = self.next() {
            if !trusted.verifier.has(&visit.role) && !Self::load(trusted, &visit) {
                // A role that the snapshot does not name is not trusted, and not even fetched.
                let Some(pin) = trusted.snapshot.pins.get(&visit.role) else {
                    continue;
                };
                let role = Role::Delegated(visit.role.clone());
                let limit = role.bytes_max();
                let step = SearchStep::Fetch {
                    name: role.file_name(pin.version, trusted.root.consistent),
                    bytes_max: pin.length_bytes.map_or(limit, |length| length.min(limit)),
                };
                self.asked = Some(visit);
                return Ok(step);
            }
            if let Some(found) = self.visit(trusted.verifier.as_ref(), &visit)? {
                return Ok(SearchStep::Done(Some(found)));
            }
        }
        Ok(SearchStep::Done(None))
    }

    /// Takes a stored role if it is the one that the snapshot names and it is fresh.
    fn load(trusted: &mut Trusted, visit: &Visit) -> bool {
        let name = Role::Delegated(visit.role.clone()).store_name();
        let Some(bytes) = trusted.documents.get(&name) else {
            return false;
        };
        let Ok(facts) = trusted
            .verifier
            .peek_delegated(bytes, &visit.role, &visit.delegator)
        else {
            return false;
        };
        let fresh = facts.expires_s > trusted.attempt_s;
        fresh
            && trusted
                .verifier
                .take_delegated(bytes, &visit.role, &visit.delegator)
                .is_ok()
    }

    fn take(
        &mut self,
        trusted: &mut Trusted,
        visit: &Visit,
        bytes: Vec<u8>,
    ) -> Result<SearchStep, TrustError> {
        let role = Role::Delegated(visit.role.clone());
        let limit = role.bytes_max();
        if bytes.len() as u64 > limit {
            let what = role.to_string();
            return Err(TrustError::TooBig { what, limit });
        }
        // Its expiry is judged before it is accepted for later searches.
        let facts = trusted
            .verifier
            .peek_delegated(&bytes, &visit.role, &visit.delegator)?;
        let allowance = super::time::Allowance::None;
        check_fresh(
            &visit.role,
            facts.expires_s,
            trusted.attempt_s,
            false,
            allowance,
        )?;
        trusted
            .verifier
            .take_delegated(&bytes, &visit.role, &visit.delegator)?;
        let name = role.store_name();
        trusted.documents.insert(name.clone(), bytes.clone());
        // The caller comes back with `Go`, which visits it now that it is there.
        self.visited.remove(&visit.role);
        self.waiting.push(visit.clone());
        Ok(SearchStep::Persist(Change {
            write: Some((name, bytes)),
            forget: Vec::new(),
            floors: trusted.floors.clone(),
        }))
    }

    fn next(&mut self) -> Option<Visit> {
        while let Some(visit) = self.waiting.pop() {
            if self.visited.len() >= VISITS_MAX {
                return None;
            }
            if self.visited.insert(visit.role.clone()) {
                return Some(visit);
            }
        }
        None
    }

    fn visit(
        &mut self,
        verifier: &dyn Verifier,
        visit: &Visit,
    ) -> Result<Option<Found>, TrustError> {
        let role = &visit.role;
        if role != "targets" {
            // A role may be reached through several delegators; each asks for its own signatures.
            verifier.holds_delegated(role, &visit.delegator)?;
        }
        if let Some(facts) = verifier.target(role, &self.path) {
            let role = role.clone();
            return Ok(Some(Found { role, facts }));
        }
        let mut children = Vec::new();
        for (name, terminating) in verifier.delegations_for(role, &self.path)? {
            // A delegation may not take the name of a role of the top level.
            if !matches!(Role::from_name(&name), Role::Delegated(_)) {
                continue;
            }
            children.push(Visit {
                role: name,
                delegator: role.clone(),
            });
            if terminating {
                self.waiting.clear();
                break;
            }
        }
        self.waiting.extend(children.into_iter().rev());
        Ok(None)
    }
}
