//! The tree: which files a release installs. Entries, the rules for their names, their canonical
//! order, the list that travels, and the Merkle root that is signed (docs/bundle-format.md,
//! "Trees").

mod error;
mod list;
pub mod path;
mod root;

pub use error::TreeError;
pub use list::{HashedTree, TreeBuilder, TreeList};
pub use root::{RootBuilder, TreeHasher, leaf_input};

/// One file, directory or symbolic link of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the tree, `/` between components; see [`path::check`] for the rules.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is. There are no devices, sockets, pipes or hard links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory. The tree's own root is not an entry.
    Directory {
        /// Permission bits, at most `0o777`.
        mode: u16,
    },
    /// A regular file.
    File {
        /// Permission bits, at most `0o777`.
        mode: u16,
        /// Bytes.
        size: u64,
    },
    /// A symbolic link; links have no mode of their own.
    Symlink {
        /// Relative, and inside the tree; see [`path::check_target`].
        target: String,
    },
}

impl Entry {
    /// The size of a regular file; `None` for everything else.
    #[must_use]
    pub fn file_size(&self) -> Option<u64> {
        match self.kind {
            Kind::File { size, .. } => Some(size),
            Kind::Directory { .. } | Kind::Symlink { .. } => None,
        }
    }

    /// The permission bits; links count as `0`.
    #[must_use]
    pub fn mode(&self) -> u16 {
        match self.kind {
            Kind::Directory { mode } | Kind::File { mode, .. } => mode,
            Kind::Symlink { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests;
