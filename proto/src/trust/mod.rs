//! Trust: which bytes may run, decided from bytes, floors and time that come in as arguments.
//!
//! The Update Framework 1.0 (<https://theupdateframework.github.io/specification/v1.0.33/>) with our
//! own store, floors and notion of time. [`Refresh`] walks from what is stored to what is newest,
//! asking its caller to fetch and to persist; [`Trusted`] is what it ends with and answers which
//! release is signed for which environment, who the director is and which TLS authorities hold.
//! Signature and metadata rules are checked by the crate `sigstore-tuf` behind [`Verifier`].
//!
//! What must not live here: sockets, files, clocks, and any way to mark something as verified that
//! was not verified from its bytes.

mod build;
mod canonical;
pub mod director;
mod error;
mod facts;
mod floors;
mod key;
mod refresh;
mod roles;
mod search;
mod sign;
mod time;
mod trusted;
mod verify;

pub use build::{
    Authority, Delegation, Expiries, MetaPin, RoleSignature, TargetEntry, add_signature, envelope,
    environment, expires_after, root, signatures, signed_bytes, signed_object, snapshot, targets,
    timestamp,
};
pub use canonical::{from_rfc3339, to_canonical, to_rfc3339};
pub use director::{Judge, Recipient};
pub use error::TrustError;
pub use facts::{
    DelegationFacts, Pin, RootFacts, SnapshotFacts, TargetFacts, TargetsFacts, TimestampFacts,
};
pub use floors::{CounterFloor, DirectorFloors, Floors, HoldFloor, OnlineFloors, SignedAt};
pub use key::{KeyKind, KeySet, PublicKey};
pub use refresh::{Alarm, Answer, Change, Input, Policy, Refresh, Step, Stored, run};
pub use roles::{OFFLINE_ENVIRONMENT, Role};
pub use search::{Found, Search, SearchInput, SearchStep};
pub use sign::{MemorySigner, Signer};
pub use time::{Allowance, Clock, Freeze, Moment, TimeClaim, freeze};
pub use trusted::{Director, Target, Trusted};
pub use verify::{Sigstore, Verifier};
