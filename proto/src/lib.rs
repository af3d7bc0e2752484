//! What both sides must agree on: names, formats, limits and the rules of trust.
//! Here are no sockets, no files, no clock and no async: bytes and time come in as arguments.

pub mod code;
pub mod failure;
pub mod ids;
pub mod limits;
pub mod manifest;
pub mod pack;
pub mod text;
pub mod tree;
pub mod trust;
mod varint;
pub mod wire;
