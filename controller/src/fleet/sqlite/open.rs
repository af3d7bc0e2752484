//! Opening the database: its settings, its version, and how its faults are told.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::fleet::error::StoreError;

/// `SNGC` in ASCII: how `file` and we know whose database this is.
const APPLICATION_ID: i64 = 0x534e_4743;
/// One script for each version; a database of version N has had the first N.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];
/// How long to wait for somebody else's lock.
const BUSY_TIMEOUT: Duration = Duration::from_millis(5_000);

/// What goes wrong inside a transaction: SQLite, or a rule of ours.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// What follows does not follow what is there.
    pub(super) fn conflict(
        what: &'static str,
        name: impl ToString,
        problem: impl Into<String>,
    ) -> Self {
        Self::Store(StoreError::Conflict {
            what,
            name: name.to_string(),
            problem: problem.into(),
        })
    }

    /// As the rest of the controller sees it.
    pub(super) fn told(self, path: &Path, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => told(error, path, operation),
        }
    }
}

fn told(error: rusqlite::Error, path: &Path, operation: &'static str) -> StoreError {
    let path = path.display().to_string();
    if let rusqlite::Error::FromSqlConversionFailure(..) = error {
        let problem = format!("{operation}: {error}");
        return StoreError::Damaged { path, problem };
    }
    let cause = |error| Box::new(error);
    // The list of SQLite's codes is theirs and grows.
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged {
            path,
            problem: error.to_string(),
        },
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::NotWritable {
                path,
                cause: cause(error),
            }
        }
        _ => StoreError::Failed {
            operation,
            cause: cause(error),
        },
    }
}

/// Opens the connection that writes, and brings the database to the newest version.
pub(super) fn writer(path: &Path) -> Result<Connection, Fault> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    let known = MIGRATIONS.len() as u64;
    let found = version(&db, path)?;
    if found > known {
        return Err(StoreError::TooNew {
            path: path.display().to_string(),
            found,
            known,
        }
        .into());
    }
    settings(&db)?;
    migrate(&mut db, found)?;
    Ok(db)
}

/// Opens a connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, Fault> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;",
    )?;
    Ok(db)
}

/// The database's version; refuses one that is not ours.
fn version(db: &Connection, path: &Path) -> Result<u64, Fault> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !fresh {
        return Err(StoreError::Damaged {
            path: path.display().to_string(),
            problem: "it is not the database of a Sanaga controller".to_owned(),
        }
        .into());
    }
    Ok(u64::try_from(version).unwrap_or_default())
}

/// The settings under which a power cut loses nothing that was committed.
fn settings(db: &Connection) -> Result<(), Fault> {
    // The answer of `journal_mode` is the mode that really holds.
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    db.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA journal_size_limit = {};",
        16 << 20
    ))?;
    Ok(())
}

fn migrate(db: &mut Connection, found: u64) -> Result<(), Fault> {
    let left = usize::try_from(found).unwrap_or(usize::MAX);
    for (script, version) in MIGRATIONS.iter().zip(1i64..).skip(left) {
        let change = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        change.execute_batch(script)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", version)?;
        change.commit()?;
    }
    Ok(())
}
