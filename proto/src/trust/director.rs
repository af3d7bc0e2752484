//! What the director signs, judged against trusted metadata: holds, offers and assignments. They
//! come from a link, a mirror or a stick; each must be signed by the director of the newest targets,
//! be meant for this node, and be no older than what was accepted before. An assignment only chooses
//! among what the environment's role has signed.

use super::error::TrustError;
use super::floors::{Floors, HoldFloor};
use super::trusted::{Director, Trusted};
use crate::code;
use crate::failure::Failure;
use crate::ids::{Digest, EnvironmentName, NodeKeyId, NodeName, RepositoryId};
use crate::limits;
use crate::manifest::Manifest;
use crate::wire::assignment::{AssignedApp, Assignment};
use crate::wire::envelope::{self, EnvelopeVerifier};
use crate::wire::hold::Hold;
use crate::wire::offer::Offer;
use crate::wire::poll::name;
use crate::wire::{Document, WireError};

/// Whom a document must be meant for: fixed at enrolment, changed only by a local operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The repository.
    pub repository: RepositoryId,
    /// The node's environment.
    pub environment: EnvironmentName,
    /// The node's name.
    pub node: NodeName,
    /// The node's key.
    pub node_key: NodeKeyId,
}

/// Judges documents one after the other; what it accepts raises its floors, which the caller stores
/// together with the documents.
#[derive(Debug)]
pub struct Judge<'a> {
    trusted: &'a Trusted,
    recipient: &'a Recipient,
    director: Director,
    floors: Floors,
}

impl<'a> Judge<'a> {
    /// Begins with the floors of the refresh.
    ///
    /// # Errors
    /// [`code::BAD_METADATA`] when `targets` names no director, or asks for more signatures than the
    /// one that a document carries.
    pub fn new(trusted: &'a Trusted, recipient: &'a Recipient) -> Result<Self, Failure> {
        let bad = |problem: &str| {
            Failure::new(code::BAD_METADATA)
                .arg("what", "targets")
                .arg("problem", problem)
        };
        let director = trusted.director().ok_or_else(|| bad("names no director"))?;
        if director.threshold != 1 {
            return Err(bad("asks for more than one signature of the director"));
        }
        Ok(Self {
            trusted,
            recipient,
            director,
            floors: trusted.floors().clone(),
        })
    }

    /// The floors with what was accepted.
    #[must_use]
    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Whether the director of today signed this. What a director signed that has been replaced is
    /// worth nothing any more.
    #[must_use]
    pub fn is_signed<D: Document>(&self, bytes: &[u8]) -> bool {
        self.open::<D>(bytes).is_ok()
    }

    /// Takes a hold of a scope: of this node if `holder` is given, of all if not.
    ///
    /// # Errors
    /// [`code::BAD_SIGNATURE`], [`code::NOT_FOR_US`] for another scope or repository,
    /// [`code::ROLLBACK`] for an older number.
    pub fn hold(&mut self, holder: Option<NodeKeyId>, bytes: &[u8]) -> Result<Hold, Failure> {
        let hold: Hold = self.open(bytes)?;
        self.same_repository("hold", &hold.repository)?;
        let scope = Hold::scope(holder.as_ref());
        let found = Hold::scope(hold.node_key.as_ref());
        same("hold", &scope, &found)?;
        let set = &self.director.set;
        self.floors
            .check_hold(set, &scope, hold.number)
            .map_err(Failure::of)?;
        let floor = HoldFloor {
            number: hold.number,
            on: hold.on,
        };
        self.floors.accept_hold(set, &scope, floor);
        Ok(hold)
    }

    /// Takes an offer under its name in polls.
    ///
    /// # Errors
    /// [`code::BAD_SIGNATURE`], or [`code::NOT_FOR_US`] for another repository or another name.
    pub fn offer(&self, poll_name: &str, bytes: &[u8]) -> Result<Offer, Failure> {
        let offer: Offer = self.open(bytes)?;
        self.same_repository("offer", &offer.repository)?;
        let expected = name::offer(offer.base.as_ref(), &offer.root);
        same("offer", &expected, poll_name)?;
        Ok(offer)
    }

    /// Takes an assignment as a whole, or not at all. `manifest` looks up a manifest by its digest
    /// among what came and what is stored.
    ///
    /// # Errors
    /// [`code::BAD_SIGNATURE`], [`code::NOT_FOR_US`], [`code::ROLLBACK`] for an older
    /// generation or counter, [`code::MISSING_DOCUMENT`] without a manifest that it names,
    /// [`code::TOO_BIG`], or whatever [`Trusted::resolve`] and `manifest` say.
    pub fn assignment(
        &mut self,
        bytes: &[u8],
        manifest: &dyn Fn(&Digest) -> Result<Option<Manifest>, Failure>,
    ) -> Result<Assignment, Failure> {
        let assignment: Assignment = self.open(bytes)?;
        self.is_for_us(&assignment)?;
        if assignment.apps.len() > limits::APPS_MAX {
            return Err(Failure::new(code::TOO_BIG)
                .arg("what", "assignment")
                .arg("limit", limits::APPS_MAX));
        }
        let generation = assignment.generation;
        self.floors
            .check_generation(&self.director.set, generation)
            .map_err(Failure::of)?;
        for app in &assignment.apps {
            self.app(app, manifest)?;
        }
        self.floors
            .accept_generation(&self.director.set, generation);
        Ok(assignment)
    }

    fn is_for_us(&self, assignment: &Assignment) -> Result<(), Failure> {
        let us = self.recipient;
        self.same_repository("assignment", &assignment.repository)?;
        same("assignment", &us.environment, &assignment.environment)?;
        same("assignment", &us.node, &assignment.node)?;
        same("assignment", &us.node_key, &assignment.node_key)
    }

    /// The environment's role must have signed exactly this manifest at exactly this place.
    fn app(
        &self,
        app: &AssignedApp,
        manifest: &dyn Fn(&Digest) -> Result<Option<Manifest>, Failure>,
    ) -> Result<(), Failure> {
        let environment = &self.recipient.environment;
        let target = self
            .trusted
            .resolve(environment, &app.release())
            .map_err(Failure::of)?;
        if target.digest != app.manifest || target.counter != app.counter {
            return Err(Failure::of(TrustError::BadMetadata {
                what: app.release().to_string(),
                problem: "the assignment and the signed target differ".to_owned(),
            }));
        }
        self.floors
            .check_counter(
                environment,
                &app.app,
                app.counter,
                target.allow_downgrade_from,
            )
            .map_err(Failure::of)?;
        let named = manifest(&app.manifest)?.ok_or_else(|| {
            Failure::new(code::MISSING_DOCUMENT).arg("what", name::manifest(&app.manifest))
        })?;
        same("manifest", &app.release(), &named.release())
    }

    fn open<D: Document>(&self, bytes: &[u8]) -> Result<D, Failure> {
        let keys: Vec<&dyn EnvelopeVerifier> = self
            .director
            .keys
            .iter()
            .map(|key| key as &dyn EnvelopeVerifier)
            .collect();
        envelope::open(bytes, &keys).map_err(Failure::of)
    }

    fn same_repository(&self, what: &str, found: &RepositoryId) -> Result<(), Failure> {
        same(what, &self.recipient.repository, found)
    }
}

/// Reads a manifest under its name in polls. It is what its digest says; who signed for it is judged
/// where it is assigned.
///
/// # Errors
/// [`code::BAD_METADATA`] under another name, or whatever [`Manifest::from_bytes`] says.
pub fn manifest(poll_name: &str, bytes: &[u8]) -> Result<Manifest, Failure> {
    if name::manifest(&Digest::of(bytes)) != poll_name {
        let problem = WireError::malformed("manifest", "is not what its digest says");
        return Err(Failure::of(problem));
    }
    Manifest::from_bytes(bytes).map_err(Failure::of)
}

fn same<T: std::fmt::Display + PartialEq<U> + ?Sized, U: std::fmt::Display + ?Sized>(
    what: &str,
    expected: &T,
    found: &U,
) -> Result<(), Failure> {
    if *expected == *found {
        return Ok(());
    }
    Err(Failure::new(code::NOT_FOR_US)
        .arg("what", what)
        .arg("expected", expected)
        .arg("found", found))
}
