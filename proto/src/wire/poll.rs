//! The poll: one request that says what the node has and what happened, and its answer, which
//! carries what changed. The answer's body is `mask ‖ zstd(answer)`, where the bits of `mask` (u64,
//! big-endian) say which of the held documents, in the order of the request, are the zstd prefix.

use super::document::{Bytes, Document};
use crate::ids::{AppName, Digest, FrameRoot, NodeKeyId, TreeRoot};
use crate::{fields, limits};

/// The first 8 bytes of a document's SHA-256: enough to say which one is held.
pub type ShortDigest = [u8; 8];

/// The short digest of some bytes.
#[must_use]
pub fn short_digest(bytes: &[u8]) -> ShortDigest {
    let digest = Digest::of(bytes).0;
    std::array::from_fn(|i| digest.get(i).copied().unwrap_or_default())
}

/// The names of documents inside polls. Those that change keep one name for ever.
pub mod name {
    /// The newest root that the agent trusts. Newer ones come as `root/N`.
    pub const ROOT: &str = "root";
    /// The timestamp role's file.
    pub const TIMESTAMP: &str = "timestamp";
    /// The snapshot role's file.
    pub const SNAPSHOT: &str = "snapshot";
    /// The targets role's file.
    pub const TARGETS: &str = "targets";
    /// The file of the node's environment.
    pub const ENVIRONMENT: &str = "environment";
    /// The node's assignment.
    pub const ASSIGNMENT: &str = "assignment";
    /// The hold of all nodes.
    pub const HOLD_ALL: &str = "hold/all";
    /// The hold of this node.
    pub const HOLD_NODE: &str = "hold/node";
    /// One root of the chain.
    #[must_use]
    pub fn root(version: u64) -> String {
        format!("root/{version}")
    }
    /// A manifest by its digest.
    #[must_use]
    pub fn manifest(digest: &crate::ids::Digest) -> String {
        format!("manifest/{digest}")
    }
    /// An offer by its trees.
    #[must_use]
    pub fn offer(base: Option<&crate::ids::TreeRoot>, root: &crate::ids::TreeRoot) -> String {
        format!("offer/{}", crate::wire::offer::Offer::name(base, root))
    }
}

fields! {
    /// What the worker says of an app; a claim, for display and planning.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AppStatus ("app status") {
        /// The app.
        1 required app: AppName,
        /// The tree that `current` points to.
        2 optional root: TreeRoot,
        /// The phase's word, as in docs/update-states.
        3 optional phase: String,
        /// Bytes of the pack that are on disk.
        4 optional fetched_bytes: u64,
        /// The failure's number.
        5 optional code: u64,
    }
}

fields! {
    /// What the agent sends.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Poll ("poll") {
        /// Which node; the TLS certificate must be that node's.
        3 required node_key: NodeKeyId,
        /// The version of the root that it trusts.
        4 required root_version: u64,
        /// The documents that it holds, by name, in order of name.
        5 list held: (String, ShortDigest),
        /// Its apps.
        6 list apps: AppStatus,
        /// A signed delivery of receipts, if any wait.
        7 optional delivery: Bytes,
        /// The agent's version.
        8 required agent: String,
        /// Full packs too, for the apps whose patch could not be applied here.
        9 list full: AppName,
    }
}

impl Document for Poll {
    const WHAT: &'static str = "poll";
    const TYPE: u64 = 5;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::POLL_BYTES_MAX;
}

fields! {
    /// What the controller answers. A held name that is neither changed nor absent is as it was.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Answer ("answer") {
        /// New and changed documents by name.
        3 list documents: (String, Bytes),
        /// Names for which there is nothing: the explicit end of the root chain among them.
        4 list absent: String,
        /// The receipts that are kept: chain epoch and number of the last one.
        5 optional acknowledged: (u64, u64),
        /// Small packs, whole, as they would be served.
        6 list packs: (FrameRoot, Bytes),
    }
}

impl Document for Answer {
    const WHAT: &'static str = "answer";
    const TYPE: u64 = 6;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::POLL_BYTES_MAX;
}
