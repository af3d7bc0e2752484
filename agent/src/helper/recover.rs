//! How trust begins, once, at enrolment; and how a database that was lost is filled again: floors from
//! the other copies, a new chain of receipts, and an alarm. What was lost is never a first run.

use std::collections::BTreeSet;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::trust::Alarm;
use sanaga_proto::wire::receipt::EventKind;

use super::Helper;
use crate::clock::Reading;
use crate::identity;
use crate::store::state;

/// The name of the note that holds the alarms that were raised and still stand.
const ALARMS: &str = "trust/alarms";
/// Everybody may read the number of the newest chain.
const EPOCH_MODE: u32 = 0o644;

impl Helper {
    pub(super) fn begin_or_recover(
        &self,
        lost: Option<String>,
        now: Reading,
    ) -> Result<(), Failure> {
        let epoch = self.store.read(state::epoch)?;
        let newest = self.newest_epoch()?;
        let is_known =
            newest.is_some() || self.store.is_begun()? || !self.sidecar_floors().is_empty();
        match (lost, epoch) {
            (Some(why), _) => self.recover(&why, now),
            (None, Some(epoch)) if is_known => {
                // A cut between the two, or an agent that did not keep the number yet.
                if newest.is_none() {
                    self.keep_epoch(epoch)?;
                }
                self.say_if_floors_are_lost(now)
            }
            (None, None) if is_known => {
                let why = "it was empty";
                self.store.rebuild(why)?;
                self.recover(why, now)
            }
            (None, Some(_) | None) => self.begin(),
        }
    }

    /// The first run. The number of the chain is written last: it says that all the rest is there.
    fn begin(&self) -> Result<(), Failure> {
        let root = identity::read_optional(&self.files.root())?.unwrap_or_default();
        let epoch = self.fresh_epoch(None);
        self.store.write(|db| state::begin_chain(db, epoch))?;
        self.store.begin_trust(&root)?;
        self.keep_epoch(epoch)
    }

    /// Fills an empty database. It can be repeated: each time begins a chain of its own.
    fn recover(&self, why: &str, now: Reading) -> Result<(), Failure> {
        let epoch = self.fresh_epoch(self.newest_epoch()?);
        // First, so that a cut cannot make two chains with one number.
        self.keep_epoch(epoch)?;
        self.store.write(|db| state::begin_chain(db, epoch))?;
        let number = code::DATABASE_DAMAGED.number;
        let detail = format!("agent.db was moved aside and made anew: {why}");
        self.note_event(EventKind::Alarm, Some(number), &detail, now)?;
        match self.load_trust() {
            Ok((_, floors, _)) => self.store.keep(&floors, &[])?,
            Err(failure) if failure.code() == code::FLOORS_LOST => {}
            Err(failure) => return Err(failure),
        }
        self.say_if_floors_are_lost(now)?;
        self.store.rebuilt()
    }

    /// Without floors nothing new is accepted; the alarm is raised once.
    fn say_if_floors_are_lost(&self, now: Reading) -> Result<(), Failure> {
        match self.load_trust() {
            Ok(_) => Ok(()),
            Err(failure) if failure.code() == code::FLOORS_LOST => {
                let alarm = Alarm {
                    what: "floors".to_owned(),
                    problem: failure.to_string(),
                };
                self.raise(&[alarm], code::FLOORS_LOST, now)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Writes one receipt for the alarms that were not there the last time; those that stand on are
    /// not said again, those that end may be raised again.
    ///
    /// # Errors
    /// A fault of the disk.
    pub(super) fn raise(
        &self,
        alarms: &[Alarm],
        code: code::Code,
        now: Reading,
    ) -> Result<(), Failure> {
        let note = format!("{ALARMS}/{}", code.number);
        let known = self.store.read(|db| state::note(db, &note))?;
        let known: BTreeSet<String> = known
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        let words = alarms
            .iter()
            .map(|alarm| format!("{}: {}", alarm.what, alarm.problem));
        let standing: BTreeSet<String> = words.collect();
        if standing == known {
            return Ok(());
        }
        let fresh: Vec<&str> = standing.difference(&known).map(String::as_str).collect();
        if !fresh.is_empty() {
            let detail = fresh.join("; ");
            tracing::warn!(%detail, code = %code, "alarm");
            self.note_event(EventKind::Alarm, Some(code.number), &detail, now)?;
        }
        let json = serde_json::to_vec(&standing)
            .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?;
        self.store.write(|db| state::set_note(db, &note, &json))
    }

    /// A number for a new chain, greater than that of any before.
    fn fresh_epoch(&self, newest: Option<u64>) -> u64 {
        let made = std::fs::metadata(self.files.identity()).and_then(|file| file.modified());
        let made_s = made
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(1, |since| since.as_secs().max(1));
        newest.map_or(made_s, |newest| newest.saturating_add(1).max(made_s))
    }

    fn newest_epoch(&self) -> Result<Option<u64>, Failure> {
        let bytes = identity::read_optional(&self.files.epoch())?;
        // A file that does not read still says that trust was begun.
        Ok(bytes.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.trim().parse().unwrap_or_default()
        }))
    }

    fn keep_epoch(&self, epoch: u64) -> Result<(), Failure> {
        let text = format!("{epoch}\n");
        identity::write(&self.files.epoch(), text.as_bytes(), EPOCH_MODE)
    }
}

#[cfg(test)]
mod tests;
