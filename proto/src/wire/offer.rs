//! The offer: from this base (or from nothing) to that tree by that pack.

use super::document::Document;
use crate::fields;
use crate::ids::{FrameRoot, RepositoryId, TreeRoot};
use crate::limits;

fields! {
    /// One way to a tree, signed by the director.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Offer ("offer") {
        /// Which repository.
        3 required repository: RepositoryId,
        /// The tree that the pack starts from; none for a full pack.
        4 optional base: TreeRoot,
        /// The tree that it makes.
        5 required root: TreeRoot,
        /// What authenticates the pack.
        6 required frame_root: FrameRoot,
        /// The pack without its hashes, bytes.
        7 required pack_bytes: u64,
    }
}

impl Offer {
    /// The name under which offers are kept: `BASE-NEW`, with `none` for no base.
    #[must_use]
    pub fn name(base: Option<&TreeRoot>, root: &TreeRoot) -> String {
        match base {
            Some(base) => format!("{base}-{root}"),
            None => format!("none-{root}"),
        }
    }
}

impl Document for Offer {
    const WHAT: &'static str = "offer";
    const TYPE: u64 = 2;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::OFFER_BYTES_MAX;
}
