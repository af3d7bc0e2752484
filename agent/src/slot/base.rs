//! A whole slot from which another one is made: what a patch starts from, or a copy of the same tree.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sanaga_proto::ids::TreeRoot;
use sanaga_proto::tree::{HashedTree, TreeList};

use super::SlotError;
use super::layout::{AppFolder, sidecar_path, slot_number};
use super::sidecar::Sidecar;
use super::verify::digest_of;
use crate::update::SlotNumber;

/// A whole tree on this disk that another one is made from.
#[derive(Debug)]
pub struct Base {
    slot: PathBuf,
    root: TreeRoot,
    tree: HashedTree,
}

impl Base {
    /// Opens a slot as a base.
    ///
    /// # Errors
    /// When its sidecar is missing or not whole.
    pub fn open(slot: &Path) -> Result<Self, SlotError> {
        let sidecar = Sidecar::read(slot)?.ok_or_else(|| SlotError::Sidecar {
            path: sidecar_path(slot),
            problem: "is missing".to_owned(),
        })?;
        Ok(Self {
            slot: slot.to_owned(),
            root: sidecar.release.root,
            tree: sidecar.tree,
        })
    }

    /// A whole slot of an app with this tree; never slot `but`, which is being staged: it is removed
    /// before the first file is taken from the base.
    ///
    /// # Errors
    /// [`SlotError::BaseDamaged`] when there is none.
    pub fn find(app: &AppFolder, root: &TreeRoot, but: SlotNumber) -> Result<Self, SlotError> {
        let slots = app.slots();
        let entries = std::fs::read_dir(&slots).into_iter().flatten().flatten();
        let others = entries.filter(|entry| {
            let name = entry.file_name();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            is_folder
                && name
                    .to_str()
                    .and_then(slot_number)
                    .is_some_and(|number| number != but)
        });
        others
            .filter_map(|entry| Self::open(&entry.path()).ok())
            .find(|base| base.root == *root)
            .ok_or_else(|| SlotError::BaseDamaged {
                path: slots.display().to_string(),
            })
    }

    /// Its entries.
    #[must_use]
    pub fn list(&self) -> &TreeList {
        self.tree.list()
    }

    /// Its tree with hashes.
    #[must_use]
    pub fn tree(&self) -> &HashedTree {
        &self.tree
    }

    pub(super) fn open_file(&self, file: u32) -> io::Result<File> {
        let entry = self.list().file(file).ok_or(io::ErrorKind::NotFound)?;
        let flags =
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let opened = rustix::fs::open(
            self.slot.join(&entry.path),
            flags,
            rustix::fs::Mode::empty(),
        )?;
        Ok(File::from(opened))
    }

    /// The first regular file whose content is not what was installed. Codecs refer to old files by
    /// position, so damage shows only in the tree that comes out; this finds the culprit.
    #[must_use]
    pub fn damaged(&self) -> Option<String> {
        (0..self.list().files().len() as u32)
            .find(|file| {
                let found = self.open_file(*file).and_then(digest_of);
                found.ok().as_ref() != self.tree.hash(*file)
            })
            .map(|file| self.path_of(file))
    }

    pub(super) fn path_of(&self, file: u32) -> String {
        self.list()
            .file(file)
            .map(|entry| entry.path.clone())
            .unwrap_or_default()
    }
}

impl sanaga_proto::pack::Base for Base {
    fn root(&self) -> TreeRoot {
        self.root
    }

    fn list(&self) -> &TreeList {
        self.tree.list()
    }

    fn read_at(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.open_file(file)?.read_exact_at(out, offset)
    }
}
