//! Receipts: the numbered events of a node. Each event's hash covers the one before; the node signs
//! the head of the chain once per delivery, and the hashes between are recomputed, not sent.

use super::Field;
use super::document::{Document, encode};
use crate::ids::{AppName, Digest, Generation, NodeKeyId, RepositoryId, TreeRoot, Version};
use crate::{fields, limits, numbered};

numbered! {
    /// What happened.
    pub enum EventKind ("event") {
        /// The machine started.
        Booted = 1 "booted",
        /// The node joined.
        Enrolled = 2 "enrolled",
        /// A release is verified and complete on disk.
        Staged = 3 "staged",
        /// `current` points to it.
        Activated = 4 "activated",
        /// It stayed healthy through its soak.
        Committed = 5 "committed",
        /// It was taken back.
        RolledBack = 6 "rolled_back",
        /// It cannot be installed here.
        Refused = 7 "refused",
        /// A newer assignment took its place.
        Superseded = 8 "superseded",
        /// A hold stops it.
        Held = 9 "held",
        /// Somebody at the site did it.
        OperatorAction = 10 "operator_action",
        /// Something needs attention.
        Alarm = 11 "alarm",
        /// Somebody must come.
        NeedsHands = 12 "needs_hands",
        /// The data were brought into the form of the release.
        Migrated = 13 "migrated",
    }
}

fields! {
    /// One event; a run of equal ones (boots) is one record with a count.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Event ("event") {
        /// What happened.
        1 required kind: EventKind,
        /// When, by the node's clock, seconds since 1970; a claim, for display.
        2 required at_s: u64,
        /// Whether the kernel held that clock to be synchronised.
        3 required clock_sure: bool,
        /// The app.
        4 optional app: AppName,
        /// The version it is about.
        5 optional version: Version,
        /// Its tree.
        6 optional root: TreeRoot,
        /// The assignment that asked for it.
        7 optional generation: Generation,
        /// The failure's number, as in `SNG-0503`.
        8 optional code: u64,
        /// How many equal events this is; 1 when left out.
        9 optional count: u64,
        /// True when the unprivileged worker says so and the helper has not seen it.
        10 optional claimed: bool,
        /// Pack bytes read from the network for this release, bytes.
        11 optional received_bytes: u64,
        /// A few words in English, at most 200 bytes.
        12 optional detail: String,
    }
}

impl Event {
    /// The hash of the chain after this event.
    #[must_use]
    pub fn chain(&self, before: &Digest) -> Digest {
        let mut bytes = before.0.to_vec();
        bytes.extend(encode(&self.to_value()));
        Digest::of(&bytes)
    }
}

/// The hash that a chain starts from: the node's key and the epoch, so that no two chains share one.
#[must_use]
pub fn chain_start(node_key: &NodeKeyId, epoch: u64) -> Digest {
    let mut bytes = b"sanaga receipts".to_vec();
    bytes.extend(node_key.0);
    bytes.extend(epoch.to_be_bytes());
    Digest::of(&bytes)
}

fields! {
    /// Some events in a row, and the head of the chain after them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Delivery ("receipt delivery") {
        /// Which repository.
        3 required repository: RepositoryId,
        /// Which node.
        4 required node_key: NodeKeyId,
        /// Which chain of the node; a rebuilt database begins a new one.
        5 required epoch: u64,
        /// The number of the first event; a chain begins with 1.
        6 required first: u64,
        /// The events.
        7 list events: Event,
        /// The hash after the last one.
        8 required head: Digest,
    }
}

impl Delivery {
    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first
            .saturating_add(self.events.len() as u64)
            .saturating_sub(1)
    }

    /// Whether the events lead from `before` to the signed head.
    #[must_use]
    pub fn follows(&self, before: &Digest) -> bool {
        self.events
            .iter()
            .fold(*before, |hash, event| event.chain(&hash))
            == self.head
    }
}

impl Document for Delivery {
    const WHAT: &'static str = "receipt delivery";
    const TYPE: u64 = 4;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::POLL_BYTES_MAX;
}
