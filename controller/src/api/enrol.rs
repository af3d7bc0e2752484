//! `POST /v1/enroll` and `POST /v1/renew`: they need no certificate. Who holds a token, or a node's
//! key, gets one; months in the dark heal by themselves.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, RepositoryId};
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::enrol::{EnrolRequest, RenewRequest, Welcome};
use sanaga_proto::wire::{Document, WireError, envelope};

use super::Api;
use super::authority::Issued;
use super::poll::refused;
use super::reply::{self, Reply};
use crate::fleet::{
    Batch, Change, EnrolToken, Enrolment, Node, NodeKey, Note, Redeemed, StoreError,
    StoredAssignment, TokenUse, Verdict, first_assignment, judge, publish_waiting, used_before,
};

/// An envelope around a request, bytes more than the request itself.
const ENVELOPE_BYTES: u64 = 256;

/// Why a request is not granted.
enum No {
    /// It does not read.
    Malformed(WireError),
    /// It may not be.
    Refused(Failure),
    /// We cannot.
    Store(StoreError),
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for No {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<WireError> for No {
    fn from(error: WireError) -> Self {
        match error {
            WireError::BadSignature { .. } => Self::Refused(Failure::of(error)),
            WireError::Malformed { .. } | WireError::TooBig { .. } | WireError::TooNew { .. } => {
                Self::Malformed(error)
            }
        }
    }
}

fn reply(result: Result<Vec<u8>, No>) -> Reply {
    match result {
        Ok(welcome) => reply::bytes(welcome),
        Err(No::Malformed(error)) => reply::malformed(&error),
        Err(No::Refused(failure)) => {
            tracing::warn!(%failure, "refused");
            reply::refuse(&failure)
        }
        Err(No::Store(error)) => reply::stored(&error),
    }
}

/// A node joins.
pub(super) async fn enrol(State(api): State<Arc<Api>>, body: Body) -> Reply {
    match api
        .read(body, EnrolRequest::BYTES_MAX + ENVELOPE_BYTES)
        .await
    {
        Ok(bytes) => reply(join(&api, &bytes).await),
        Err(reply) => reply,
    }
}

async fn join(api: &Api, bytes: &[u8]) -> Result<Vec<u8>, No> {
    // The key is inside; the signature proves that the node has it.
    let claimed: EnrolRequest = envelope::peek(bytes)?;
    let request: EnrolRequest = envelope::open(bytes, &[&NodeKey(&claimed.node_key)])?;
    let store = &api.context.store;
    let (node_key, csr) = (Digest::of(&request.node_key), Digest::of(&request.csr.0));
    let secret_hash = Digest::of(&request.secret);
    let token = store.token(&secret_hash).await?;
    let known = store.node_by_key(&node_key).await?;
    let now_s = api.context.now_s();
    match judge(token.as_ref(), known.as_ref(), &node_key, &csr, now_s)? {
        Verdict::Again(welcome) => return Ok(welcome),
        Verdict::Join | Verdict::Reissue => {}
    }
    let token = token.ok_or_else(|| Failure::new(code::TOKEN_UNKNOWN))?;
    let enrolment = prepare(api, &token, &request, now_s).await?;
    let welcome = enrolment.used.welcome.clone();
    match store.redeem(enrolment).await? {
        Redeemed::Enrolled => {}
        Redeemed::UsedBefore(used) => return Err(used_before(&token, &used).into()),
        Redeemed::Unknown => return Err(Failure::new(code::TOKEN_UNKNOWN).into()),
    }
    publish(api).await;
    tracing::info!(node = %token.node, site = %token.site, "enrolled");
    Ok(welcome)
}

/// Everything that the enrolment will write.
async fn prepare(
    api: &Api,
    token: &EnrolToken,
    request: &EnrolRequest,
    now_s: u64,
) -> Result<Enrolment, No> {
    let store = &api.context.store;
    let controller = store.controller().await?;
    let key = Digest::of(&request.node_key);
    let issued = issue(api, &request.csr.0, token, &key, now_s)?;
    let root = first_root(api, &controller.repository).await?;
    let node = Node {
        name: token.node.clone(),
        site: token.site.clone(),
        environment: token.environment.clone(),
        key,
        public_key: request.node_key,
        certificate_serial: issued.serial.clone(),
        certificate_expires_at_s: issued.expires_at_s,
        enrolled_at_s: now_s,
        revoked_at_s: None,
        contact_at_s: None,
        agent: None,
        root_version: None,
        receipts_problem: None,
    };
    let former = store.assignment(&node.name).await?;
    let environments = store.environments().await?;
    let document = first_assignment(&controller, &environments, &node, former.as_ref(), now_s);
    let signed =
        envelope::seal(&document, api.context.director().await?.as_ref()).map_err(Failure::of)?;
    Ok(Enrolment {
        secret_hash: token.secret_hash,
        used: TokenUse {
            at_s: now_s,
            node_key: key,
            csr: Digest::of(&request.csr.0),
            welcome: welcome(api, issued, Some(root)).to_bytes(),
        },
        assignment: StoredAssignment {
            document,
            signed,
            actor: format!("node:{}", node.name),
        },
        node,
    })
}

fn issue(
    api: &Api,
    csr: &[u8],
    token: &EnrolToken,
    key: &Digest,
    now_s: u64,
) -> Result<Issued, No> {
    api.authority
        .node(csr, &token.node, key, now_s)
        .map_err(|error| {
            No::Malformed(WireError::malformed(
                "certificate request",
                error.to_string(),
            ))
        })
}

/// 1.root.json, which the token names by its digest.
async fn first_root(api: &Api, repository: &RepositoryId) -> Result<Vec<u8>, No> {
    let root = api.context.store.role_version("root", 1).await?;
    root.map(|root| root.bytes)
        .filter(|bytes| Digest::of(bytes) == *repository)
        .ok_or_else(|| {
            Failure::new(code::MISSING_DOCUMENT)
                .arg("what", "1.root.json")
                .into()
        })
}

fn welcome(api: &Api, issued: Issued, root: Option<Vec<u8>>) -> Welcome {
    Welcome {
        certificate: Bytes(issued.certificate),
        ca: Bytes(api.authority.certificate().to_vec()),
        root: root.map(Bytes),
    }
}

/// A node gets a new certificate.
pub(super) async fn renew(State(api): State<Arc<Api>>, body: Body) -> Reply {
    match api
        .read(body, RenewRequest::BYTES_MAX + ENVELOPE_BYTES)
        .await
    {
        Ok(bytes) => reply(renewed(&api, &bytes).await),
        Err(reply) => reply,
    }
}

async fn renewed(api: &Api, bytes: &[u8]) -> Result<Vec<u8>, No> {
    let claimed: RenewRequest = envelope::peek(bytes)?;
    let store = &api.context.store;
    let node = store.node_by_key(&claimed.node_key).await?;
    let node = node
        .filter(|node| node.revoked_at_s.is_none())
        .ok_or_else(|| refused(&claimed.node_key.short()))?;
    let request: RenewRequest = envelope::open(bytes, &[&NodeKey(&node.public_key)])?;
    let now_s = api.context.now_s();
    let issued = api
        .authority
        .node(&request.csr.0, &node.name, &node.key, now_s)
        .map_err(|error| WireError::malformed("certificate request", error.to_string()))?;
    let note = Note::new("renew certificate", format!("node {}", node.name));
    let change = Change::SetCertificate {
        node: node.name.clone(),
        serial: issued.serial.clone(),
        expires_at_s: issued.expires_at_s,
    };
    let actor = format!("node:{}", node.name);
    store
        .commit(Batch::new(now_s, actor, note).with(change))
        .await?;
    Ok(welcome(api, issued, None).to_bytes())
}

/// Publishes the node's assignment. A fault does not take the enrolment back: the file waits in the
/// outbox, and polls are answered from the database.
async fn publish(api: &Api) {
    let done = publish_waiting(api.context.store.as_ref(), &api.context.repository).await;
    if let Err(error) = done {
        tracing::error!(%error, "a new assignment is not published yet");
    }
}
