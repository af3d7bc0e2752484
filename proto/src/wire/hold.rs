//! The hold: a numbered stop order. The highest number of a scope wins; a local roll back stays allowed.

use super::document::Document;
use crate::fields;
use crate::ids::{NodeKeyId, RepositoryId};
use crate::limits;

fields! {
    /// A stop order, or its end.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Hold ("hold") {
        /// Which repository.
        3 required repository: RepositoryId,
        /// The node that it stops; none for all.
        4 optional node_key: NodeKeyId,
        /// Grows with each hold of this scope.
        5 required number: u64,
        /// True to stop, false to go on.
        6 required on: bool,
    }
}

impl Hold {
    /// The scope's name in paths: `all`, or the node's key.
    #[must_use]
    pub fn scope(node_key: Option<&NodeKeyId>) -> String {
        node_key.map_or_else(|| "all".to_owned(), ToString::to_string)
    }
}

impl Document for Hold {
    const WHAT: &'static str = "hold";
    const TYPE: u64 = 3;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::HOLD_BYTES_MAX;
}
