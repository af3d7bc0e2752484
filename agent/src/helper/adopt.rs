//! Taking in documents: metadata, assignment, holds, manifests and offers come as bytes from the
//! worker, and are believed only as far as they verify here. What was accepted is stored together
//! with the floors that it moved.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{
    Allowance, Answer, Clock, Judge, Policy, Recipient, Refresh, TrustError, Trusted, director, run,
};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::assignment::Assignment;
use sanaga_proto::wire::envelope;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;

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

impl Incoming {
    fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Vec<u8>)> {
        self.documents
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
    }
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
        let recipient = self.recipient();
        let mut judge = Judge::new(&trusted, &recipient)?;
        self.forget_what_a_replaced_director_signed(&judge)?;
        let mut adopted = Adopted {
            signed_at_s: trusted.signed_at_s(),
            frozen: trusted.freeze(crate::BUILD_S, &clock).is_some(),
            ..Adopted::default()
        };
        let keep = self.judge(&mut judge, incoming, &mut adopted.refused);
        self.store.keep(judge.floors(), &keep)?;
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

    fn recipient(&self) -> Recipient {
        Recipient {
            repository: self.identity.repository,
            environment: self.identity.environment.clone(),
            node: self.identity.node.clone(),
            node_key: self.node_key_id(),
        }
    }

    /// Judges everything that came beside the metadata, what others rest on first. Gives what is to
    /// be kept; what is refused goes into `refused`, and takes nothing else with it.
    fn judge(
        &self,
        judge: &mut Judge<'_>,
        incoming: &Incoming,
        refused: &mut Vec<(String, Failure)>,
    ) -> Vec<(String, Vec<u8>)> {
        let mut keep = Vec::new();
        let mut sort = |name: &str, bytes: &[u8], judged: Result<(), Failure>| match judged {
            Ok(()) => keep.push((name.to_owned(), bytes.to_vec())),
            Err(failure) => refused.push((name.to_owned(), failure)),
        };
        for (scope, holder) in [
            (name::HOLD_ALL, None),
            (name::HOLD_NODE, Some(self.node_key_id())),
        ] {
            if let Some(bytes) = incoming.documents.get(scope) {
                sort(scope, bytes, judge.hold(holder, bytes).map(|_| ()));
            }
        }
        let mut manifests = BTreeMap::new();
        for (name, bytes) in incoming.starting_with("manifest/") {
            let judged = director::manifest(name, bytes);
            sort(
                name,
                bytes,
                judged.map(|manifest| {
                    manifests.insert(Digest::of(bytes), manifest);
                }),
            );
        }
        for (name, bytes) in incoming.starting_with("offer/") {
            sort(name, bytes, judge.offer(name, bytes).map(|_| ()));
        }
        if let Some(bytes) = incoming.documents.get(name::ASSIGNMENT) {
            let manifest = |digest: &Digest| match manifests.get(digest) {
                Some(manifest) => Ok(Some(manifest.clone())),
                None => self.manifest(digest),
            };
            let judged = judge.assignment(bytes, &manifest);
            sort(name::ASSIGNMENT, bytes, judged.map(|_| ()));
        }
        keep
    }

    /// Orders of a director that has been replaced are void: apps stay as they are until the new one
    /// says otherwise. Holds fall with the floors of its keys.
    fn forget_what_a_replaced_director_signed(&self, judge: &Judge<'_>) -> Result<(), Failure> {
        let mut void = Vec::new();
        for (name, bytes) in self.store.read(|db| state::documents(db, "offer/"))? {
            if !judge.is_signed::<Offer>(&bytes) {
                void.push(name);
            }
        }
        let assignment = self
            .store
            .read(|db| state::document(db, name::ASSIGNMENT))?;
        if assignment.is_some_and(|bytes| !judge.is_signed::<Assignment>(&bytes)) {
            void.push(name::ASSIGNMENT.to_owned());
        }
        if void.is_empty() {
            return Ok(());
        }
        self.store.write(|db| {
            void.iter()
                .try_for_each(|name| state::forget_document(db, name))
        })
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
