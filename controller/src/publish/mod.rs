//! From a folder to packs: scanning, pairing with an older tree, and the encode side of the format
//! that `sanaga_proto::pack` decodes.

mod check;
pub mod diff;
mod error;
pub mod pack;
pub mod pair;
pub mod project;
pub mod scan;
pub mod unpack;

pub use error::PublishError;
pub use pack::{PackOptions, Packed, Progress, make_pack};
pub use scan::{TreeDir, scan};
pub use unpack::unpack;

#[cfg(test)]
mod tests;
