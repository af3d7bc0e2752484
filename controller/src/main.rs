//! The `sanaga` program.

fn main() {}
