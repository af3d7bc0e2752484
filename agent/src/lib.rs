//! The agent of a node: pulls, verifies, stages, activates, watches and takes back releases.

pub mod update;
