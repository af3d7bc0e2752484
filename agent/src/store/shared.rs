//! The one open database of the agent, shared by its tasks. Transactions are short, and none waits
//! for anything but the disk.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction};
use sanaga_proto::failure::Failure;
use sanaga_proto::trust::{Alarm, Change, Floors, Stored};

use super::state;
use super::trust::TrustStore;
use super::{Store, StoreError, rebuild};

/// The database behind a lock.
pub struct SharedStore {
    path: PathBuf,
    store: Mutex<Store>,
    floors_copy: PathBuf,
}

impl SharedStore {
    /// Opens the database; `floors_copy` is the second place of the floors. A damaged database is
    /// moved aside; then the text says why, and this one is empty until [`SharedStore::rebuilt`].
    ///
    /// # Errors
    /// As [`rebuild::open`].
    pub fn open(path: &Path, floors_copy: &Path) -> Result<(Self, Option<String>), StoreError> {
        let opened = rebuild::open(path)?;
        let shared = Self {
            path: path.to_owned(),
            store: Mutex::new(opened.store),
            floors_copy: floors_copy.to_owned(),
        };
        Ok((shared, opened.lost))
    }

    /// Says that a rebuild begins, for a database that is empty and should not be.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn rebuild(&self, why: &str) -> Result<(), Failure> {
        rebuild::begin(&self.path, why).map_err(Failure::of)
    }

    /// Says that a rebuild has ended.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn rebuilt(&self) -> Result<(), Failure> {
        rebuild::end(&self.path).map_err(Failure::of)
    }

    /// Reads.
    ///
    /// # Errors
    /// The fault, as people see it.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.lock().read("read", read).map_err(Failure::of)
    }

    /// Writes in one transaction, durable when this returns.
    ///
    /// # Errors
    /// The fault, as people see it; nothing was written then.
    pub fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.lock().write("write", write).map_err(Failure::of)
    }

    /// Whether trust was ever begun here.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn is_begun(&self) -> Result<bool, Failure> {
        self.trust(|trust| trust.is_begun())
    }

    /// Begins trust with the root of the enrolment.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn begin_trust(&self, root: &[u8]) -> Result<(), Failure> {
        self.trust(|trust| trust.begin(root))
    }

    /// What is stored of metadata, and the floors from all copies.
    ///
    /// # Errors
    /// The fault of the disk, or that all floors are lost.
    pub fn load_trust(
        &self,
        sidecars: Vec<Floors>,
        pinned_root: Option<Vec<u8>>,
    ) -> Result<(Stored, Floors, Vec<Alarm>), Failure> {
        let loaded = self.trust(|trust| trust.load(sidecars, pinned_root))?;
        Ok((loaded.stored, loaded.floors, loaded.alarms))
    }

    /// Makes one step of a refresh durable.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn persist_trust(&self, change: &Change) -> Result<(), Failure> {
        self.trust(|trust| trust.apply(change))
    }

    /// Keeps accepted documents and the floors that they moved. Floors go first: a document that is
    /// kept without its floor could be replayed, a floor without its document is only asked for again.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn keep(&self, floors: &Floors, documents: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        self.trust(|trust| trust.apply_floors(floors))?;
        if documents.is_empty() {
            return Ok(());
        }
        self.write(|db| {
            documents
                .iter()
                .try_for_each(|(name, bytes)| state::set_document(db, name, bytes))
        })
    }

    /// The metadata files that are held, by store name.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn metadata(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        self.trust(|trust| trust.documents())
    }

    fn trust<T>(
        &self,
        work: impl FnOnce(&mut TrustStore<'_>) -> Result<T, StoreError>,
    ) -> Result<T, Failure> {
        let mut store = self.lock();
        work(&mut TrustStore::new(&mut store, &self.floors_copy)).map_err(Failure::of)
    }

    /// A panic while the lock was held left no half-done transaction: SQLite rolled it back.
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
