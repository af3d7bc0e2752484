//! What a poll's answer is decided from: names and digests, read at one moment. The bytes are
//! fetched by digest afterwards, and only those that are sent.

use std::collections::BTreeMap;

use sanaga_proto::ids::{AppName, Digest, FrameRoot, NodeKeyId, TreeRoot};

/// What is asked.
#[derive(Debug, Clone)]
pub struct PollQuery {
    /// Which node.
    pub node_key: NodeKeyId,
    /// The root version that it trusts.
    pub root_version: u64,
    /// The trees that it runs, by app.
    pub running: BTreeMap<AppName, Vec<TreeRoot>>,
}

/// A kept document, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentRef {
    /// Its SHA-256; [`super::Store::document`] gives its bytes.
    pub digest: Digest,
    /// Its length, bytes.
    pub bytes: u64,
}

/// What there is for a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PollFacts {
    /// Roots after the one that the node trusts, in order of version.
    pub roots: Vec<(u64, DocumentRef)>,
    /// The newest root version.
    pub root_version: u64,
    /// The documents that keep one name for ever (see `wire::poll::name`), by that name.
    pub named: BTreeMap<&'static str, DocumentRef>,
    /// The releases of the node's assignment.
    pub assigned: Vec<AssignedFacts>,
}

/// One release of the node's assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedFacts {
    /// The app.
    pub app: AppName,
    /// Its manifest.
    pub manifest: DocumentRef,
    /// The tree that it describes.
    pub root: TreeRoot,
    /// The full offer and those from trees that the node runs.
    pub offers: Vec<OfferFacts>,
}

/// One way to a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferFacts {
    /// Where it starts; none for a full pack.
    pub base: Option<TreeRoot>,
    /// The signed offer.
    pub document: DocumentRef,
    /// The pack's name.
    pub frame_root: FrameRoot,
    /// The pack as it is served, bytes.
    pub file_bytes: u64,
}
