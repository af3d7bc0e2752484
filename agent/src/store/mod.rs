//! `agent.db`: one SQLite file, opened the way that survives power cuts, and its migrations.
//!
//! Tables are added by appending to [`MIGRATIONS`]; an entry is never changed once it was released.
//! What must not live here: decisions, and anything that is not in the file.

pub mod rebuild;
pub mod shared;
pub mod state;
pub mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::trust::TrustError;

/// `SNGA`: this file is an agent's.
pub const APPLICATION_ID: i32 = 0x534e_4741;
/// How long a writer waits for another one.
const BUSY_MS: u64 = 5_000;
/// The journal is cut back to this, bytes.
const JOURNAL_BYTES: i64 = 16 << 20;

/// The schema, one step a version: `user_version` counts the steps that were taken.
pub const MIGRATIONS: &[&str] = &[trust::SCHEMA, state::SCHEMA, state::SPENT_SCHEMA];

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not a database, or a damaged one: it is to be moved aside whole and rebuilt.
    #[error("{path} is damaged", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Option<rusqlite::Error>,
    },
    /// Written by a newer agent.
    #[error("{path} is of version {found}, this agent knows {known}", path = path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// No room left.
    #[error("no room for {path}", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder or file may not be written.
    #[error("{path} is not writable", path = path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Any other fault of the disk or of SQLite.
    #[error("{operation} {path}", path = path.display())]
    Fault {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored, or what was to be stored, is refused.
    #[error("the trust store refuses it")]
    Trust(#[from] TrustError),
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Damaged { .. } => code::DATABASE_DAMAGED,
            Self::TooNew { .. } => code::DATABASE_TOO_NEW,
            Self::Full { .. } => code::DISK_FULL,
            Self::NotWritable { .. } => code::NOT_WRITABLE,
            Self::Fault { .. } => code::DISK_FAULT,
            Self::Trust(error) => error.code(),
        }
    }

    fn args(&self) -> Args {
        let text = |path: &Path| path.display().to_string();
        match self {
            Self::Damaged { path, source } => {
                let problem = source.as_ref().map(ToString::to_string);
                Args::from([
                    ("path", text(path)),
                    ("problem", problem.unwrap_or_default()),
                ])
            }
            Self::TooNew { path, found, known } => Args::from([
                ("path", text(path)),
                ("found", found.to_string()),
                ("known", known.to_string()),
            ]),
            Self::Full { path, .. } => Args::from([
                ("path", text(path)),
                ("needed", String::new()),
                ("free", String::new()),
            ]),
            Self::NotWritable { path, source } | Self::Fault { path, source, .. } => {
                Args::from([("path", text(path)), ("problem", source.to_string())])
            }
            Self::Trust(error) => error.args(),
        }
    }
}

/// The open database; there is one writer.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens or creates the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not an agent's database or does not pass `quick_check`,
    /// [`StoreError::TooNew`] if a newer agent wrote it, else the fault.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, MIGRATIONS)
    }

    fn open_with(path: &Path, migrations: &[&str]) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| fault("open", path, e))?;
        let mut store = Self {
            connection,
            path: path.to_owned(),
        };
        store.configure().map_err(|e| fault("configure", path, e))?;
        store.check_identity()?;
        store.migrate(migrations)?;
        Ok(store)
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads with any statement.
    ///
    /// # Errors
    /// The fault.
    pub fn read<T>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        read(&self.connection).map_err(|e| fault(operation, &self.path, e))
    }

    /// Writes in one transaction (`BEGIN IMMEDIATE`), durable when this returns.
    ///
    /// # Errors
    /// The fault; nothing was written then.
    pub fn write<T>(
        &mut self,
        operation: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let path = &self.path;
        let run = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = write(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|e| fault(operation, path, e))
    }

    fn configure(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)
    }

    /// An empty file becomes ours; a file of something else is never touched.
    fn check_identity(&self) -> Result<(), StoreError> {
        let (id, tables) = self.read("read", |connection| {
            let id: i32 =
                connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
            let count = "SELECT count(*) FROM sqlite_schema";
            let tables: i64 = connection.query_row(count, [], |row| row.get(0))?;
            Ok((id, tables))
        })?;
        if id == 0 && tables == 0 {
            return Ok(());
        }
        let damaged = || StoreError::Damaged {
            path: self.path.clone(),
            source: None,
        };
        if id != APPLICATION_ID {
            return Err(damaged());
        }
        let verdict: String = self.read("check", |connection| {
            connection.pragma_query_value(None, "quick_check", |row| row.get(0))
        })?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(damaged())
        }
    }

    fn migrate(&mut self, migrations: &[&str]) -> Result<(), StoreError> {
        let found: i64 = self.read("read", |connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get(0))
        })?;
        let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        let taken = usize::try_from(found).unwrap_or_default();
        if found > known {
            let path = self.path.clone();
            return Err(StoreError::TooNew { path, found, known });
        }
        for (step, sql) in migrations.iter().enumerate().skip(taken) {
            self.write("migrate", |transaction| {
                transaction.execute_batch(sql)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                let version = i64::try_from(step + 1).unwrap_or(i64::MAX);
                transaction.pragma_update(None, "user_version", version)
            })?;
        }
        Ok(())
    }
}

/// Our error for one of SQLite's.
fn fault(operation: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let path = path.to_owned();
    let code = source.sqlite_error_code();
    let boxed = Box::new(source);
    if matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) {
        let source = Some(*boxed);
        return StoreError::Damaged { path, source };
    }
    if code == Some(ErrorCode::DiskFull) {
        let source = boxed;
        return StoreError::Full { path, source };
    }
    let denied = [
        ErrorCode::ReadOnly,
        ErrorCode::CannotOpen,
        ErrorCode::PermissionDenied,
    ];
    if code.is_some_and(|code| denied.contains(&code)) {
        let source = boxed;
        return StoreError::NotWritable { path, source };
    }
    StoreError::Fault {
        operation,
        path,
        source: boxed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn it_is_opened_as_the_design_says() {
        let folder = folder();
        let store = Store::open(&folder.path().join("agent.db")).unwrap();
        let pragma = |name: &str| -> String {
            // As text, whatever its type.
            let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
            let sql = sql.replace("CAST(busy_timeout", "CAST(timeout");
            store
                .connection
                .query_row(&sql, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(pragma("synchronous"), "2");
        assert_eq!(pragma("busy_timeout"), "5000");
        assert_eq!(pragma("foreign_keys"), "1");
        assert_eq!(pragma("trusted_schema"), "0");
        assert_eq!(pragma("cell_size_check"), "1");
        assert_eq!(pragma("journal_size_limit"), (16 << 20).to_string());
        assert_eq!(pragma("application_id"), APPLICATION_ID.to_string());
        assert_eq!(pragma("user_version"), MIGRATIONS.len().to_string());
    }

    #[test]
    fn migrations_are_taken_once_and_a_newer_file_is_refused() {
        let folder = folder();
        let path = folder.path().join("agent.db");
        let one = "CREATE TABLE a (x INTEGER) STRICT";
        let two = "CREATE TABLE b (x INTEGER) STRICT; INSERT INTO b VALUES (1)";
        drop(Store::open_with(&path, &[one]).unwrap());
        drop(Store::open_with(&path, &[one, two]).unwrap());
        let store = Store::open_with(&path, &[one, two]).unwrap();
        let rows: i64 = store
            .read("read", |c| {
                c.query_row("SELECT count(*) FROM b", [], |r| r.get(0))
            })
            .unwrap();
        assert_eq!(rows, 1);
        drop(store);
        let refused = Store::open_with(&path, &[one]).unwrap_err();
        assert!(matches!(
            refused,
            StoreError::TooNew {
                found: 2,
                known: 1,
                ..
            }
        ));
        assert_eq!(refused.code(), code::DATABASE_TOO_NEW);
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let folder = folder();
        let path = folder.path().join("agent.db");
        let bad = "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)";
        assert!(Store::open_with(&path, &[bad]).is_err());
        drop(Store::open_with(&path, &["CREATE TABLE a (x INTEGER) STRICT"]).unwrap());
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_writable() {
        let folder = folder();
        let refused = Store::open(&folder.path().join("absent/agent.db")).unwrap_err();
        assert_eq!(refused.code(), code::NOT_WRITABLE);
    }

    #[test]
    fn what_is_not_ours_is_damage_and_is_not_touched() {
        let folder = folder();
        let path = folder.path().join("agent.db");
        std::fs::write(&path, vec![7u8; 5_000]).unwrap();
        let refused = Store::open(&path).unwrap_err();
        assert_eq!(refused.code(), code::DATABASE_DAMAGED);
        assert_eq!(std::fs::read(&path).unwrap(), vec![7u8; 5_000]);

        let other = folder.path().join("other.db");
        let connection = Connection::open(&other).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(connection);
        assert!(matches!(
            Store::open(&other),
            Err(StoreError::Damaged { .. })
        ));
    }
}
