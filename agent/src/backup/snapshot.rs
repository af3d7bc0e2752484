//! Putting data aside: nothing writes meanwhile, so that all items are of one moment.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use sanaga_proto::ids::Digest;
use sha2::{Digest as _, Sha256};

use super::DataError;
use super::item::{Item, ItemKind, bytes_of, real};
use super::set::{About, SetItem, Sets};
use crate::update::DataNumber;

impl Sets {
    /// Puts items aside as a set, anew if there is one. `reserve_bytes` stay free on the disk.
    ///
    /// # Errors
    /// [`DataError::Full`] before the first byte is written; else what is wrong with an item or the
    /// disk. What was written is removed then, or by the next call.
    pub fn take(
        &self,
        number: DataNumber,
        about: About,
        items: &[Item],
        reserve_bytes: u64,
    ) -> Result<(), DataError> {
        self.make()?;
        let unfinished = self.unfinished(number);
        for old in [&unfinished, &self.path(number)] {
            sanaga_durable::remove_tree(old)?;
        }
        sanaga_durable::sweep(self.folder())?;
        self.require_room(bytes_of(items).saturating_add(reserve_bytes))?;
        sanaga_durable::make_dir(&unfinished)?;
        let taken = self.take_items(&unfinished, items);
        let finished = taken.and_then(|taken| self.finish(&unfinished, number, about, taken));
        if finished.is_err() {
            let _ = sanaga_durable::remove_tree(&unfinished);
        }
        finished
    }

    fn take_items(&self, into: &Path, items: &[Item]) -> Result<Vec<SetItem>, DataError> {
        let mut taken = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let copy = into.join(at.to_string());
            let is_present = fs::symlink_metadata(&item.path).is_ok();
            let mut sha256 = None;
            match (is_present, item.kind) {
                (false, ItemKind::Sqlite | ItemKind::Folder) => {}
                (true, ItemKind::Sqlite) => {
                    back_up(&item.path, &copy)?;
                    sha256 = Some(hash(&copy)?);
                }
                (true, ItemKind::Folder) => {
                    sanaga_durable::copy_tree(&item.path, &copy, u64::MAX)?;
                }
            }
            taken.push(SetItem {
                item: item.clone(),
                is_present,
                sha256,
            });
        }
        Ok(taken)
    }

    fn require_room(&self, needed: u64) -> Result<(), DataError> {
        let free = sanaga_durable::free_bytes(self.folder())?;
        if free < needed {
            return Err(DataError::Full {
                path: self.folder().to_owned(),
                needed,
                free,
            });
        }
        Ok(())
    }

    /// Where a set is made. Half of one is worth nothing, and is swept.
    fn unfinished(&self, number: DataNumber) -> PathBuf {
        let name = format!("{}{number:04}", sanaga_durable::UNFINISHED);
        self.folder().join(name)
    }
}

/// Copies a database by the online backup of `SQLite`, in one step, with what is in its write-ahead log,
/// and checks the copy.
fn back_up(from: &Path, to: &Path) -> Result<(), DataError> {
    let error = DataError::database("copy", from);
    // To write, so that a journal that was left by a crash is played back; never to create.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let original = Connection::open_with_flags(real(from)?, flags).map_err(&error)?;
    prepare(&original).map_err(&error)?;
    let mut copy = Connection::open(to).map_err(&error)?;
    prepare(&copy).map_err(&error)?;
    // A copy that is cut is thrown away whole, and one that ends is synced below.
    copy.pragma_update(None, "journal_mode", "OFF")
        .map_err(&error)?;
    copy.pragma_update(None, "synchronous", "OFF")
        .map_err(&error)?;
    let backup = Backup::new(&original, &mut copy).map_err(&error)?;
    if backup.step(-1).map_err(&error)? != StepResult::Done {
        return Err(DataError::damaged(from, "somebody writes to it"));
    }
    drop(backup);
    let check: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(&error)?;
    if check != "ok" {
        return Err(DataError::damaged(from, check));
    }
    copy.close().map_err(|(_, cause)| error(cause))?;
    original.close().map_err(|(_, cause)| error(cause))?;
    describe(from, to)
}

/// A database may come from a program that was taken over.
pub(super) fn prepare(database: &Connection) -> Result<(), rusqlite::Error> {
    database.busy_timeout(Duration::from_secs(5))?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "cell_size_check", true)?;
    database.pragma_update(None, "mmap_size", 0)
}

/// Gives a copy the owner and mode of the original, and syncs it.
fn describe(from: &Path, to: &Path) -> Result<(), DataError> {
    let about = fs::symlink_metadata(from).map_err(DataError::disk("look at", from))?;
    chown(to, Some(about.uid()), Some(about.gid()))
        .and_then(|()| fs::set_permissions(to, fs::Permissions::from_mode(about.mode())))
        .map_err(DataError::disk("give away", to))?;
    let file = fs::File::open(to).map_err(DataError::disk("open", to))?;
    sanaga_durable::sync_file(&file)?;
    Ok(())
}

/// The SHA-256 of a file.
pub(super) fn hash(path: &Path) -> Result<Digest, DataError> {
    let mut file = fs::File::open(path).map_err(DataError::disk("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count =
            std::io::Read::read(&mut file, &mut buffer).map_err(DataError::disk("read", path))?;
        if count == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}
