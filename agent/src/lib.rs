//! The agent: pulls releases over bad links, stages them, swaps them in, watches them, and takes
//! them back without a network.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod disk;
pub mod enrol;
pub mod fetch;
pub mod health;
pub mod helper;
pub mod identity;
pub mod service;
pub mod slot;
pub mod store;
pub mod update;

/// When this program was built, seconds since 1970: it is not earlier than that.
pub const BUILD_S: i64 = 1_795_219_200;
