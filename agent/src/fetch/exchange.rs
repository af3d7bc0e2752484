//! One poll: what the node has goes up, what changed comes down. The worker only carries bytes: who
//! signed them is judged by the helper.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::ids::{AppName, Digest, NodeKeyId};
use sanaga_proto::limits::POLL_BYTES_MAX;
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::poll::{AppStatus, Poll, short_digest};
use sanaga_proto::wire::{Document, poll_body};

use super::FetchError;
use super::client::Host;

/// What is told to the controller.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The version of the root that is trusted.
    pub root_version: u64,
    /// The documents that are held, by their names in polls.
    pub held: BTreeMap<String, Vec<u8>>,
    /// The apps.
    pub apps: Vec<AppStatus>,
    /// A signed delivery of receipts.
    pub delivery: Option<Vec<u8>>,
    /// Apps for which a full pack is needed.
    pub full: Vec<AppName>,
}

/// What the controller said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// New and changed documents.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// What it does not have.
    pub absent: BTreeSet<String>,
    /// Small packs by their frame roots.
    pub packs: Vec<(Digest, Vec<u8>)>,
    /// Chain and number of the last receipt that it keeps.
    pub acknowledged: Option<(u64, u64)>,
    /// Whether anything came at all; otherwise all is as it was.
    pub news: bool,
}

/// Polls once.
///
/// # Errors
/// A fault of the link, the controller's refusal, or an answer that does not read.
pub async fn poll(host: &Host, node_key: NodeKeyId, told: Told) -> Result<Heard, FetchError> {
    let held: Vec<&[u8]> = told.held.values().map(Vec::as_slice).collect();
    let request = Poll {
        node_key,
        root_version: told.root_version,
        held: told
            .held
            .iter()
            .map(|(name, bytes)| (name.clone(), short_digest(bytes)))
            .collect(),
        apps: told.apps,
        delivery: told.delivery.map(Bytes),
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        full: told.full,
    };
    let Some(body) = host
        .post("/v1/poll", request.to_bytes(), POLL_BYTES_MAX)
        .await?
    else {
        return Ok(Heard::default());
    };
    let answer = poll_body::decode(&body, &held).map_err(|error| FetchError::BadAnswer {
        host: host.name().to_owned(),
        problem: error.to_string(),
    })?;
    Ok(Heard {
        documents: answer
            .documents
            .into_iter()
            .map(|(name, bytes)| (name, bytes.0))
            .collect(),
        absent: answer.absent.into_iter().collect(),
        packs: answer
            .packs
            .into_iter()
            .map(|(root, bytes)| (root, bytes.0))
            .collect(),
        acknowledged: answer.acknowledged,
        news: true,
    })
}
