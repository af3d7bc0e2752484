//! Reads a folder into a tree: entries and content hashes. What cannot be shipped is refused with
//! its path and the reason; nothing is skipped in silence.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sanaga_proto::ids::{Digest, TreeRoot};
use sanaga_proto::pack::Base;
use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};
use sha2::{Digest as _, Sha256};

use super::PublishError;

/// How the files of a tree lie on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Under their own paths.
    Tree,
    /// Under their file numbers, all in one folder: how packs are unpacked to be compared.
    Numbered,
}

/// A tree whose files can be read from a folder.
#[derive(Debug)]
pub struct TreeDir {
    dir: PathBuf,
    tree: HashedTree,
    root: TreeRoot,
    lie: Lie,
    /// The file that was read last: reads come in runs.
    open: Mutex<Option<(u32, File)>>,
}

impl TreeDir {
    fn new(dir: PathBuf, tree: HashedTree, lie: Lie) -> Self {
        let root = tree.root();
        Self {
            dir,
            tree,
            root,
            lie,
            open: Mutex::new(None),
        }
    }

    /// A tree whose files lie in `dir` under their numbers.
    pub(super) fn numbered(dir: PathBuf, tree: HashedTree) -> Self {
        Self::new(dir, tree, Lie::Numbered)
    }

    /// Entries and content hashes.
    #[must_use]
    pub fn tree(&self) -> &HashedTree {
        &self.tree
    }

    fn path(&self, file: u32) -> PathBuf {
        let path = self.tree.list().file(file).map_or("", |entry| &entry.path);
        match self.lie {
            Lie::Tree => self.dir.join(path),
            Lie::Numbered => numbered_path(&self.dir, file),
        }
    }
}

/// Where a numbered file lies.
pub(super) fn numbered_path(dir: &Path, file: u32) -> PathBuf {
    dir.join(format!("{file:06}"))
}

impl Base for TreeDir {
    fn root(&self) -> TreeRoot {
        self.root
    }

    fn list(&self) -> &TreeList {
        self.tree.list()
    }

    fn read_at(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut open = self
            .open
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((number, handle)) = &*open
            && *number == file
        {
            return handle.read_exact_at(out, offset);
        }
        let handle = File::open(self.path(file))?;
        handle.read_exact_at(out, offset)?;
        *open = Some((file, handle));
        Ok(())
    }
}

/// Reads the tree in `dir`. `progress` is told the bytes hashed so far and those of all files.
///
/// # Errors
/// [`PublishError::Refused`] and [`PublishError::Tree`] for what cannot be shipped;
/// [`PublishError::Read`] for what cannot be read.
pub fn scan(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<TreeDir, PublishError> {
    let mut entries = Vec::new();
    walk(dir, "", &mut entries)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let list = TreeList::new(entries)?;
    let mut hashes = Vec::with_capacity(list.files().len());
    let mut done = 0;
    for entry in list.entries() {
        if let Some(size) = entry.file_size() {
            hashes.push(hash_file(dir, &entry.path, size)?);
            done += size;
            progress(done, list.file_bytes());
        }
    }
    let tree = HashedTree::new(list, hashes)?;
    Ok(TreeDir::new(dir.to_owned(), tree, Lie::Tree))
}

/// Collects what lies below `dir/prefix`, in the order of the file system.
fn walk(dir: &Path, prefix: &str, entries: &mut Vec<Entry>) -> Result<(), PublishError> {
    let here = dir.join(prefix);
    let items = fs::read_dir(&here).map_err(|error| PublishError::read(&here, error))?;
    for item in items {
        let item = item.map_err(|error| PublishError::read(&here, error))?;
        let Ok(name) = item.file_name().into_string() else {
            return Err(PublishError::Refused {
                path: join(prefix, &item.file_name().to_string_lossy()),
                problem: "its name is not UTF-8",
            });
        };
        let path = join(prefix, &name);
        // Checked before it is entered, so that depth and length stay bounded.
        sanaga_proto::tree::path::check(&path).map_err(|problem| PublishError::Refused {
            path: path.chars().take(200).collect(),
            problem,
        })?;
        let kind = kind_of(&item.path(), &path)?;
        let is_directory = matches!(kind, Kind::Directory { .. });
        entries.push(Entry {
            path: path.clone(),
            kind,
        });
        if is_directory {
            walk(dir, &path, entries)?;
        }
    }
    Ok(())
}

fn kind_of(full: &Path, path: &str) -> Result<Kind, PublishError> {
    let refused = |problem| {
        Err(PublishError::Refused {
            path: path.to_owned(),
            problem,
        })
    };
    let found = fs::symlink_metadata(full).map_err(|error| PublishError::read(full, error))?;
    let file_type = found.file_type();
    if file_type.is_symlink() {
        let target = fs::read_link(full).map_err(|error| PublishError::read(full, error))?;
        return match target.into_os_string().into_string() {
            Ok(target) => Ok(Kind::Symlink { target }),
            Err(_) => refused("its target is not UTF-8"),
        };
    }
    let bits = found.mode() & 0o7777;
    if bits & 0o6000 != 0 {
        return refused("it is setuid or setgid");
    }
    if bits & 0o1000 != 0 {
        return refused("it has the sticky bit");
    }
    let mode = bits as u16;
    if file_type.is_dir() {
        Ok(Kind::Directory { mode })
    } else if file_type.is_file() {
        let size = found.len();
        Ok(Kind::File { mode, size })
    } else {
        refused("it is a device, pipe or socket")
    }
}

fn join(prefix: &str, name: &str) -> String {
    match prefix {
        "" => name.to_owned(),
        _ => format!("{prefix}/{name}"),
    }
}

fn hash_file(dir: &Path, path: &str, size: u64) -> Result<Digest, PublishError> {
    let full = dir.join(path);
    let mut file = File::open(&full).map_err(|error| PublishError::read(&full, error))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                bytes += count as u64;
                hasher.update(buffer.get(..count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PublishError::read(full, error)),
        }
    }
    if bytes != size {
        let path = path.to_owned();
        return Err(PublishError::Changed { path });
    }
    Ok(Digest(hasher.finalize().into()))
}
