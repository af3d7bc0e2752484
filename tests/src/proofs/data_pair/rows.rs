//! Every row of a notebook's database: notes one by one, photos by their hash.

use std::path::Path;

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use super::open;

/// What is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// Number and every column of each note, as text.
    pub notes: Vec<(i64, String)>,
    /// How many photos there are, and the SHA-256 of them all.
    pub photos: (u64, String),
}

impl Rows {
    /// Reads them all.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let database = open(path)?;
        let mut statement = database.prepare("SELECT id, name, bytes FROM photo ORDER BY id")?;
        let mut rows = statement.query([])?;
        let (mut count, mut hasher) = (0, Sha256::new());
        while let Some(row) = rows.next()? {
            count += 1;
            hasher.update(row.get::<_, i64>(0)?.to_be_bytes());
            for column in [1, 2] {
                let value = row.get_ref(column)?;
                let bytes = value.as_bytes()?;
                hasher.update((bytes.len() as u64).to_be_bytes());
                hasher.update(bytes);
            }
        }
        let hash = hasher.finalize();
        Ok(Self {
            notes: Self::notes_of(path)?,
            photos: (
                count,
                hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            ),
        })
    }

    /// Reads the notes alone.
    pub(super) fn notes_of(path: &Path) -> Result<Vec<(i64, String)>> {
        let database = open(path)?;
        let mut statement = database.prepare("SELECT * FROM note ORDER BY id")?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut notes = Vec::new();
        while let Some(row) = rows.next()? {
            let values = (1..columns).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
            let values = values.collect::<Result<Vec<_>>>()?;
            notes.push((row.get(0)?, values.join("|")));
        }
        Ok(notes)
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> u64 {
        self.notes.len() as u64 + self.photos.0
    }

    /// Checks that these are the former rows and then just those notes, in their order. One more may
    /// have been written whose answer was lost. Gives how many of the former rows are there.
    pub(super) fn same_and_then(&self, former: &Self, then: &[String]) -> Result<u64> {
        ensure!(self.photos == former.photos, "other photos");
        let (same, later) = self
            .notes
            .split_at_checked(former.notes.len())
            .unwrap_or_default();
        ensure!(same == former.notes, "other notes");
        let more = later.len().checked_sub(then.len());
        ensure!(
            more.is_some_and(|more| more <= 1),
            "{} later notes of {} that were acknowledged",
            later.len(),
            then.len()
        );
        for ((_, note), due) in later.iter().zip(then) {
            // A text of a row is printed with its bytes.
            let due = format!("{:?}", rusqlite::types::ValueRef::Text(due.as_bytes()));
            ensure!(note.starts_with(&due), "another note than was acknowledged");
        }
        Ok(same.len() as u64 + self.photos.0)
    }
}
