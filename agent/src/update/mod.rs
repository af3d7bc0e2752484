//! The update machine: pure decisions about one app. Facts and time come in as arguments, effects go
//! out as values; nothing here reads a clock, a file or a socket. `docs/update-states.md` describes it.
//!
//! The daemon's loop is: gather [`Facts`] → [`next`] → store the journal and the events in one
//! transaction → perform the effect → gather again, with what came of the effect in [`Facts::last`].

mod effect;
mod facts;
mod journal;
mod machine;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod phase;
mod policy;

pub use effect::{Answer, Decision, Effect, EffectKind, Occurrence};
pub use facts::{Data, Facts, Fault, Order, Outcome, Pack, Seal, Service, Verdict};
pub use journal::{
    Attempts, Back, BackData, Backoff, BootId, DataNumber, Installed, JOURNAL_VERSION, Journal,
    JournalError, Kept, Meter, Quarantined, Release, SlotNumber, Target,
};
pub use machine::next;
pub use phase::Phase;
pub use policy::{Policy, Reach};
