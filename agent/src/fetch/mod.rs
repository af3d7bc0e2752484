//! The worker's side of the network: polls, packs, and how hard to try. It verifies frames, and
//! hands every other byte on to the helper unread.

pub mod budget;
pub mod client;
pub mod error;
pub mod exchange;
pub mod plan;
pub mod resume;
pub mod retry;
pub mod tls;

pub use error::FetchError;
