//! Packs from outside: golden files of every format version, kept for ever, and one named bad input
//! for each way to attack the decoder.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::single_range_in_vec_init,
    reason = "helpers of tests may panic, and name only the error that they expect"
)]

mod bad_lists;
mod bad_packs;
mod build;
mod golden;
