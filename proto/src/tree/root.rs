//! The tree root: the Merkle tree hash of RFC 9162 §2.1.1 over one leaf per entry.

use sha2::{Digest as _, Sha256};

use super::{Entry, Kind, TreeError};
use crate::ids::{Digest, TreeRoot};

/// The first byte of every leaf input: the version of its form.
const LEAF_VERSION: u8 = 1;
const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;

/// The Merkle tree hash, fed leaf by leaf; keeps log₂(leaves) hashes.
#[derive(Debug, Clone, Default)]
pub struct RootBuilder {
    /// Full subtrees from left to right, with the log₂ of their leaves; strictly falling.
    stack: Vec<(u32, [u8; 32])>,
}

impl RootBuilder {
    /// Adds a leaf: `SHA-256(0x00 ‖ input)`.
    pub fn push(&mut self, input: &[u8]) {
        let mut hash: [u8; 32] = Sha256::new()
            .chain_update([0])
            .chain_update(input)
            .finalize()
            .into();
        let mut height = 0;
        while let Some((_, left)) = self.stack.pop_if(|(top, _)| *top == height) {
            hash = node(&left, &hash);
            height += 1;
        }
        self.stack.push((height, hash));
    }

    /// The root; that of no leaves is the hash of nothing (RFC 9162 §2.1.1).
    #[must_use]
    pub fn finish(mut self) -> Digest {
        let Some((_, mut hash)) = self.stack.pop() else {
            return Digest::of(&[]);
        };
        while let Some((_, left)) = self.stack.pop() {
            hash = node(&left, &hash);
        }
        Digest(hash)
    }
}

/// An inner node: `SHA-256(0x01 ‖ left ‖ right)`.
fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The tree root, fed with the entries in canonical order.
#[derive(Debug, Clone, Default)]
pub struct TreeHasher {
    root: RootBuilder,
}

impl TreeHasher {
    /// Adds an entry; `content` is the SHA-256 of a regular file.
    ///
    /// # Errors
    /// If a regular file comes without hash, or anything else with one.
    pub fn push(&mut self, entry: &Entry, content: Option<&Digest>) -> Result<(), TreeError> {
        let input = leaf_input(entry, content)?;
        self.root.push(&input);
        Ok(())
    }

    /// The root.
    #[must_use]
    pub fn finish(self) -> TreeRoot {
        self.root.finish()
    }
}

/// What is hashed for one entry: version, kind, mode, size, path, then content hash or target.
/// Numbers are big endian; the form is in docs/bundle-format.md, "Leaf input".
///
/// # Errors
/// If a regular file comes without hash, or anything else with one.
pub fn leaf_input(entry: &Entry, content: Option<&Digest>) -> Result<Vec<u8>, TreeError> {
    let path_bytes = u16::try_from(entry.path.len())
        .map_err(|_| TreeError::path(&entry.path, "is longer than 1024 bytes"))?;
    let (kind, size) = match &entry.kind {
        Kind::Directory { .. } => (DIRECTORY, 0),
        Kind::File { size, .. } => (FILE, *size),
        Kind::Symlink { target } => (SYMLINK, target.len() as u64),
    };
    let mut out = Vec::with_capacity(46 + entry.path.len());
    out.extend([LEAF_VERSION, kind]);
    out.extend(entry.mode().to_be_bytes());
    out.extend(size.to_be_bytes());
    out.extend(path_bytes.to_be_bytes());
    out.extend(entry.path.as_bytes());
    match (&entry.kind, content) {
        (Kind::Directory { .. }, None) => {}
        (Kind::File { .. }, Some(hash)) => out.extend(hash.0),
        (Kind::Symlink { target }, None) => out.extend(target.as_bytes()),
        (Kind::File { .. }, None) => {
            return Err(TreeError::path(&entry.path, "has no content hash"));
        }
        (Kind::Directory { .. } | Kind::Symlink { .. }, Some(_)) => {
            return Err(TreeError::path(&entry.path, "has a content hash"));
        }
    }
    Ok(out)
}
