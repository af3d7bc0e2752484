//! What a release declares, found on this disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sanaga_proto::manifest::DataSection;
use serde::{Deserialize, Serialize};

use super::DataError;

/// What belongs to a `SQLite` database beside its main file and holds rows.
pub(super) const SIDE_FILES: [&str; 2] = ["-wal", "-journal"];
/// The index of the log, which `SQLite` makes anew.
pub(super) const INDEX_FILE: &str = "-shm";

/// What kind of data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A `SQLite` database, with its write-ahead log.
    Sqlite,
    /// A folder with all that is in it.
    Folder,
}

/// One database or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// As the release declares it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What several releases declare together, each once. Relative paths are in `data`.
///
/// # Errors
/// A path that breaks the rules of [`DataSection::check`], or an absolute one that is in none of the
/// `roots`; with what is wrong, in English words.
pub fn items(
    sections: &[&DataSection],
    data: &Path,
    roots: &BTreeSet<PathBuf>,
) -> Result<Vec<Item>, String> {
    let mut found: BTreeMap<PathBuf, Item> = BTreeMap::new();
    for section in sections {
        section
            .check()
            .map_err(|(path, rule)| format!("data `{path}` {rule}"))?;
        let sqlite = section.sqlite.iter().map(|name| (ItemKind::Sqlite, name));
        let folders = section.folders.iter().map(|name| (ItemKind::Folder, name));
        for (kind, name) in sqlite.chain(folders) {
            let path = data.join(name);
            let is_inside = |root: &PathBuf| path.starts_with(root) && path != *root;
            if Path::new(name).is_absolute() && !roots.iter().any(is_inside) {
                return Err(format!(
                    "data `{name}`, which is in no folder of data_roots"
                ));
            }
            let name = name.clone();
            found
                .entry(path.clone())
                .or_insert(Item { kind, name, path });
        }
    }
    let all: Vec<Item> = found.into_values().collect();
    // In order of path, so that a folder stands before what lies in it.
    for (at, item) in all.iter().enumerate() {
        let outer = all
            .iter()
            .take(at)
            .find(|outer| item.path.starts_with(&outer.path));
        if let Some(outer) = outer {
            return Err(format!("data `{}` in `{}`", item.name, outer.name));
        }
    }
    Ok(all)
}

/// What copies of these take at most, bytes.
#[must_use]
pub fn bytes_of(items: &[Item]) -> u64 {
    let bytes = items.iter().map(|item| match item.kind {
        ItemKind::Sqlite => {
            let side = SIDE_FILES.iter().map(|suffix| beside(&item.path, suffix));
            let all = std::iter::once(item.path.clone()).chain(side);
            all.map(|path| tree_bytes(&path)).sum()
        }
        ItemKind::Folder => tree_bytes(&item.path),
    });
    bytes.sum()
}

/// What is there takes so many bytes; nothing takes none.
fn tree_bytes(path: &Path) -> u64 {
    /// What an entry takes itself.
    const ENTRY_BYTES: u64 = 4_096;
    let Ok(about) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !about.is_dir() {
        return about.len().saturating_add(ENTRY_BYTES);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.fold(ENTRY_BYTES, |sum, entry| {
        sum.saturating_add(tree_bytes(&entry.path()))
    })
}

/// `PRAGMA user_version` of a database; 0 when there is none yet.
///
/// # Errors
/// A file that is no database.
pub fn schema_of(path: &Path) -> Result<u64, DataError> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(0);
    }
    let error = DataError::database("read the schema of", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let database = Connection::open_with_flags(real(path)?, flags).map_err(&error)?;
    database
        .busy_timeout(std::time::Duration::from_secs(1))
        .map_err(&error)?;
    let version: i64 = database
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(&error)?;
    Ok(u64::try_from(version).unwrap_or_default())
}

/// The path with no link above its last component, which may not be one either when it is opened.
pub(super) fn real(path: &Path) -> Result<PathBuf, DataError> {
    let folder = path.parent().unwrap_or(path);
    let folder = folder
        .canonicalize()
        .map_err(DataError::disk("find", folder))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// A file beside a database: `notebook.db-wal`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
