//! A database that is damaged is moved aside whole, and an empty one takes its place. What goes into
//! that is the helper's business; until it is in, a marker says so, and a cut begins all again.

use std::path::{Path, PathBuf};

use super::{Store, StoreError};

/// So many damaged databases are kept for somebody to look at; the last place is used again.
const KEPT_MAX: u32 = 3;
/// Beside the database, while a rebuild is under way. It holds why.
const MARKER: &str = "agent.db.rebuild";
/// The nobody-else-reads mode of what lies beside the database.
const MARKER_MODE: u32 = 0o600;
/// What SQLite adds to the name of a database. The journals go first: a new database must never
/// meet the journal of an old one.
const ENDS: [&str; 3] = ["-wal", "-shm", ""];

/// A database that was opened, and why it is empty if it should not be.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub store: Store,
    /// Why the one before was moved aside; none when there was no reason to.
    pub lost: Option<String>,
}

/// Opens the database; a damaged one is moved aside first.
///
/// # Errors
/// As [`Store::open`], but for damage; or a fault of the disk while it is moved.
pub fn open(path: &Path) -> Result<Opened, StoreError> {
    let marker = marker_of(path);
    let why = match std::fs::read_to_string(&marker) {
        Ok(why) => Some(why),
        Err(_) if marker.exists() => Some("unknown".to_owned()),
        Err(_) => match Store::open(path) {
            Ok(store) => return Ok(Opened { store, lost: None }),
            Err(StoreError::Damaged { source, .. }) => {
                let problem = source.map(|source| source.to_string());
                Some(problem.unwrap_or_else(|| "it is not what was written".to_owned()))
            }
            Err(other) => return Err(other),
        },
    };
    begin(path, why.as_deref().unwrap_or_default())?;
    move_aside(path)?;
    let store = Store::open(path)?;
    Ok(Opened { store, lost: why })
}

/// Says that the database is being rebuilt, before anything is moved or written.
///
/// # Errors
/// A fault of the disk.
pub fn begin(path: &Path, why: &str) -> Result<(), StoreError> {
    let marker = marker_of(path);
    sanaga_durable::write_file(&marker, why.as_bytes(), MARKER_MODE)
        .map_err(|error| fault("write", &marker, error))
}

/// Says that the database holds all that it is to hold.
///
/// # Errors
/// A fault of the disk.
pub fn end(path: &Path) -> Result<(), StoreError> {
    let marker = marker_of(path);
    sanaga_durable::remove_file(&marker).map_err(|error| fault("remove", &marker, error))
}

/// Moves the database and its journals to the first free place.
fn move_aside(path: &Path) -> Result<(), StoreError> {
    let free =
        (1..KEPT_MAX).find(|number| ENDS.iter().all(|end| !place(path, *number, end).exists()));
    let number = free.unwrap_or(KEPT_MAX);
    for end in ENDS {
        let from = with_end(path, end);
        let to = place(path, number, end);
        if from.exists() {
            sanaga_durable::rename(&from, &to).map_err(|error| fault("move", &from, error))?;
        } else {
            // What an earlier one left in this place does not belong to this one.
            sanaga_durable::remove_file(&to).map_err(|error| fault("remove", &to, error))?;
        }
    }
    Ok(())
}

fn marker_of(path: &Path) -> PathBuf {
    path.with_file_name(MARKER)
}

fn place(path: &Path, number: u32, end: &str) -> PathBuf {
    with_end(path, &format!(".damaged-{number}{end}"))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn fault(operation: &'static str, path: &Path, error: sanaga_durable::DurableError) -> StoreError {
    let path = path.to_owned();
    let source = Box::new(error);
    if source.is_full() {
        StoreError::Full { path, source }
    } else if source.is_not_writable() {
        StoreError::NotWritable { path, source }
    } else {
        StoreError::Fault {
            operation,
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state;
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    /// A database with so much in it that it has many pages, and a journal that was not cut back.
    fn full(path: &Path) {
        let mut store = Store::open(path).unwrap();
        store
            .write("fill", |db| {
                (0..500).try_for_each(|number| {
                    state::set_document(db, &format!("offer/{number}"), &[7; 300])
                })
            })
            .unwrap();
    }

    fn count(store: &Store) -> usize {
        store
            .read("count", |db| state::documents(db, "offer/"))
            .unwrap()
            .len()
    }

    #[test]
    fn a_whole_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.db");
        full(&path);
        let opened = open(&path).unwrap();
        assert_eq!((count(&opened.store), opened.lost), (500, None));
        assert!(!place(&path, 1, "").exists());
    }

    #[test]
    fn each_kind_of_damage_is_moved_aside_whole() {
        type Damage = fn(&fs::File, u64);
        let damages: [(&str, Damage); 4] = [
            ("header", |file, _| {
                file.write_all_at(&[0xff; 100], 0).unwrap()
            }),
            ("torn page", |file, bytes| {
                let middle = bytes / 4096 / 2 * 4096;
                file.write_all_at(&[0xa5; 4096], middle).unwrap();
            }),
            ("cut short", |file, bytes| file.set_len(bytes / 2).unwrap()),
            ("cut in a page", |file, _| file.set_len(4096 + 77).unwrap()),
        ];
        for (what, damage) in damages {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("agent.db");
            full(&path);
            let file = fs::OpenOptions::new().read(true).write(true).open(&path);
            let file = file.unwrap();
            damage(&file, file.metadata().unwrap().len());
            fs::write(with_end(&path, "-wal"), b"a journal").unwrap();
            let bytes = fs::read(&path).unwrap();
            let opened = open(&path).unwrap();
            assert!(opened.lost.is_some(), "{what}");
            assert_eq!(count(&opened.store), 0, "{what}");
            assert_eq!(fs::read(place(&path, 1, "")).unwrap(), bytes, "{what}");
            // Until the rebuild has ended the new one is not believed either.
            drop(opened);
            full(&path);
            let again = open(&path).unwrap();
            assert!(again.lost.is_some() && count(&again.store) == 0, "{what}");
            end(&path).unwrap();
            drop(again);
            assert_eq!(open(&path).unwrap().lost, None, "{what}");
        }
    }

    #[test]
    fn a_cut_while_it_is_moved_leaves_no_journal_for_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.db");
        full(&path);
        begin(&path, "damage").unwrap();
        // Power failed after the first of the three was moved.
        fs::write(with_end(&path, "-shm"), b"index").unwrap();
        fs::write(place(&path, 1, "-wal"), b"a journal").unwrap();
        let opened = open(&path).unwrap();
        assert_eq!(opened.lost.as_deref(), Some("damage"));
        assert_eq!(count(&opened.store), 0);
        assert_eq!(fs::read(place(&path, 2, "-shm")).unwrap(), b"index");
        assert!(place(&path, 2, "").exists());
    }

    #[test]
    fn not_more_than_a_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.db");
        for _ in 0..6 {
            fs::write(&path, vec![7; 5_000]).unwrap();
            assert!(open(&path).unwrap().lost.is_some());
            end(&path).unwrap();
        }
        let aside = fs::read_dir(folder.path()).unwrap().flatten();
        let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"));
        assert_eq!(aside.count(), KEPT_MAX as usize);
    }
}
