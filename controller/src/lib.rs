//! The controller: what operators publish with and what nodes poll.

pub mod fleet;
pub mod publish;
pub mod repository;
