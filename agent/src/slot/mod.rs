//! Slots: the folders of staged and installed trees, and the links that say which one runs.
//!
//! `apps/APP/slots/NNNN-ROOT16/` is a tree, and `NNNN-ROOT16.release` beside it is its sidecar. A slot
//! counts only when both are in place: the tree is renamed into place first, the sidecar is written
//! last, and each step is synced before the next. `current` and `previous` are links to slots.

mod base;
mod create;
mod error;
mod layout;
mod links;
mod observe;
mod prune;
mod sidecar;
mod stage;
mod verify;

pub use base::Base;
pub use error::SlotError;
pub use layout::AppFolder;
pub use observe::{Observed, observe};
pub use sidecar::Sidecar;
pub use stage::Staging;
pub use verify::{Drift, Verified, verify};

#[cfg(test)]
mod tests;
