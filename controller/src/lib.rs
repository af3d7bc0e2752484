//! The controller: everything that the `sanaga` program does, as a library.

pub mod fleet;
pub mod publish;
pub mod repository;
