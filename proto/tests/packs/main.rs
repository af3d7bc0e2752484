//! Packs from outside: golden files of every format version, kept for ever, and one named bad input
//! for each way to attack the decoder.

mod bad_lists;
mod bad_packs;
mod build;
mod golden;
