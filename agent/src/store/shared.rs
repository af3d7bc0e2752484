//! The one open database of the agent, shared by its tasks. Transactions are short, and none waits
//! for anything but the disk.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use rusqlite::{Connection, Transaction};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::trust::{Alarm, Change, Floors, Stored};

use super::state;
use super::trust::TrustStore;
use super::{Store, StoreError, rebuild};

/// The database behind a lock.
pub struct SharedStore {
    path: PathBuf,
    store: Mutex<Store>,
    holder: Mutex<Option<ThreadId>>,
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
            holder: Mutex::default(),
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
        self.lock()?.store.read("read", read).map_err(Failure::of)
    }

    /// Writes in one transaction, durable when this returns.
    ///
    /// # Errors
    /// The fault, as people see it; nothing was written then.
    pub fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let mut held = self.lock()?;
        held.store.write("write", write).map_err(Failure::of)
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
        let mut held = self.lock()?;
        work(&mut TrustStore::new(&mut held.store, &self.floors_copy)).map_err(Failure::of)
    }

    /// A panic while the lock was held left no half-done transaction: SQLite rolled it back. Who asks
    /// within a transaction of its own would wait for ever, and is told so instead.
    fn lock(&self) -> Result<Held<'_>, Failure> {
        let me = thread::current().id();
        if *locked(&self.holder) == Some(me) {
            let problem = "the database is asked within its own transaction";
            return Err(Failure::new(code::INTERNAL).arg("problem", problem));
        }
        let store = locked(&self.store);
        *locked(&self.holder) = Some(me);
        Ok(Held {
            store,
            holder: &self.holder,
        })
    }
}

/// The database, held by one thread.
struct Held<'a> {
    store: MutexGuard<'a, Store>,
    holder: &'a Mutex<Option<ThreadId>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *locked(self.holder) = None;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::failure::Coded as _;
    use std::sync::Arc;

    #[test]
    fn who_asks_within_a_transaction_is_told_and_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (store, lost) = SharedStore::open(&path("agent.db"), &path("floors")).unwrap();
        assert_eq!(lost, None);
        let store = Arc::new(store);
        let within = store.write(|_| Ok(store.read(state::epoch).unwrap_err().code()));
        assert_eq!(within.unwrap(), code::INTERNAL);
        let others: Vec<_> = (0..4)
            .map(|number| {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    for turn in 0..20 {
                        let name = format!("offer/{number}-{turn}");
                        store
                            .write(|db| state::set_document(db, &name, b"offer"))
                            .unwrap();
                    }
                })
            })
            .collect();
        others.into_iter().for_each(|other| other.join().unwrap());
        let kept = store.read(|db| state::documents(db, "offer/")).unwrap();
        assert_eq!(kept.len(), 80);
    }
}
