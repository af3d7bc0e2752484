//! The controller itself, its environments, sites and nodes, and how a node joins.

use std::fmt;

use sanaga_proto::ids::{
    AppName, Digest, EnvironmentName, Generation, NodeKeyId, NodeName, RepositoryId, SiteName,
    TreeRoot, Version,
};
use sanaga_proto::wire::poll::AppStatus;
use sanaga_proto::wire::receipt::{Delivery, EventKind};

use super::published::StoredAssignment;

/// How often a node polls when nothing says it, seconds.
pub const POLL_INTERVAL_S: u64 = 900;

/// What a megabyte (10⁶ bytes) costs at the sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Thousandths of the currency per megabyte.
    pub thousandths_per_mb: u64,
    /// The currency's code: `XAF`.
    pub currency: String,
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (
            self.thousandths_per_mb / 1_000,
            self.thousandths_per_mb % 1_000,
        );
        let decimals = format!("{rest:03}");
        let decimals = decimals.trim_end_matches('0');
        let decimals = if decimals.is_empty() { "0" } else { decimals };
        write!(f, "{whole}.{decimals} {}/MB", self.currency)
    }
}

/// Who this controller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// What people call it.
    pub name: String,
    /// Where nodes reach it, without a path: `https://deploy.example.cm:8443`.
    pub url: String,
    /// The SHA-256 of 1.root.json.
    pub repository: RepositoryId,
    /// What data costs.
    pub price: Price,
    /// Where packs are, in order of preference; empty means `url`.
    pub content_urls: Vec<String>,
    /// When it was made, seconds since 1970.
    pub created_at_s: u64,
}

/// An environment; its keys are those of the TUF role of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// How often its nodes poll, seconds.
    pub poll_interval_s: u64,
    /// The most bytes that one update may fetch by itself; none for no limit.
    pub download_bytes_max: Option<u64>,
}

/// A place with one uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// When it was first named, seconds since 1970.
    pub created_at_s: u64,
}

/// A machine with an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique in the repository.
    pub name: NodeName,
    /// Where it stands.
    pub site: SiteName,
    /// Its environment, fixed at enrolment.
    pub environment: EnvironmentName,
    /// The SHA-256 of its signing key.
    pub key: NodeKeyId,
    /// Its signing key: 32 raw Ed25519 bytes.
    pub public_key: [u8; 32],
    /// The serial number of its newest TLS certificate.
    pub certificate_serial: Vec<u8>,
    /// When that expires, seconds since 1970.
    pub certificate_expires_at_s: u64,
    /// When it joined with this key, seconds since 1970.
    pub enrolled_at_s: u64,
    /// When its key was refused, if it was, seconds since 1970.
    pub revoked_at_s: Option<u64>,
    /// Its last poll, seconds since 1970.
    pub contact_at_s: Option<u64>,
    /// The agent's version at that poll.
    pub agent: Option<String>,
    /// The root version that it trusted then.
    pub root_version: Option<u64>,
    /// Why its last delivery of receipts was not taken; none when all is well.
    pub receipts_problem: Option<String>,
}

/// What the worker of a node says of an app: a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it says.
    pub status: AppStatus,
    /// When it said so, seconds since 1970, by the controller's clock.
    pub at_s: u64,
}

/// What signed receipts prove of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipted {
    /// The last event of this app.
    pub last: EventKind,
    /// The version that the event is about.
    pub version: Option<Version>,
    /// The assignment that asked for it.
    pub generation: Option<Generation>,
    /// The failure's number, if it was one.
    pub code: Option<u64>,
    /// Which chain of the node, and which number in it.
    pub epoch: u64,
    /// The number of the receipt.
    pub number: u64,
    /// When the controller took it in, seconds since 1970.
    pub taken_at_s: u64,
    /// The release that runs: the last one committed, or gone back to.
    pub installed: Option<(Version, TreeRoot)>,
}

/// One app of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeApp {
    /// The node.
    pub node: NodeName,
    /// The app.
    pub app: AppName,
    /// What the node says.
    pub claim: Option<Claim>,
    /// What it has proved.
    pub receipted: Option<Receipted>,
}

/// An enrolment token that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolToken {
    /// The SHA-256 of its secret; the secret itself is not kept.
    pub secret_hash: Digest,
    /// The node that it makes.
    pub node: NodeName,
    /// Where that stands.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// When it was made, seconds since 1970.
    pub created_at_s: u64,
    /// Until when it is good, seconds since 1970.
    pub expires_at_s: u64,
    /// Who used it, if somebody did.
    pub used: Option<TokenUse>,
}

/// How a token was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// When, seconds since 1970.
    pub at_s: u64,
    /// By which node key.
    pub node_key: NodeKeyId,
    /// The SHA-256 of the certificate request that was answered.
    pub csr: Digest,
    /// The answer, so that a lost one can be given again.
    pub welcome: Vec<u8>,
}

/// Everything that one enrolment writes, in one transaction.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Which token.
    pub secret_hash: Digest,
    /// How it is used; `at_s` is also when the node is enrolled.
    pub used: TokenUse,
    /// The node; takes the place of one of the same name.
    pub node: Node,
    /// Its first assignment under this key.
    pub assignment: StoredAssignment,
}

/// What became of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The node is enrolled.
    Enrolled,
    /// Somebody used the token in the meantime.
    UsedBefore(TokenUse),
    /// There is no such token.
    Unknown,
}

/// What one poll leaves behind, in one transaction.
#[derive(Debug, Clone)]
pub struct PollRecord {
    /// Which node.
    pub node_key: NodeKeyId,
    /// When, seconds since 1970.
    pub at_s: u64,
    /// The agent's version.
    pub agent: String,
    /// The root version that it trusts.
    pub root_version: u64,
    /// What it says of its apps; takes the place of what it said before.
    pub apps: Vec<AppStatus>,
    /// Receipts whose signature was checked, or why they were refused before that.
    pub delivery: Option<Result<Delivery, BadDelivery>>,
}

/// Receipts that were not taken, because they do not read or the node did not sign them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDelivery {
    /// The chain that they say they are of; 0 when they do not even say that.
    pub epoch: u64,
    /// What is wrong with them.
    pub problem: String,
}
