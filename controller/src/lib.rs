//! The controller: everything that the `sanaga` program does, as a library.

pub mod publish;
