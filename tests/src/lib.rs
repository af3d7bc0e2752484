//! The harness: everything that demo, proofs and end-to-end tests share. Nothing here ships.
//! It drives the real binaries from outside, over real sockets and real files.

pub mod content;
pub mod fault;
pub mod http;
pub mod link;
pub mod load;
pub mod machine;
pub mod needs;
pub mod node_red;
pub mod noise;
pub mod notebook;
pub mod proofs;
pub mod seed;
pub mod site;
pub mod tap;
pub mod transcript;
pub mod tree;
pub mod world;
