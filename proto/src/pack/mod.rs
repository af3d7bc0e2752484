//! Packs: the files that carry a tree, or the way from one tree to another. Here are the format
//! and its decoder: streaming, bounded, without files. The encoder is the controller's.
//! docs/bundle-format.md is the specification.

pub mod frame;
