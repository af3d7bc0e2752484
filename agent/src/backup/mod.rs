//! What an app keeps, put aside and brought back: `SQLite` databases by their online backup, folders by
//! copies that share blocks where the file system can. Nothing here decides when; nothing runs meanwhile.
//!
//! `docs/data.md` describes the forms on disk and what is guaranteed.

mod error;
pub mod export;
mod item;
mod restore;
mod set;
mod snapshot;
#[cfg(test)]
mod tests;

pub use error::DataError;
pub use item::{Item, ItemKind, bytes_of, items, schema_of};
pub use set::{About, Descriptor, SetItem, Sets};
