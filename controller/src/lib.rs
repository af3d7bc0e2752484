//! The controller: what operators publish with and what nodes poll.

pub mod fleet;
pub mod repository;
//! The controller: what publishes, signs, assigns and serves.

pub mod publish;
