//! Packs: the files that carry a tree, or the way from one tree to another. Here are the format
//! and its decoder: streaming, bounded, without files. The encoder is the controller's.
//! docs/bundle-format.md is the specification.

pub mod codec;
mod content;
mod decode;
mod error;
pub mod frame;
mod input;
mod list_part;
mod old_image;
pub mod segment;

pub use decode::{Decoded, Event, TreeSink, decode};
pub use error::{DecodeError, PackError};
pub use list_part::{ContentOrder, ListPart, Source};
pub use old_image::{Base, OldImage};

#[cfg(test)]
mod tests;
