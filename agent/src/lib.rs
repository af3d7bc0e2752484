//! The agent: what keeps the right release running on one node, whatever happens to power, link,
//! clock and disk.

pub mod clock;
pub mod config;
