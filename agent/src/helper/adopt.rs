//! Taking in documents: metadata, assignment, holds, manifests and offers come as bytes from the
//! worker, and are believed only as far as they verify here. What was accepted is stored together
//! with the floors that it moved. How each kind is judged is in `proto/trust`.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::trust::{
    Alarm, Allowance, Answer, Clock, Judge, Policy, Refresh, TrustError, Trusted, run, to_rfc3339,
};
use sanaga_proto::wire::poll::name;

use super::Helper;
use crate::clock::Reading;
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
    pub(super) fn starting_with<'a>(
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
        let before = self.assignment()?;
        let recipient = self.recipient();
        let mut judge = Judge::new(&trusted, &recipient)?;
        self.forget_void(&judge)?;
        let freeze = trusted.freeze(crate::BUILD_S, &clock);
        let frozen = freeze.map(|freeze| Alarm {
            what: "timestamp".to_owned(),
            problem: format!("signed at {} and not again", to_rfc3339(freeze.signed_s)),
        });
        self.raise(frozen.as_slice(), code::FROZEN, reading(&clock))?;
        let mut adopted = Adopted {
            signed_at_s: trusted.signed_at_s(),
            frozen: frozen.is_some(),
            ..Adopted::default()
        };
        let keep = self.judge(&mut judge, incoming, &mut adopted.refused);
        self.store.keep(judge.floors(), &keep)?;
        if keep.iter().any(|(name, _)| name == name::ASSIGNMENT) {
            self.forget_old(before.as_ref())?;
        }
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

    fn refresh(
        &self,
        incoming: &Incoming,
        clock: Clock,
        allowance: Allowance,
    ) -> Result<Trusted, Failure> {
        let (stored, floors, mut alarms) = self.load_trust()?;
        let before = stored.documents.clone();
        let policy = Policy {
            environment: Some(self.identity.environment.clone()),
            build_s: crate::BUILD_S,
            allowance,
        };
        let mut refresh = Refresh::new(stored, floors, clock, policy).map_err(Failure::of)?;
        let ended = run::<RefreshError>(
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
        });
        let found = ended
            .as_ref()
            .map_or_else(|_| refresh.alarms(), Trusted::alarms);
        alarms.extend_from_slice(found);
        self.raise(&alarms, code::STORE_DAMAGED, reading(&clock))?;
        ended
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

/// The clocks as receipts note them.
fn reading(clock: &Clock) -> Reading {
    Reading {
        wall_s: clock.wall_s,
        sure: clock.sure,
        uptime_s: clock.now.uptime_s,
        boot: clock.now.boot,
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
