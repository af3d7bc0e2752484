//! `POST /v1/poll`: receipts in, durably; what changed out, compressed against what the node holds.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use http::StatusCode;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::limits;
use sanaga_proto::trust::to_rfc3339;
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::poll::{Answer, Poll, name};
use sanaga_proto::wire::receipt::Delivery;
use sanaga_proto::wire::{Document as _, envelope, poll_body};

use super::Api;
use super::answer::{Plan, plan, running};
use super::listen::Peer;
use super::reply::{self, Reply};
use crate::fleet::{
    BadDelivery, Kept, Node, PollQuery, PollRecord, StoreError, open_delivery, path,
};

/// Held documents that are looked up to serve as prefix.
const PREFIX_LOOKUPS_MAX: usize = poll_body::PREFIX_DOCUMENTS_MAX;

pub(super) async fn serve(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Reply {
    // Nothing is read from somebody who has no certificate.
    let identity = match certified(&api, &peer) {
        Ok(identity) => identity,
        Err(failure) => return reply::refuse(&failure),
    };
    let bytes = match api.read(body, limits::POLL_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(reply) => return reply,
    };
    let poll = match Poll::from_bytes(&bytes) {
        Ok(poll) => poll,
        Err(error) => return reply::malformed(&error),
    };
    if poll.node_key != identity {
        let failure = Failure::new(code::NOT_FOR_US)
            .arg("what", "certificate")
            .arg("expected", poll.node_key.short())
            .arg("found", identity.short());
        return reply::refuse(&failure);
    }
    match api.context.store.node_by_key(&poll.node_key).await {
        Ok(Some(node)) if node.revoked_at_s.is_none() => answer(&api, poll, &node)
            .await
            .unwrap_or_else(|error| reply::stored(&error)),
        Ok(Some(node)) => reply::refuse(&refused(&node.name)),
        Ok(None) => reply::refuse(&refused(&poll.node_key.short())),
        Err(error) => reply::stored(&error),
    }
}

/// The refusal of a node's key.
pub(super) fn refused(node: &dyn std::fmt::Display) -> Failure {
    Failure::new(code::NODE_REFUSED).arg("node", node)
}

/// The node key that the client's certificate names, while that holds.
fn certified(api: &Api, peer: &Peer) -> Result<sanaga_proto::ids::NodeKeyId, Failure> {
    let identity = peer.identity.as_ref().ok_or_else(|| {
        Failure::new(code::BAD_SIGNATURE)
            .arg("role", "certificate")
            .arg("problem", "the node presents none")
    })?;
    if api.context.now_s() > identity.expires_at_s {
        let expired = i64::try_from(identity.expires_at_s).unwrap_or(i64::MAX);
        return Err(Failure::new(code::EXPIRED)
            .arg("role", "certificate")
            .arg("expired", to_rfc3339(expired)));
    }
    Ok(identity.node_key)
}

async fn answer(api: &Api, poll: Poll, node: &Node) -> Result<Reply, StoreError> {
    let store = &api.context.store;
    let delivery = match &poll.delivery {
        Some(bytes) => Some(delivery(api, &bytes.0, node).await?),
        None => None,
    };
    let delivered = delivery.is_some();
    let kept = store
        .record_poll(PollRecord {
            node_key: node.key,
            at_s: api.context.now_s(),
            agent: poll.agent.chars().take(64).collect(),
            root_version: poll.root_version,
            apps: poll.apps.iter().take(limits::APPS_MAX).cloned().collect(),
            delivery,
        })
        .await?;
    let facts = store
        .poll_facts(PollQuery {
            node_key: node.key,
            root_version: poll.root_version,
            running: running(&poll),
        })
        .await?;
    let plan = plan(&poll, &facts);
    if plan.is_empty() && kept.problem.is_none() {
        // Also acknowledges all receipts of the request.
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    let answer = gather(api, &plan, kept, delivered).await?;
    let prefix = prefix(api, &poll, &plan).await?;
    let body = tokio::task::spawn_blocking(move || {
        let held: Vec<Option<&[u8]>> = prefix.iter().map(Option::as_deref).collect();
        poll_body::encode(&answer, &held)
    })
    .await;
    match body {
        Ok(Ok(body)) => Ok(reply::bytes(body)),
        Ok(Err(error)) => Ok(reply::fault(&error)),
        Err(error) => Err(StoreError::Failed {
            operation: "encode an answer",
            cause: Box::new(error),
        }),
    }
}

/// Opens what the node delivers. Receipts that are not the node's are no reason to keep an update
/// from it: they are refused, and the rest of the poll goes on.
async fn delivery(
    api: &Api,
    bytes: &[u8],
    node: &Node,
) -> Result<Result<Delivery, BadDelivery>, StoreError> {
    let repository = api.context.store.controller().await?.repository;
    let opened = open_delivery(bytes, &node.key, &node.public_key, &repository);
    Ok(opened.map_err(|error| BadDelivery {
        epoch: envelope::peek::<Delivery>(bytes).map_or(0, |delivery| delivery.epoch),
        problem: error.to_string(),
    }))
}

/// Fetches what is to be sent.
async fn gather(api: &Api, plan: &Plan, kept: Kept, delivered: bool) -> Result<Answer, StoreError> {
    let mut answer = Answer {
        documents: Vec::with_capacity(plan.documents.len()),
        absent: plan.absent.clone(),
        acknowledged: kept.acknowledged.filter(|_| delivered),
        packs: Vec::new(),
    };
    answer.absent.extend(plan.no_root.map(name::root));
    for (name, digest) in &plan.documents {
        // Documents are never removed, so one that was named a moment ago is there.
        if let Some(bytes) = api.context.store.document(digest).await? {
            answer.documents.push((name.clone(), Bytes(bytes)));
        }
    }
    for frame_root in &plan.packs {
        let path = path::pack(frame_root);
        let read = api
            .context
            .repository
            .get(&path, limits::INLINE_PACK_BYTES_MAX);
        // Without it the node fetches the pack by itself.
        match read.await {
            Ok(Some(bytes)) => answer.packs.push((*frame_root, Bytes(bytes.to_vec()))),
            Ok(None) => tracing::warn!(%path, "an offered pack is not published"),
            Err(error) => tracing::warn!(%path, %error, "an offered pack cannot be read"),
        }
    }
    Ok(answer)
}

/// The held documents that what is sent may resemble: small ones, and former versions.
async fn prefix(api: &Api, poll: &Poll, plan: &Plan) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let sent = |name: &str| plan.documents.iter().any(|(sent, _)| sent == name);
    let useful = |name: &str| match name {
        name::SNAPSHOT | name::TARGETS | name::ENVIRONMENT => sent(name),
        _ => true,
    };
    let held = poll.held.iter().take(PREFIX_LOOKUPS_MAX);
    let wanted: Vec<bool> = held.clone().map(|(name, _)| useful(name)).collect();
    let digests: Vec<_> = held
        .zip(&wanted)
        .filter(|(_, wanted)| **wanted)
        .map(|((_, digest), _)| *digest)
        .collect();
    let mut found = api
        .context
        .store
        .documents_by_short(&digests)
        .await?
        .into_iter();
    Ok(wanted
        .into_iter()
        .map(|wanted| wanted.then(|| found.next().flatten()).flatten())
        .collect())
}
