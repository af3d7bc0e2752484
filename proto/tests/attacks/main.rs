//! Attacks on trust, one named bad input each, kept for ever. Every test first shows that the honest
//! repository is accepted, so that a refusal is of the attack and not of everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is what it is for"
)]

mod clocks;
mod director;
mod forged;
mod online;
mod power;
mod repository;
mod rotation;
mod stored;
