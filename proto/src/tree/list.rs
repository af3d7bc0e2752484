//! Lists of entries: checked once where they come in, with the binary form that travels (without
//! hashes) and the one that is kept beside an installed tree (with hashes).

use std::collections::HashSet;

use super::error::shown;
use super::path::{self, NameHash};
use super::{Entry, Kind, TreeError, TreeHasher};
use crate::ids::{Digest, TreeRoot};
use crate::limits;
use crate::varint::{self, Cursor};

const DIRECTORY: u64 = 0;
const FILE: u64 = 1;
const SYMLINK: u64 = 2;
/// The low bits of the number that holds mode and kind.
const KIND_BITS: u32 = 2;

/// The entries of a tree, in canonical order, every rule checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeList {
    entries: Vec<Entry>,
    files: Vec<u32>,
    file_bytes: u64,
}

/// Builds a [`TreeList`] entry by entry.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    list: TreeList,
    path_bytes: u64,
    names: HashSet<NameHash>,
    directories: HashSet<NameHash>,
}

impl TreeBuilder {
    /// Adds the next entry.
    ///
    /// # Errors
    /// The first rule that it breaks, alone or together with the entries before it.
    pub fn push(&mut self, entry: Entry) -> Result<(), TreeError> {
        self.check_bounds(&entry)?;
        let at = &entry.path;
        path::check(at).map_err(|problem| TreeError::path(at, problem))?;
        if let Kind::Symlink { target } = &entry.kind {
            path::check_target(at, target).map_err(|problem| TreeError::Target {
                path: shown(at),
                target: shown(target),
                problem,
            })?;
        }
        if entry.mode() > 0o777 {
            return Err(TreeError::Mode {
                path: shown(at),
                mode: entry.mode().into(),
            });
        }
        if self
            .list
            .entries
            .last()
            .is_some_and(|last| last.path >= *at)
        {
            return Err(TreeError::Order { path: shown(at) });
        }
        if let Some(parent) = path::parent(at)
            && !self.directories.contains(&path::hash(parent))
        {
            return Err(TreeError::Parent { path: shown(at) });
        }
        if !self.names.insert(path::folded_hash(at)) {
            return Err(TreeError::Duplicate { path: shown(at) });
        }
        if matches!(entry.kind, Kind::Directory { .. }) {
            self.directories.insert(path::hash(at));
        }
        self.list.add(entry);
        Ok(())
    }

    fn check_bounds(&mut self, entry: &Entry) -> Result<(), TreeError> {
        let too_much = |what, limit| Err(TreeError::TooMuch { what, limit });
        if self.list.entries.len() as u64 >= limits::ENTRIES_MAX {
            return too_much("entries", limits::ENTRIES_MAX);
        }
        self.path_bytes += entry.path.len() as u64;
        if let Kind::Symlink { target } = &entry.kind {
            self.path_bytes += target.len() as u64;
        }
        if self.path_bytes > limits::PATHS_BYTES_MAX {
            return too_much("bytes of paths", limits::PATHS_BYTES_MAX);
        }
        let size = entry.file_size().unwrap_or(0);
        match self.list.file_bytes.checked_add(size) {
            Some(total) if total <= limits::UNPACKED_BYTES_MAX => Ok(()),
            Some(_) | None => too_much("bytes unpacked", limits::UNPACKED_BYTES_MAX),
        }
    }

    /// The list.
    #[must_use]
    pub fn finish(self) -> TreeList {
        self.list
    }
}

impl TreeList {
    /// Checks entries that stand in canonical order.
    ///
    /// # Errors
    /// The first rule that one of them breaks.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Result<Self, TreeError> {
        let mut builder = TreeBuilder::default();
        entries
            .into_iter()
            .try_for_each(|entry| builder.push(entry))?;
        Ok(builder.finish())
    }

    fn add(&mut self, entry: Entry) {
        if let Some(size) = entry.file_size() {
            // ENTRIES_MAX fits in u32.
            self.files.push(self.entries.len() as u32);
            self.file_bytes += size;
        }
        self.entries.push(entry);
    }

    /// All entries, in bytewise order of path.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    /// For each regular file, in order, the index of its entry. The position in this slice is the
    /// *file number* that packs use.
    #[must_use]
    pub fn files(&self) -> &[u32] {
        &self.files
    }

    /// The entry of a regular file, by file number.
    #[must_use]
    pub fn file(&self, number: u32) -> Option<&Entry> {
        self.get(*self.files.get(number as usize)?)
    }

    /// The size of a regular file, by file number, bytes.
    #[must_use]
    pub fn file_size(&self, number: u32) -> Option<u64> {
        self.file(number)?.file_size()
    }

    /// All regular files together, bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The index of the entry with this path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<u32> {
        let found = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        found.ok().map(|index| index as u32)
    }

    /// The file number of the regular file with this path.
    #[must_use]
    pub fn find_file(&self, path: &str) -> Option<u32> {
        let entry = self.find(path)?;
        self.files
            .binary_search(&entry)
            .ok()
            .map(|number| number as u32)
    }

    /// The binary form that travels: one form per list (docs/bundle-format.md, "Entry list").
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * 24);
        varint::put(&mut out, self.entries.len() as u64);
        let mut previous = "";
        for entry in &self.entries {
            let shared = shared_bytes(previous, &entry.path);
            let suffix = entry.path.as_bytes().get(shared..).unwrap_or_default();
            varint::put(&mut out, shared as u64);
            varint::put(&mut out, suffix.len() as u64);
            out.extend(suffix);
            let kind = match entry.kind {
                Kind::Directory { .. } => DIRECTORY,
                Kind::File { .. } => FILE,
                Kind::Symlink { .. } => SYMLINK,
            };
            varint::put(&mut out, u64::from(entry.mode()) << KIND_BITS | kind);
            match &entry.kind {
                Kind::Directory { .. } => {}
                Kind::File { size, .. } => varint::put(&mut out, *size),
                Kind::Symlink { target } => {
                    varint::put(&mut out, target.len() as u64);
                    out.extend(target.as_bytes());
                }
            }
            previous = &entry.path;
        }
        out
    }

    /// Reads the binary form; all of `bytes` must be the list.
    ///
    /// # Errors
    /// If it is malformed, not in its one form, or breaks a rule of trees.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let mut cursor = Cursor::new(bytes);
        let list = Self::decode_front(&mut cursor)?;
        if !cursor.is_empty() {
            return Err(TreeError::Malformed {
                problem: "bytes after its end",
            });
        }
        Ok(list)
    }

    /// Reads a list and leaves the cursor behind it.
    pub(crate) fn decode_front(cursor: &mut Cursor<'_>) -> Result<Self, TreeError> {
        let malformed = |problem| TreeError::Malformed { problem };
        let count = cursor.number().ok_or(malformed("no number of entries"))?;
        if count > limits::ENTRIES_MAX {
            return Err(TreeError::TooMuch {
                what: "entries",
                limit: limits::ENTRIES_MAX,
            });
        }
        let mut builder = TreeBuilder::default();
        for _ in 0..count {
            let previous = builder.list.entries.last().map_or("", |entry| &entry.path);
            let entry = decode_entry(cursor, previous)?;
            builder.push(entry)?;
        }
        Ok(builder.finish())
    }
}

fn decode_entry(cursor: &mut Cursor<'_>, previous: &str) -> Result<Entry, TreeError> {
    let malformed = |problem| TreeError::Malformed { problem };
    let cut = malformed("cut short, or a number in the wrong form");
    let shared = cursor.number().ok_or(cut.clone())?;
    let suffix_bytes = cursor.number().ok_or(cut.clone())?;
    if shared.saturating_add(suffix_bytes) > limits::PATH_BYTES_MAX as u64 {
        return Err(malformed("a path longer than 1024 bytes"));
    }
    let suffix = cursor.take(suffix_bytes).ok_or(cut.clone())?;
    let mut path = previous
        .as_bytes()
        .get(..shared as usize)
        .ok_or(malformed("shares more than its predecessor has"))?
        .to_vec();
    path.extend(suffix);
    let path = String::from_utf8(path).map_err(|_| malformed("a path that is not UTF-8"))?;
    if shared_bytes(previous, &path) as u64 != shared {
        return Err(malformed("a path that shares less than it could"));
    }
    let mode_kind = cursor.number().ok_or(cut.clone())?;
    let mode = u16::try_from(mode_kind >> KIND_BITS).map_err(|_| TreeError::Mode {
        path: shown(&path),
        mode: mode_kind >> KIND_BITS,
    })?;
    let kind = match mode_kind & ((1 << KIND_BITS) - 1) {
        DIRECTORY => Kind::Directory { mode },
        FILE => Kind::File {
            mode,
            size: cursor.number().ok_or(cut)?,
        },
        SYMLINK if mode == 0 => {
            let bytes = cursor
                .at_most(limits::PATH_BYTES_MAX as u64)
                .ok_or(cut.clone())?;
            let target = cursor.take(bytes).ok_or(cut)?.to_vec();
            let target =
                String::from_utf8(target).map_err(|_| malformed("a target that is not UTF-8"))?;
            Kind::Symlink { target }
        }
        SYMLINK => return Err(malformed("a link with a mode")),
        kind => {
            return Err(TreeError::Kind {
                path: shown(&path),
                kind,
            });
        }
    };
    Ok(Entry { path, kind })
}

/// How many bytes two paths have in common at their front.
fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// A tree with the SHA-256 of every regular file: what hashes to the tree root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashedTree {
    list: TreeList,
    hashes: Vec<Digest>,
}

impl HashedTree {
    /// Joins a list with the content hashes of its regular files, by file number.
    ///
    /// # Errors
    /// If there are more or fewer hashes than regular files.
    pub fn new(list: TreeList, hashes: Vec<Digest>) -> Result<Self, TreeError> {
        if list.files.len() != hashes.len() {
            return Err(TreeError::Malformed {
                problem: "not one hash per regular file",
            });
        }
        Ok(Self { list, hashes })
    }

    /// The entries.
    #[must_use]
    pub fn list(&self) -> &TreeList {
        &self.list
    }

    /// The content hashes, by file number.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The content hash of a regular file, by file number.
    #[must_use]
    pub fn hash(&self, file: u32) -> Option<&Digest> {
        self.hashes.get(file as usize)
    }

    /// The tree root.
    #[must_use]
    pub fn root(&self) -> TreeRoot {
        let mut hasher = TreeHasher::default();
        let mut hashes = self.hashes.iter();
        for entry in &self.list.entries {
            let content = entry.file_size().and_then(|_| hashes.next());
            // `new` has paired files and hashes, and paths are bounded, so no leaf is refused.
            if hasher.push(entry, content).is_err() {
                debug_assert!(false, "a checked list has a leaf for every entry");
            }
        }
        hasher.finish()
    }

    /// The form that is kept: length of the list, list, then the hashes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let list = self.list.encode();
        let mut out = Vec::with_capacity(list.len() + 10 + self.hashes.len() * 32);
        varint::put(&mut out, list.len() as u64);
        out.extend(list);
        self.hashes.iter().for_each(|hash| out.extend(hash.0));
        out
    }

    /// Reads the form that is kept.
    ///
    /// # Errors
    /// If it is malformed or the list breaks a rule of trees.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let malformed = |problem| TreeError::Malformed { problem };
        let mut cursor = Cursor::new(bytes);
        let list_bytes = cursor.number().ok_or(malformed("no length"))?;
        let list = TreeList::decode(cursor.take(list_bytes).ok_or(malformed("cut short"))?)?;
        let (hashes, rest) = cursor.rest().as_chunks::<32>();
        if !rest.is_empty() {
            return Err(malformed("half a hash"));
        }
        Self::new(list, hashes.iter().map(|hash| Digest(*hash)).collect())
    }
}
