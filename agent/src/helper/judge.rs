//! How each document is judged: by the keys that the trusted metadata names, by the floors, and by
//! whom it is for. A refusal says why; what holds moves the floors.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, RepositoryId};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{Director, Floors, HoldFloor, Trusted};
use sanaga_proto::wire::assignment::{AssignedApp, Assignment};
use sanaga_proto::wire::envelope::{self, EnvelopeVerifier};
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;
use sanaga_proto::wire::{Document, WireError};

use super::Helper;
use super::adopt::Incoming;

/// What a set of documents is judged by.
pub(super) struct Judge<'a> {
    pub trusted: &'a Trusted,
    pub director: &'a Director,
    pub floors: Floors,
}

impl Helper {
    /// Judges all that came; gives what holds, by name, in the order in which it is kept.
    pub(super) fn judge(
        &self,
        judge: &mut Judge<'_>,
        incoming: &Incoming,
        refused: &mut Vec<(String, Failure)>,
    ) -> Vec<(String, Vec<u8>)> {
        let mut keep: Vec<(String, Vec<u8>)> = Vec::new();
        for (scope, holder) in [
            (name::HOLD_ALL, None),
            (name::HOLD_NODE, Some(self.node_key_id())),
        ] {
            if let Some(bytes) = incoming.documents.get(scope) {
                match self.judge_hold(judge, holder, bytes) {
                    Ok(()) => keep.push((scope.to_owned(), bytes.clone())),
                    Err(failure) => refused.push((scope.to_owned(), failure)),
                }
            }
        }
        for (name, bytes) in incoming
            .documents
            .range("manifest/".to_owned().."manifest0".to_owned())
        {
            match judge_manifest(name, bytes) {
                Ok(()) => keep.push((name.clone(), bytes.clone())),
                Err(failure) => refused.push((name.clone(), failure)),
            }
        }
        for (name, bytes) in incoming
            .documents
            .range("offer/".to_owned().."offer0".to_owned())
        {
            match self.judge_offer(judge, name, bytes) {
                Ok(()) => keep.push((name.clone(), bytes.clone())),
                Err(failure) => refused.push((name.clone(), failure)),
            }
        }
        if let Some(bytes) = incoming.documents.get(name::ASSIGNMENT) {
            match self.judge_assignment(judge, bytes, &keep) {
                Ok(()) => keep.push((name::ASSIGNMENT.to_owned(), bytes.clone())),
                Err(failure) => refused.push((name::ASSIGNMENT.to_owned(), failure)),
            }
        }
        keep
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
