//! The documents that travel: deterministic CBOR maps with integer keys (RFC 8949 §4.2), most of
//! them inside a COSE_Sign1 envelope. The CDDL is in docs/protocol.md.

pub mod assignment;
pub mod bundle;
pub mod document;
pub mod enrol;
pub mod envelope;
pub mod hold;
pub mod offer;
pub mod poll;
pub mod poll_body;
pub mod receipt;

pub use document::{Document, Field, WireError};

#[cfg(test)]
mod tests;
