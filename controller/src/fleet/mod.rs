//! What the controller knows: its fleet, its releases, its orders, and what the nodes report.
//!
//! [`Store`] keeps it, in domain types; `sqlite` is its one implementation so far. Writes are
//! values: a [`Batch`] of [`Change`]s with the audit notes that explain them is committed whole or
//! not at all, and the files that it implies are published afterwards from an outbox
//! ([`publish_waiting`]), so that a crash between the two heals by itself.
//!
//! No HTTP, no rights and no rollout decisions live here.

mod audit;
mod change;
mod enrolment;
mod error;
mod facts;
mod model;
mod outbox;
mod published;
mod receipts;
mod sqlite;
mod store;

pub use audit::{AuditEntry, Note, audit_hash};
pub use change::{Batch, Change};
pub(crate) use enrolment::used_before;
pub use enrolment::{Verdict, first_assignment, judge};
pub use error::StoreError;
pub use facts::{AssignedFacts, DocumentRef, OfferFacts, PollFacts, PollQuery};
pub use model::{
    BadDelivery, Claim, Controller, EnrolToken, Enrolment, Environment, Node, NodeApp,
    POLL_INTERVAL_S, PollRecord, Price, Receipted, Redeemed, Site, TokenUse,
};
pub use outbox::{path, publish_waiting};
pub use published::{
    PendingRole, Placement, Release, RoleFile, Scope, Setting, StoredAssignment, StoredHold,
    StoredOffer, Waiting,
};
pub(crate) use receipts::NodeKey;
pub use receipts::{ChainHead, Intake, Kept, Receipt, open_delivery, take_in};
pub use sqlite::Sqlite;
pub use store::Store;
