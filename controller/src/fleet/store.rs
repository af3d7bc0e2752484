//! The store as the rest of the controller sees it.

use async_trait::async_trait;
use sanaga_proto::ids::{
    AppName, Digest, EnvironmentName, NodeKeyId, NodeName, ReleaseName, TreeRoot,
};
use sanaga_proto::wire::poll::ShortDigest;

use super::audit::AuditEntry;
use super::change::Batch;
use super::error::StoreError;
use super::facts::{PollFacts, PollQuery};
use super::model::{
    Controller, EnrolToken, Enrolment, Environment, Node, NodeApp, PollRecord, Redeemed, Site,
};
use super::published::{
    PendingRole, Release, RoleFile, Setting, StoredAssignment, StoredHold, StoredOffer, Waiting,
};
use super::receipts::{Kept, Receipt};

/// Keeps what the controller knows. Whatever a write returned without an error survives a power cut.
///
/// Lists are in order of name unless it is said otherwise. Every method may fail with the
/// [`StoreError`]s of a database: `Damaged`, `Full`, `Busy` or `Failed`; others are named.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Who this controller is.
    ///
    /// # Errors
    /// [`StoreError::Empty`] before the first [`super::Change::SetController`].
    async fn controller(&self) -> Result<Controller, StoreError>;
    /// All environments.
    async fn environments(&self) -> Result<Vec<Environment>, StoreError>;
    /// All sites.
    async fn sites(&self) -> Result<Vec<Site>, StoreError>;
    /// All nodes, revoked ones too.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;
    /// A node by its name.
    async fn node(&self, name: &NodeName) -> Result<Option<Node>, StoreError>;
    /// A node by its present key; a key that another took the place of finds nothing.
    async fn node_by_key(&self, key: &NodeKeyId) -> Result<Option<Node>, StoreError>;
    /// The apps of one node, or of all, in order of node and app.
    async fn node_apps(&self, node: Option<&NodeName>) -> Result<Vec<NodeApp>, StoreError>;
    /// All tokens, newest first.
    async fn tokens(&self) -> Result<Vec<EnrolToken>, StoreError>;
    /// A token by the SHA-256 of its secret.
    async fn token(&self, secret_hash: &Digest) -> Result<Option<EnrolToken>, StoreError>;

    /// The current file of a role.
    async fn role(&self, role: &str) -> Result<Option<RoleFile>, StoreError>;
    /// One version of a role's file.
    async fn role_version(&self, role: &str, version: u64) -> Result<Option<RoleFile>, StoreError>;
    /// The current files of all roles.
    async fn roles(&self) -> Result<Vec<RoleFile>, StoreError>;
    /// The versions that wait for signatures.
    async fn pending(&self) -> Result<Vec<PendingRole>, StoreError>;

    /// All releases, in order of app and then of first publishing.
    async fn releases(&self) -> Result<Vec<Release>, StoreError>;
    /// One release.
    async fn release(&self, name: &ReleaseName) -> Result<Option<Release>, StoreError>;
    /// The release that has this manifest.
    async fn release_by_manifest(&self, manifest: &Digest) -> Result<Option<Release>, StoreError>;
    /// The releases of an app whose tree is this one (the same tree may have several versions).
    async fn releases_by_root(&self, root: &TreeRoot) -> Result<Vec<Release>, StoreError>;
    /// The offers that lead to a tree, cheapest first.
    async fn offers_to(&self, root: &TreeRoot) -> Result<Vec<StoredOffer>, StoreError>;
    /// The trees of an app that nodes run, by claim or receipt, with how many run each, most first;
    /// of one environment, or of all. What patches are made from.
    async fn running_roots(
        &self,
        app: &AppName,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<(TreeRoot, u64)>, StoreError>;

    /// The current assignment of a node.
    async fn assignment(&self, node: &NodeName) -> Result<Option<StoredAssignment>, StoreError>;
    /// All assignments of a node, newest first.
    async fn assignments(&self, node: &NodeName) -> Result<Vec<StoredAssignment>, StoreError>;
    /// All settings, in order of app, name and scope.
    async fn settings(&self) -> Result<Vec<Setting>, StoreError>;
    /// The current hold of each scope, those that are over too; the one for all first.
    async fn holds(&self) -> Result<Vec<StoredHold>, StoreError>;

    /// Receipts of a node (by name, under whatever keys it had), newest first, at most `limit`.
    async fn receipts(&self, node: &NodeName, limit: u64) -> Result<Vec<Receipt>, StoreError>;
    /// Entries of the audit log after number `after`, in order, at most `limit`.
    async fn audit(&self, after: u64, limit: u64) -> Result<Vec<AuditEntry>, StoreError>;
    /// Recomputes the audit log's hashes; gives the number of the first entry that does not fit.
    async fn audit_break(&self) -> Result<Option<u64>, StoreError>;

    /// What a poll's answer is decided from, at one moment.
    async fn poll_facts(&self, query: PollQuery) -> Result<PollFacts, StoreError>;
    /// A kept document by its SHA-256.
    async fn document(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// Kept documents by the first 8 bytes of their SHA-256, in the order asked, old versions too.
    async fn documents_by_short(
        &self,
        digests: &[ShortDigest],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Files that are committed and not yet published, in order, at most `limit`.
    async fn waiting(&self, limit: u64) -> Result<Vec<Waiting>, StoreError>;
    /// Takes files out of the outbox: those up to and including `sequence`.
    async fn published(&self, sequence: u64) -> Result<(), StoreError>;

    /// Makes some changes, all or none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a version, generation, number, counter or name does not follow
    /// what is there.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError>;
    /// Uses a token and adds the node that it makes.
    async fn redeem(&self, enrolment: Enrolment) -> Result<Redeemed, StoreError>;
    /// Keeps what a poll says: contact, claims and receipts.
    async fn record_poll(&self, record: PollRecord) -> Result<Kept, StoreError>;
}
