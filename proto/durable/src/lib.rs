//! The only place that renames, syncs and links files that matter. Everything here either has
//! happened for good when it returns, or can be done again.
//!
//! What is assumed of file systems is in docs/failure-model.md: `rename` is atomic, a file's data
//! last after `fsync` of the file, its name after `fsync` of its folder.

mod copy;
mod error;
mod file;
mod lock;
mod trace;
mod tree;

pub use copy::{copy_file, copy_tree};
pub use error::DurableError;
pub use file::{
    hard_link, make_dir, remove_file, rename, replace_symlink, reserve, sync_dir, sync_file,
    write_file,
};
pub use lock::{Held, Lock};
pub use tree::{free_bytes, remove_tree, rename_dir, sweep, sync_tree};

/// What the name of an unfinished file or folder begins with; [`sweep`] removes such.
pub const UNFINISHED: &str = ".unfinished-";

#[cfg(test)]
mod tests;
