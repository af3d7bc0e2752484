//! Taking in documents: metadata, assignment, holds, manifests and offers come as bytes from the
//! worker, and are believed only as far as they verify here. What was accepted is stored together
//! with the floors that it moved.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, RepositoryId};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{
    Allowance, Answer, Clock, Director, Floors, HoldFloor, Policy, Refresh, TrustError, Trusted,
    run,
};
use sanaga_proto::wire::assignment::{AssignedApp, Assignment};
use sanaga_proto::wire::envelope::{self, EnvelopeVerifier};
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;
use sanaga_proto::wire::{Document, WireError};

use super::Helper;
use crate::store::state;

/// Documents by their names in polls, as they came from a link, a mirror or a stick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Incoming {
    /// What came.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// What the source says that it does not have.
    pub absent: BTreeSet<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Adopted {
    /// The generation of the assignment that is in force.
    pub generation: Option<u64>,
    /// What was refused, by the name of the document; the rest was taken.
    pub refused: Vec<(String, Failure)>,
    /// When the newest timestamp was signed, seconds since 1970.
    pub signed_at_s: Option<i64>,
    /// Polls succeed, but the metadata does not move (rule 11).
    pub frozen: bool,
}

/// What a set of documents is judged by.
struct Judge<'a> {
    trusted: &'a Trusted,
    director: &'a Director,
    floors: Floors,
}

impl Helper {
    /// Verifies documents and keeps what holds.
    ///
    /// # Errors
    /// When the metadata itself is refused; then nothing that depends on it was taken.
    pub fn adopt(
        &self,
        incoming: &Incoming,
        clock: Clock,
        allowance: Allowance,
    ) -> Result<Adopted, Failure> {
        let trusted = self.refresh(incoming, clock, allowance)?;
        let Some(director) = trusted.director() else {
            return Err(Failure::new(code::BAD_METADATA)
                .arg("what", "targets")
                .arg("problem", "names no director"));
        };
        let mut judge = Judge {
            trusted: &trusted,
            director: &director,
            floors: trusted.floors().clone(),
        };
        let mut adopted = Adopted {
            signed_at_s: trusted.signed_at_s(),
            frozen: trusted.freeze(crate::BUILD_S, &clock).is_some(),
            ..Adopted::default()
        };
        let mut keep: Vec<(String, Vec<u8>)> = Vec::new();
        for (scope, holder) in [
            (name::HOLD_ALL, None),
            (name::HOLD_NODE, Some(self.node_key_id())),
        ] {
            if let Some(bytes) = incoming.documents.get(scope) {
                match self.judge_hold(&mut judge, holder, bytes) {
                    Ok(()) => keep.push((scope.to_owned(), bytes.clone())),
                    Err(refused) => adopted.refused.push((scope.to_owned(), refused)),
                }
            }
        }
        for (name, bytes) in incoming
            .documents
            .range("manifest/".to_owned().."manifest0".to_owned())
        {
            match judge_manifest(name, bytes) {
                Ok(()) => keep.push((name.clone(), bytes.clone())),
                Err(refused) => adopted.refused.push((name.clone(), refused)),
            }
        }
        for (name, bytes) in incoming
            .documents
            .range("offer/".to_owned().."offer0".to_owned())
        {
            match self.judge_offer(&judge, name, bytes) {
                Ok(()) => keep.push((name.clone(), bytes.clone())),
                Err(refused) => adopted.refused.push((name.clone(), refused)),
            }
        }
        if let Some(bytes) = incoming.documents.get(name::ASSIGNMENT) {
            match self.judge_assignment(&mut judge, bytes, &keep) {
                Ok(()) => keep.push((name::ASSIGNMENT.to_owned(), bytes.clone())),
                Err(refused) => adopted.refused.push((name::ASSIGNMENT.to_owned(), refused)),
            }
        }
        self.store.keep(&judge.floors, &keep)?;
        if let Some(keys) = trusted
            .environment_keys()
            .and_then(|keys| serde_json::to_vec(keys).ok())
        {
            self.store
                .write(|db| state::set_note(db, super::ENVIRONMENT_KEYS, &keys))?;
        }
        adopted.generation = self.assignment()?.map(|assignment| assignment.generation);
        Ok(adopted)
    }

    /// The assignment in force, as it was verified when it came.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn assignment(&self) -> Result<Option<Assignment>, Failure> {
        let Some(bytes) = self
            .store
            .read(|db| state::document(db, name::ASSIGNMENT))?
        else {
            return Ok(None);
        };
        envelope::peek(&bytes).map(Some).map_err(Failure::of)
    }

    /// The manifest with this digest, if it came.
    ///
    /// # Errors
    /// A fault of the database, or a manifest that does not read back.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self
            .store
            .read(|db| state::document(db, &name::manifest(digest)))?
        else {
            return Ok(None);
        };
        Manifest::from_bytes(&bytes).map(Some).map_err(Failure::of)
    }

    /// The offers that lead to a tree.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn offers(&self, root: &Digest) -> Result<Vec<Offer>, Failure> {
        let stored = self.store.read(|db| state::documents(db, "offer/"))?;
        let offers = stored
            .iter()
            .filter_map(|(_, bytes)| envelope::peek::<Offer>(bytes).ok());
        Ok(offers.filter(|offer| offer.root == *root).collect())
    }

    fn refresh(
        &self,
        incoming: &Incoming,
        clock: Clock,
        allowance: Allowance,
    ) -> Result<Trusted, Failure> {
        let (stored, floors, _alarms) = self.load_trust()?;
        let before = stored.documents.clone();
        let policy = Policy {
            environment: Some(self.identity.environment.clone()),
            build_s: crate::BUILD_S,
            allowance,
        };
        let mut refresh = Refresh::new(stored, floors, clock, policy).map_err(Failure::of)?;
        run::<RefreshError>(
            &mut refresh,
            |file, _bytes_max| self.look_up(incoming, &before, file),
            |change| {
                self.store
                    .persist_trust(&change)
                    .map_err(RefreshError::Store)
            },
        )
        .map_err(|error| match error {
            RefreshError::Trust(error) => Failure::of(error),
            RefreshError::Store(failure) => failure,
        })
    }

    /// Finds the file that the refresh asks for among what came, or what is stored.
    fn look_up(
        &self,
        incoming: &Incoming,
        before: &BTreeMap<String, Vec<u8>>,
        file: &str,
    ) -> Result<Answer, RefreshError> {
        let poll_name = poll_name(file, self.identity.environment.as_str());
        if let Some(bytes) = incoming.documents.get(&poll_name) {
            return Ok(Answer::Found(bytes.clone()));
        }
        if incoming.absent.contains(&poll_name) {
            return Ok(Answer::Absent);
        }
        // The timestamp has no number in its name: what was not sent is as it was.
        match before.get("timestamp.json") {
            Some(bytes) if file == "timestamp.json" && !bytes.is_empty() => {
                Ok(Answer::Found(bytes.clone()))
            }
            Some(_) | None => Err(RefreshError::Store(
                Failure::new(code::MISSING_DOCUMENT).arg("what", file),
            )),
        }
    }

    fn judge_hold(
        &self,
        judge: &mut Judge<'_>,
        holder: Option<Digest>,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let hold: Hold = judge.open(bytes)?;
        self.same_repository("hold", &hold.repository)?;
        if hold.node_key != holder {
            return Err(not_for_us(
                "hold",
                Hold::scope(holder.as_ref()),
                Hold::scope(hold.node_key.as_ref()),
            ));
        }
        let scope = Hold::scope(holder.as_ref());
        judge
            .floors
            .check_hold(&judge.director.set, &scope, hold.number)
            .map_err(Failure::of)?;
        let floor = HoldFloor {
            number: hold.number,
            on: hold.on,
        };
        judge.floors.accept_hold(&judge.director.set, &scope, floor);
        Ok(())
    }

    fn judge_offer(&self, judge: &Judge<'_>, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let offer: Offer = judge.open(bytes)?;
        self.same_repository("offer", &offer.repository)?;
        let expected = name::offer(offer.base.as_ref(), &offer.root);
        if name == expected {
            Ok(())
        } else {
            Err(not_for_us("offer", expected, name))
        }
    }

    fn judge_assignment(
        &self,
        judge: &mut Judge<'_>,
        bytes: &[u8],
        manifests: &[(String, Vec<u8>)],
    ) -> Result<(), Failure> {
        let assignment: Assignment = judge.open(bytes)?;
        self.same_repository("assignment", &assignment.repository)?;
        for (expected, found) in [
            (
                self.identity.environment.to_string(),
                assignment.environment.to_string(),
            ),
            (self.identity.node.to_string(), assignment.node.to_string()),
            (
                self.node_key_id().to_string(),
                assignment.node_key.to_string(),
            ),
        ] {
            if expected != found {
                return Err(not_for_us("assignment", expected, found));
            }
        }
        if assignment.apps.len() > sanaga_proto::limits::APPS_MAX {
            let limit = sanaga_proto::limits::APPS_MAX;
            return Err(Failure::new(code::TOO_BIG)
                .arg("what", "assignment")
                .arg("limit", limit));
        }
        judge
            .floors
            .check_generation(&judge.director.set, assignment.generation)
            .map_err(Failure::of)?;
        for app in &assignment.apps {
            self.judge_app(judge, app, manifests)?;
        }
        judge
            .floors
            .accept_generation(&judge.director.set, assignment.generation);
        Ok(())
    }

    /// The environment's role must have signed exactly this manifest at exactly this place.
    fn judge_app(
        &self,
        judge: &Judge<'_>,
        app: &AssignedApp,
        manifests: &[(String, Vec<u8>)],
    ) -> Result<(), Failure> {
        let environment = &self.identity.environment;
        let target = judge
            .trusted
            .resolve(environment, &app.release())
            .map_err(Failure::of)?;
        if target.digest != app.manifest || target.counter != app.counter {
            return Err(Failure::new(code::BAD_METADATA)
                .arg("what", app.release())
                .arg("problem", "the assignment and the signed target differ"));
        }
        judge
            .floors
            .check_counter(
                environment,
                &app.app,
                app.counter,
                target.allow_downgrade_from,
            )
            .map_err(Failure::of)?;
        let wanted = name::manifest(&app.manifest);
        let here = match manifests.iter().find(|(name, _)| *name == wanted) {
            Some((_, bytes)) => Some(Manifest::from_bytes(bytes).map_err(Failure::of)?),
            None => self.manifest(&app.manifest)?,
        };
        let manifest =
            here.ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", &wanted))?;
        if manifest.release() != app.release() {
            return Err(not_for_us("manifest", app.release(), manifest.release()));
        }
        Ok(())
    }

    fn same_repository(&self, what: &str, found: &RepositoryId) -> Result<(), Failure> {
        let expected = self.identity.repository;
        if *found == expected {
            Ok(())
        } else {
            Err(not_for_us(what, expected, found))
        }
    }
}

impl Judge<'_> {
    fn open<D: Document>(&self, bytes: &[u8]) -> Result<D, Failure> {
        let keys: Vec<&dyn EnvelopeVerifier> = self
            .director
            .keys
            .iter()
            .map(|key| key as &dyn EnvelopeVerifier)
            .collect();
        envelope::open(bytes, &keys).map_err(Failure::of)
    }
}

/// A manifest is what its name says; who signed for it is judged where it is assigned.
fn judge_manifest(name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let found = name::manifest(&Digest::of(bytes));
    if found != name {
        let problem = WireError::malformed("manifest", "is not what its digest says");
        return Err(Failure::of(problem));
    }
    Manifest::from_bytes(bytes).map(|_| ()).map_err(Failure::of)
}

fn not_for_us(
    what: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> Failure {
    Failure::new(code::NOT_FOR_US)
        .arg("what", what)
        .arg("expected", expected)
        .arg("found", found)
}

/// The name in polls of a metadata file: `2.root.json` is `root/2`, `5.dev.json` is `environment`.
#[must_use]
pub fn poll_name(file: &str, environment: &str) -> String {
    let stem = file.strip_suffix(".json").unwrap_or(file);
    match stem.split_once('.') {
        Some((version, "root")) => version.parse().map_or_else(|_| file.to_owned(), name::root),
        Some((_, role)) if role == environment => name::ENVIRONMENT.to_owned(),
        Some((_, role)) => role.to_owned(),
        None => stem.to_owned(),
    }
}

/// Why a refresh ended: trust, or what stands around it.
enum RefreshError {
    Trust(TrustError),
    Store(Failure),
}

impl From<TrustError> for RefreshError {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}
