//! Receipts: written with the journal that they tell of, signed once per delivery.

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::AppName;
use sanaga_proto::limits::RECEIPTS_PER_DELIVERY_MAX;
use sanaga_proto::wire::envelope;
use sanaga_proto::wire::receipt::{Delivery, Event, EventKind};

use super::Helper;
use crate::clock::Reading;
use crate::store::state;
use crate::update::{Journal, Occurrence};

/// A delivery that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The envelope.
    pub bytes: Vec<u8>,
    /// Which chain.
    pub epoch: u64,
    /// The number of its last event.
    pub last: u64,
}

impl Helper {
    /// Stores an app's journal and what happened, in one transaction. Gives the number of the last
    /// receipt.
    ///
    /// # Errors
    /// A fault of the disk; then neither was stored.
    pub fn record(
        &self,
        journal: &Journal,
        events: &[Occurrence],
        received_bytes: Option<u64>,
        now: Reading,
    ) -> Result<Option<u64>, Failure> {
        let json = journal.to_json().map_err(|error| {
            Failure::new(sanaga_proto::code::INTERNAL)
                .arg("problem", &error)
                .because(error)
        })?;
        let key = self.node_key_id();
        self.store.write(|db| {
            state::set_journal(db, &journal.app, &json)?;
            let mut last = None;
            for occurrence in events {
                let event = event_of(&journal.app, occurrence, received_bytes, now);
                last = Some(state::append(db, &key, &event)?);
            }
            Ok(last)
        })
    }

    /// Stores an event that is about the node and not about an app's update.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn note_event(
        &self,
        kind: EventKind,
        code: Option<u16>,
        detail: &str,
        now: Reading,
    ) -> Result<u64, Failure> {
        let event = Event {
            code: code.map(u64::from),
            detail: (!detail.is_empty()).then(|| detail.chars().take(200).collect()),
            ..bare(kind, now)
        };
        let key = self.node_key_id();
        self.store.write(|db| state::append(db, &key, &event))
    }

    /// Seals the receipts that the controller does not have; none when it has them all. From here on
    /// these never change, so that a lost answer is healed by sending the same again.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn delivery(&self) -> Result<Option<Sealed>, Failure> {
        let key = self.node_key_id();
        let (state, events, head) = self.store.write(|db| {
            let state = state::chain_state(db, &key)?;
            let events =
                state::events_from(db, state.acknowledged + 1, RECEIPTS_PER_DELIVERY_MAX as u64)?;
            let last = state.acknowledged + events.len() as u64;
            state::mark_sent(db, last)?;
            Ok((state, events, state::head_at(db, last)?))
        })?;
        let Some(head) = head.filter(|_| !events.is_empty()) else {
            return Ok(None);
        };
        let delivery = Delivery {
            repository: self.identity.repository,
            node_key: key,
            epoch: state.epoch,
            first: state.acknowledged + 1,
            events,
            head,
        };
        let bytes = envelope::seal(&delivery, &self.node_key).map_err(Failure::of)?;
        Ok(Some(Sealed {
            bytes,
            epoch: delivery.epoch,
            last: delivery.last(),
        }))
    }

    /// How many receipts the controller has not heard of.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn receipts_waiting(&self) -> Result<u64, Failure> {
        let key = self.node_key_id();
        let state = self.store.read(|db| state::chain_state(db, &key))?;
        Ok(state.last.saturating_sub(state.acknowledged))
    }
}

fn bare(kind: EventKind, now: Reading) -> Event {
    Event {
        kind,
        at_s: u64::try_from(now.wall_s).unwrap_or_default(),
        clock_sure: now.sure,
        app: None,
        version: None,
        root: None,
        generation: None,
        code: None,
        count: None,
        claimed: None,
        received_bytes: None,
        detail: None,
    }
}

fn event_of(
    app: &AppName,
    occurrence: &Occurrence,
    received_bytes: Option<u64>,
    now: Reading,
) -> Event {
    let release = occurrence.release.as_ref();
    let detail = occurrence.detail.as_str();
    Event {
        app: Some(app.clone()),
        version: release.map(|release| release.version.clone()),
        root: release.map(|release| release.root),
        generation: release.map(|release| release.generation),
        code: occurrence.code.map(u64::from),
        received_bytes: received_bytes.filter(|_| occurrence.kind == EventKind::Staged),
        detail: (!detail.is_empty()).then(|| detail.chars().take(200).collect()),
        ..bare(occurrence.kind, now)
    }
}
