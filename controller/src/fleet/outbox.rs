//! The outbox: files whose content is committed and which must still be put where nodes and caches
//! find them. A crash between the two leaves them here, and the next call goes on.

use sanaga_proto::ids::{Digest, NodeKeyId, TreeRoot};

use super::error::StoreError;
use super::store::Store;
use crate::repository::Repository;

/// How many files one look at the outbox takes.
const FILES_PER_LOOK: u64 = 64;

/// Publishes everything that waits, in the order in which it was committed; returns how many files.
///
/// # Errors
/// [`StoreError::Publish`] with the path that could not be written; it and what follows stay.
pub async fn publish_waiting(
    store: &dyn Store,
    repository: &Repository,
) -> Result<u64, StoreError> {
    let _turn = repository.outbox.lock().await;
    let mut count = 0;
    loop {
        let waiting = store.waiting(FILES_PER_LOOK).await?;
        let Some(last) = waiting.last().map(|file| file.sequence) else {
            return Ok(count);
        };
        for file in waiting {
            let path = file.path.clone();
            repository
                .put(&file.path, file.bytes)
                .await
                .map_err(|error| StoreError::Publish {
                    path,
                    cause: Box::new(error),
                })?;
            count += 1;
        }
        store.published(last).await?;
    }
}

/// The paths of published files below `/v1/`.
pub mod path {
    use super::{Digest, NodeKeyId, TreeRoot};
    use sanaga_proto::wire::hold::Hold;
    use sanaga_proto::wire::offer::Offer;

    /// A role's file: `tuf/3.root.json`; the timestamp has no number.
    #[must_use]
    pub fn role(role: &str, version: u64) -> String {
        if role == "timestamp" {
            "tuf/timestamp.json".to_owned()
        } else {
            format!("tuf/{version}.{role}.json")
        }
    }
    /// A manifest.
    #[must_use]
    pub fn manifest(digest: &Digest) -> String {
        format!("manifest/{digest}")
    }
    /// An offer.
    #[must_use]
    pub fn offer(base: Option<&TreeRoot>, root: &TreeRoot) -> String {
        format!("offer/{}", Offer::name(base, root))
    }
    /// A pack, by its frame root.
    #[must_use]
    pub fn pack(frame_root: &Digest) -> String {
        format!("pack/{frame_root}")
    }
    /// A node's assignment.
    #[must_use]
    pub fn assignment(node_key: &NodeKeyId) -> String {
        format!("assignment/{node_key}")
    }
    /// A hold.
    #[must_use]
    pub fn hold(node_key: Option<&NodeKeyId>) -> String {
        format!("hold/{}", Hold::scope(node_key))
    }
}
