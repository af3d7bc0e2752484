//! Taking in receipts: delivered at least once, counted once. Whether a delivery continues what is
//! kept is decided here, from its bytes and the hashes that are kept.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use sanaga_proto::ids::{Digest, NodeKeyId, RepositoryId};
use sanaga_proto::limits;
use sanaga_proto::wire::WireError;
use sanaga_proto::wire::envelope::{self, Algorithm, EnvelopeVerifier};
use sanaga_proto::wire::receipt::{Delivery, Event, chain_start};

/// A receipt that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The key of the node at that time.
    pub node_key: NodeKeyId,
    /// Which chain of that key.
    pub epoch: u64,
    /// Its number there.
    pub number: u64,
    /// What happened.
    pub event: Event,
    /// The hash of the chain after it.
    pub hash: Digest,
    /// When it was taken in, seconds since 1970.
    pub taken_at_s: u64,
}

/// How far a chain is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of the last receipt; 0 before the first.
    pub number: u64,
    /// The hash after it.
    pub hash: Digest,
}

impl ChainHead {
    /// A chain of which nothing is kept.
    #[must_use]
    pub fn start(node_key: &NodeKeyId, epoch: u64) -> Self {
        Self {
            number: 0,
            hash: chain_start(node_key, epoch),
        }
    }
}

/// What a store answers to a delivery: the last receipt that is kept, and how many were new.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Chain epoch and number of the last receipt that is kept; none without a delivery that could
    /// be read.
    pub acknowledged: Option<(u64, u64)>,
    /// Receipts that were not there before.
    pub added: u64,
    /// Why the delivery was refused, if it was.
    pub problem: Option<String>,
}

/// What a delivery adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intake {
    /// These receipts, each with its number and the hash after it; none when all were known.
    Add(Vec<(u64, Event, Digest)>),
    /// Nothing: it does not continue what is kept.
    Refuse(String),
}

/// Opens a delivery and checks who signed it and for which repository.
///
/// # Errors
/// [`WireError`] when it is not readable, not signed by the node's key, or somebody else's.
pub fn open_delivery(
    bytes: &[u8],
    node_key: &NodeKeyId,
    public_key: &[u8; 32],
    repository: &RepositoryId,
) -> Result<Delivery, WireError> {
    let delivery: Delivery = envelope::open(bytes, &[&NodeKey(public_key)])?;
    let other = |problem: &str| Err(WireError::malformed("receipt delivery", problem));
    if delivery.node_key != *node_key {
        return other("is of another node");
    }
    if delivery.repository != *repository {
        return other("is for another repository");
    }
    if delivery.events.is_empty() || delivery.events.len() > limits::RECEIPTS_PER_DELIVERY_MAX {
        return other("has no receipts, or too many");
    }
    if delivery.first == 0
        || delivery
            .first
            .checked_add(delivery.events.len() as u64)
            .is_none()
    {
        return other("has impossible numbers");
    }
    Ok(delivery)
}

/// Decides what a delivery adds to a chain. `known` gives the kept hash after receipt `n` (for 0,
/// the chain's start).
#[must_use]
pub fn take_in(
    delivery: &Delivery,
    kept: ChainHead,
    known: &dyn Fn(u64) -> Option<Digest>,
) -> Intake {
    if delivery.first > kept.number.saturating_add(1) {
        return Intake::Refuse(format!(
            "receipts {} to {} are missing",
            kept.number.saturating_add(1),
            delivery.first.saturating_sub(1)
        ));
    }
    let Some(mut hash) = known(delivery.first.saturating_sub(1)) else {
        return Intake::Refuse("the receipt before it is not kept".to_owned());
    };
    if !delivery.follows(&hash) {
        return Intake::Refuse("its head does not follow from what is kept".to_owned());
    }
    let mut added = Vec::new();
    for (number, event) in (delivery.first..).zip(&delivery.events) {
        hash = event.chain(&hash);
        if number > kept.number {
            added.push((number, event.clone(), hash));
        } else if known(number) != Some(hash) {
            return Intake::Refuse(format!("receipt {number} is kept with other content"));
        }
    }
    Intake::Add(added)
}

/// A node's signing key.
pub(crate) struct NodeKey<'a>(pub(crate) &'a [u8; 32]);

impl EnvelopeVerifier for NodeKey<'_> {
    fn verify(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        algorithm == Algorithm::EdDsa
            && UnparsedPublicKey::new(&ED25519, self.0)
                .verify(bytes, signature)
                .is_ok()
    }
}
