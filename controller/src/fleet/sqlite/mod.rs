//! The store in one SQLite file: one thread that writes, a few connections that read. No type of
//! rusqlite leaves this folder.

mod open;
mod read_fleet;
mod read_poll;
mod read_published;
mod row;
mod write;
mod write_poll;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use sanaga_proto::ids::{
    AppName, Digest, EnvironmentName, NodeKeyId, NodeName, ReleaseName, TreeRoot,
};
use sanaga_proto::wire::poll::ShortDigest;
use tokio::sync::Semaphore;

use self::open::Fault;
use self::writer::Writer;
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
use super::store::Store;

/// Connections that read at the same time.
const READERS_MAX: usize = 4;

/// A controller's database.
pub struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.readers.path.display())
    }
}

impl Sqlite {
    /// Opens the database and brings it to the newest version; an absent one is made, empty.
    ///
    /// # Errors
    /// [`StoreError::TooNew`], [`StoreError::Damaged`], [`StoreError::NotWritable`],
    /// [`StoreError::Busy`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = open::writer(path).map_err(|fault| fault.told(path, "open the database"))?;
        Ok(Self {
            writer: Writer::start(db, path)?,
            readers: Arc::new(Readers {
                path: path.to_owned(),
                idle: Mutex::default(),
                turns: Arc::new(Semaphore::new(READERS_MAX)),
            }),
        })
    }

    /// Reads at one moment.
    async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Failed {
            operation,
            cause,
        };
        let turn = Arc::clone(&readers.turns)
            .acquire_owned()
            .await
            .map_err(|error| failed(Box::new(error)))?;
        tokio::task::spawn_blocking(move || {
            let result = readers
                .run(work)
                .map_err(|fault| fault.told(&readers.path, operation));
            drop(turn);
            result
        })
        .await
        .map_err(|error| failed(Box::new(error)))?
    }
}

impl Readers {
    fn run<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let db = match kept {
            Some(db) => db,
            None => open::reader(&self.path)?,
        };
        // A read transaction sees one moment; it ends without a trace.
        let moment = db.unchecked_transaction()?;
        let result = work(&moment)?;
        moment.finish()?;
        idle().push(db);
        Ok(result)
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn controller(&self) -> Result<Controller, StoreError> {
        let path = self.readers.path.display().to_string();
        self.read("read the controller", move |db| {
            read_fleet::controller(db)?.ok_or(Fault::Store(StoreError::Empty { path }))
        })
        .await
    }

    async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        self.read("list environments", read_fleet::environments)
            .await
    }

    async fn sites(&self) -> Result<Vec<Site>, StoreError> {
        self.read("list sites", read_fleet::sites).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.read("list nodes", read_fleet::nodes).await
    }

    async fn node(&self, name: &NodeName) -> Result<Option<Node>, StoreError> {
        let name = name.clone();
        self.read("read a node", move |db| read_fleet::node(db, &name))
            .await
    }

    async fn node_by_key(&self, key: &NodeKeyId) -> Result<Option<Node>, StoreError> {
        let key = *key;
        self.read("read a node", move |db| read_fleet::node_by_key(db, &key))
            .await
    }

    async fn node_apps(&self, node: Option<&NodeName>) -> Result<Vec<NodeApp>, StoreError> {
        let node = node.cloned();
        self.read("list apps", move |db| {
            read_fleet::node_apps(db, node.as_ref())
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<EnrolToken>, StoreError> {
        self.read("list tokens", read_fleet::tokens).await
    }

    async fn token(&self, secret_hash: &Digest) -> Result<Option<EnrolToken>, StoreError> {
        let hash = *secret_hash;
        self.read("read a token", move |db| read_fleet::token(db, &hash))
            .await
    }

    async fn role(&self, role: &str) -> Result<Option<RoleFile>, StoreError> {
        let role = role.to_owned();
        self.read("read a role", move |db| read_published::role(db, &role))
            .await
    }

    async fn role_version(&self, role: &str, version: u64) -> Result<Option<RoleFile>, StoreError> {
        let role = role.to_owned();
        self.read("read a role", move |db| {
            read_published::role_version(db, &role, version)
        })
        .await
    }

    async fn roles(&self) -> Result<Vec<RoleFile>, StoreError> {
        self.read("list roles", read_published::roles).await
    }

    async fn pending(&self) -> Result<Vec<PendingRole>, StoreError> {
        self.read("list pending roles", read_published::pending)
            .await
    }

    async fn releases(&self) -> Result<Vec<Release>, StoreError> {
        self.read("list releases", read_published::releases).await
    }

    async fn release(&self, name: &ReleaseName) -> Result<Option<Release>, StoreError> {
        let name = name.clone();
        self.read("read a release", move |db| {
            read_published::release(db, &name)
        })
        .await
    }

    async fn release_by_manifest(&self, manifest: &Digest) -> Result<Option<Release>, StoreError> {
        let manifest = *manifest;
        self.read("read a release", move |db| {
            read_published::release_by_manifest(db, &manifest)
        })
        .await
    }

    async fn releases_by_root(&self, root: &TreeRoot) -> Result<Vec<Release>, StoreError> {
        let root = *root;
        self.read("read releases", move |db| {
            read_published::releases_by_root(db, &root)
        })
        .await
    }

    async fn offers_to(&self, root: &TreeRoot) -> Result<Vec<StoredOffer>, StoreError> {
        let root = *root;
        self.read("list offers", move |db| {
            read_published::offers_to(db, &root)
        })
        .await
    }

    async fn running_roots(
        &self,
        app: &AppName,
        environment: Option<&EnvironmentName>,
    ) -> Result<Vec<(TreeRoot, u64)>, StoreError> {
        let (app, environment) = (app.clone(), environment.cloned());
        self.read("count trees", move |db| {
            read_fleet::running_roots(db, &app, environment.as_ref())
        })
        .await
    }

    async fn assignment(&self, node: &NodeName) -> Result<Option<StoredAssignment>, StoreError> {
        let node = node.clone();
        self.read("read an assignment", move |db| {
            Ok(read_published::assignments(db, &node, 1)?.pop())
        })
        .await
    }

    async fn assignments(&self, node: &NodeName) -> Result<Vec<StoredAssignment>, StoreError> {
        let node = node.clone();
        self.read("list assignments", move |db| {
            read_published::assignments(db, &node, u64::MAX)
        })
        .await
    }

    async fn settings(&self) -> Result<Vec<Setting>, StoreError> {
        self.read("list settings", read_published::settings).await
    }

    async fn holds(&self) -> Result<Vec<StoredHold>, StoreError> {
        self.read("list holds", read_published::holds).await
    }

    async fn receipts(&self, node: &NodeName, limit: u64) -> Result<Vec<Receipt>, StoreError> {
        let node = node.clone();
        self.read("list receipts", move |db| {
            read_fleet::receipts(db, &node, limit)
        })
        .await
    }

    async fn audit(&self, after: u64, limit: u64) -> Result<Vec<AuditEntry>, StoreError> {
        self.read("read the audit log", move |db| {
            read_fleet::audit(db, after, limit)
        })
        .await
    }

    async fn audit_break(&self) -> Result<Option<u64>, StoreError> {
        self.read("check the audit log", read_fleet::audit_break)
            .await
    }

    async fn poll_facts(&self, query: PollQuery) -> Result<PollFacts, StoreError> {
        self.read("read for a poll", move |db| read_poll::facts(db, &query))
            .await
    }

    async fn document(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let digest = *digest;
        self.read("read a document", move |db| row::document(db, &digest))
            .await
    }

    async fn documents_by_short(
        &self,
        digests: &[ShortDigest],
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let digests = digests.to_vec();
        self.read("read documents", move |db| {
            digests
                .iter()
                .map(|short| read_poll::by_short(db, short))
                .collect()
        })
        .await
    }

    async fn waiting(&self, limit: u64) -> Result<Vec<Waiting>, StoreError> {
        self.read("read the outbox", move |db| {
            read_published::waiting(db, limit)
        })
        .await
    }

    async fn published(&self, sequence: u64) -> Result<(), StoreError> {
        self.writer
            .run("clear the outbox", move |db| {
                db.execute(
                    "DELETE FROM outbox WHERE sequence <= ?1",
                    [row::int(sequence)],
                )?;
                Ok(())
            })
            .await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.writer
            .run("commit", move |db| write::batch(db, batch))
            .await
    }

    async fn redeem(&self, enrolment: Enrolment) -> Result<Redeemed, StoreError> {
        self.writer
            .run("enrol", move |db| write_poll::redeem(db, &enrolment))
            .await
    }

    async fn record_poll(&self, record: PollRecord) -> Result<Kept, StoreError> {
        self.writer
            .run("record a poll", move |db| write_poll::record(db, &record))
            .await
    }
}

#[cfg(test)]
mod tests;
