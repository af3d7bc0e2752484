//! The agent: pulls releases over bad links, stages them, swaps them in, watches them, and takes
//! them back without a network.

pub mod clock;
pub mod config;
pub mod control;
pub mod store;
pub mod update;
