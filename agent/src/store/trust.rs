//! The trust store: TUF documents and floors, written in one transaction, and the second,
//! checksummed copy of the floors beside the database.
//!
//! The database is written first: if power fails between the two, the copy is behind, and the
//! higher of the two holds.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Transaction, params};
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{Alarm, Change, Floors, Stored, TrustError};

use super::{Store, StoreError};

/// The tables of this module.
pub const SCHEMA: &str = "
CREATE TABLE tuf_document (
    name   TEXT PRIMARY KEY NOT NULL,
    bytes  BLOB NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;
CREATE TABLE floors (
    id    INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    bytes BLOB NOT NULL
) STRICT;
";

const ROOT: &str = "root.json";
const WRITE_ROW: &str = "INSERT INTO tuf_document (name, bytes, sha256) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, sha256 = excluded.sha256";
const WRITE_FLOORS: &str = "INSERT INTO floors (id, bytes) VALUES (1, ?1)
    ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes";
/// Nobody but the owner reads the copy of the floors.
const FLOORS_MODE: u32 = 0o600;

/// What a node knows when it starts: the documents, the floors from all copies, and what is damaged.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The documents; unreadable ones stand there with no bytes.
    pub stored: Stored,
    /// The highest of all copies.
    pub floors: Floors,
    /// Copies and documents that are damaged.
    pub alarms: Vec<Alarm>,
}

/// The trust part of the store.
#[derive(Debug)]
pub struct TrustStore<'a> {
    store: &'a mut Store,
    copy: PathBuf,
}

impl<'a> TrustStore<'a> {
    /// The trust part, with the path of the second copy of the floors.
    #[must_use]
    pub fn new(store: &'a mut Store, copy: &Path) -> Self {
        Self {
            store,
            copy: copy.to_owned(),
        }
    }

    /// Whether [`TrustStore::begin`] was ever done here.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn is_begun(&self) -> Result<bool, StoreError> {
        if self.copy.exists() {
            return Ok(true);
        }
        self.store
            .read("read the floors of", |connection| {
                connection.query_row("SELECT count(*) FROM floors", [], |row| {
                    row.get::<_, i64>(0)
                })
            })
            .map(|count| count > 0)
    }

    /// The first run, at enrolment: the root that the token pins, and floors at nothing.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn begin(&mut self, root: &[u8]) -> Result<(), StoreError> {
        self.apply(&Change {
            write: Some((ROOT.to_owned(), root.to_vec())),
            forget: Vec::new(),
            floors: Floors::default(),
        })
    }

    /// Makes a change durable: documents and floors in one transaction, then the second copy.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        let floors = change.floors.to_bytes()?;
        self.store.write("store metadata in", |transaction| {
            write_change(transaction, change, &floors)
        })?;
        self.write_copy(&floors)
    }

    /// Makes floors durable without a document, after an assignment, hold or release was accepted.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn apply_floors(&mut self, floors: &Floors) -> Result<(), StoreError> {
        self.apply(&Change {
            write: None,
            forget: Vec::new(),
            floors: floors.clone(),
        })
    }

    /// All that is stored. `sidecars` are the floors of installed releases; `pinned_root` is the
    /// root that enrolment or the package pinned.
    ///
    /// # Errors
    /// [`TrustError::FloorsLost`] if no copy of the floors is left: never a first run.
    pub fn load(
        &self,
        sidecars: impl IntoIterator<Item = Floors>,
        pinned_root: Option<Vec<u8>>,
    ) -> Result<Loaded, StoreError> {
        let mut alarms = Vec::new();
        let mut copies = Vec::new();
        let row: Option<Vec<u8>> = self.store.read("read the floors of", |connection| {
            connection
                .query_row("SELECT bytes FROM floors", [], |row| row.get(0))
                .optional()
        })?;
        // What cannot be read is as good as damaged: there are other copies.
        let file = match std::fs::read(&self.copy) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err("is missing".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        for (what, bytes) in [
            (
                "the floors of agent.db",
                row.ok_or_else(|| "are missing".to_owned()),
            ),
            ("the copy of the floors", file),
        ] {
            let read = bytes
                .and_then(|bytes| Floors::from_bytes(&bytes).map_err(|error| error.to_string()));
            match read {
                Ok(floors) => copies.push(floors),
                Err(problem) => alarms.push(alarm(what, &problem)),
            }
        }
        let floors = Floors::recover(copies.into_iter().chain(sidecars))?;
        let mut stored = Stored {
            pinned_root,
            ..Stored::default()
        };
        for (name, bytes, digest) in self.rows()? {
            let whole = Digest::of(&bytes).0.as_slice() == digest;
            if !whole {
                alarms.push(alarm(
                    &name,
                    &TrustError::StoreDamaged { what: name.clone() },
                ));
            }
            let bytes = if whole { bytes } else { Vec::new() };
            if name == ROOT {
                stored.root = bytes;
            } else {
                stored.documents.insert(name, bytes);
            }
        }
        Ok(Loaded {
            stored,
            floors,
            alarms,
        })
    }

    /// The stored documents, root among them, by name.
    ///
    /// # Errors
    /// The fault of the disk.
    pub fn documents(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let rows = self.rows()?;
        Ok(rows
            .into_iter()
            .map(|(name, bytes, _)| (name, bytes))
            .collect())
    }

    fn rows(&self) -> Result<Vec<Row>, StoreError> {
        self.store.read("read metadata of", |connection| {
            let sql = "SELECT name, bytes, sha256 FROM tuf_document ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
    }

    fn write_copy(&self, floors: &[u8]) -> Result<(), StoreError> {
        sanaga_durable::write_file(&self.copy, floors, FLOORS_MODE).map_err(|error| {
            let path = self.copy.clone();
            if error.is_full() {
                let source = Box::new(error);
                StoreError::Full { path, source }
            } else if error.is_not_writable() {
                let source = Box::new(error);
                StoreError::NotWritable { path, source }
            } else {
                self.copy_fault("write", error)
            }
        })
    }

    fn copy_fault(
        &self,
        operation: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::Fault {
            operation,
            path: self.copy.clone(),
            source: Box::new(source),
        }
    }
}

/// Name, bytes and digest of a stored document.
type Row = (String, Vec<u8>, Vec<u8>);

fn write_change(
    transaction: &Transaction<'_>,
    change: &Change,
    floors: &[u8],
) -> rusqlite::Result<()> {
    for name in &change.forget {
        transaction.execute("DELETE FROM tuf_document WHERE name = ?1", params![name])?;
    }
    if let Some((name, bytes)) = &change.write {
        let digest = Digest::of(bytes).0;
        transaction.execute(WRITE_ROW, params![name, bytes, digest.as_slice()])?;
    }
    transaction.execute(WRITE_FLOORS, params![floors])?;
    Ok(())
}

fn alarm(what: &str, error: &dyn std::fmt::Display) -> Alarm {
    Alarm {
        what: what.to_owned(),
        problem: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
