//! The controller: everything that the `sanaga` program does, as a library. What operators publish
//! with and what nodes poll.

pub mod api;
pub mod cli;
pub mod disk;
pub mod fleet;
pub mod home;
pub mod keys;
pub mod ops;
pub mod publish;
pub mod repository;
pub mod server_keys;
