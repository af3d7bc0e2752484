//! Staging: a release is written beside the running one, hashed as it is written, compared with the
//! signed root, synced, and only then put in its place.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sanaga_durable::UNFINISHED;
use sanaga_proto::ids::{Digest, TreeRoot};
use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};
use sha2::{Digest as _, Sha256};

use super::SlotError;
use super::base::Base;
use super::create::Below;
use super::layout::{AppFolder, sidecar_path, slot_name};
use super::sidecar::Sidecar;
use crate::update::SlotNumber;

/// Files are copied in pieces of this size, bytes.
const COPY_BYTES: usize = 256 << 10;
/// Written files are synced so many at a time: the first sync of a batch commits the names and sizes
/// of all, so that the others wait for their data alone.
const SYNC_FILES: usize = 128;

/// The file that is being written.
#[derive(Debug)]
struct Open {
    number: u32,
    file: File,
    hasher: Sha256,
    left: u64,
    /// The file system has the content already; it is only hashed.
    is_cloned: bool,
}

/// A slot in the making. Dropping it removes what was written.
#[derive(Debug)]
pub struct Staging {
    below: Below,
    unfinished: PathBuf,
    place: PathBuf,
    list: TreeList,
    hashes: Vec<Option<Digest>>,
    open: Option<Open>,
    /// Files that are written but not synced.
    unsynced: Vec<File>,
    done: bool,
}

impl Staging {
    /// Begins a slot: checks that there is room, removes what an earlier attempt left, and makes all
    /// folders.
    ///
    /// # Errors
    /// [`SlotError::Full`] before anything is written, else a fault of the disk.
    pub fn begin(
        app: &AppFolder,
        number: SlotNumber,
        root: &TreeRoot,
        list: TreeList,
        reserve_bytes: u64,
    ) -> Result<Self, SlotError> {
        let slots = app.slots();
        sanaga_durable::make_dir(&slots)?;
        sanaga_durable::sweep(&slots)?;
        let place = app.slot(number, root);
        // Whatever stands under this number was never sealed, or is staged again on purpose.
        sanaga_durable::remove_file(&sidecar_path(&place))?;
        sanaga_durable::remove_tree(&place)?;
        check_room(&slots, &list, reserve_bytes)?;
        let unfinished = slots.join(format!("{UNFINISHED}{}", slot_name(number, root)));
        let below = Below::make(&unfinished)
            .map_err(|error| SlotError::disk("make", &unfinished)(error.into()))?;
        let hashes = vec![None; list.files().len()];
        let staging = Self {
            below,
            unfinished,
            place,
            list,
            hashes,
            open: None,
            unsynced: Vec::new(),
            done: false,
        };
        staging.make_folders_and_links()?;
        Ok(staging)
    }

    /// The entries.
    #[must_use]
    pub fn list(&self) -> &TreeList {
        &self.list
    }

    /// Takes a file over from the base, after its hash was checked while it was read. Where the file
    /// system can, it shares the blocks.
    ///
    /// # Errors
    /// [`SlotError::BaseDamaged`], [`SlotError::Unfitting`], or a fault of the disk.
    pub fn reuse(&mut self, number: u32, base: &Base, old: u32) -> Result<(), SlotError> {
        let damaged = || SlotError::BaseDamaged {
            path: base.path_of(old),
        };
        let expected = *base
            .tree()
            .hash(old)
            .ok_or_else(|| SlotError::unfitting("no such file in the base"))?;
        let mut from = base.open_file(old).map_err(|_| damaged())?;
        self.begin_file(number)?;
        if let Some(open) = &mut self.open {
            open.is_cloned = rustix::fs::ioctl_ficlone(&open.file, &from).is_ok();
        }
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(damaged()),
            };
            match self.data(buffer.get(..read).unwrap_or_default()) {
                Err(SlotError::Unfitting { .. }) => return Err(damaged()),
                written => written?,
            }
        }
        match self.end_file() {
            Ok(found) if found == expected => Ok(()),
            Ok(_) | Err(SlotError::Unfitting { .. }) => Err(damaged()),
            Err(other) => Err(other),
        }
    }

    /// Begins a regular file, by its number among the regular files.
    ///
    /// # Errors
    /// [`SlotError::Unfitting`] for one that is written already, or a fault of the disk.
    pub fn begin_file(&mut self, number: u32) -> Result<(), SlotError> {
        if self.open.is_some() || !matches!(self.hashes.get(number as usize), Some(None)) {
            return Err(SlotError::unfitting(format!("file {number} out of turn")));
        }
        let entry = self
            .list
            .file(number)
            .ok_or_else(|| SlotError::unfitting("no such file"))?;
        let file = self
            .below
            .file(&entry.path)
            .map_err(|error| self.fault("create", &entry.path, error.into()))?;
        let left = entry.file_size().unwrap_or_default();
        self.open = Some(Open {
            number,
            file,
            hasher: Sha256::new(),
            left,
            is_cloned: false,
        });
        Ok(())
    }

    /// Writes the next bytes of the file.
    ///
    /// # Errors
    /// [`SlotError::Unfitting`] for more than its size, or a fault of the disk.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), SlotError> {
        let Some(open) = &mut self.open else {
            return Err(SlotError::unfitting("bytes without a file"));
        };
        open.left = open
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| SlotError::unfitting("a file is longer than its entry"))?;
        open.hasher.update(bytes);
        if open.is_cloned {
            return Ok(());
        }
        match open.file.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fault("write", "", error)),
        }
    }

    /// Ends the file: sets its mode, syncs it (at the latest in [`Staging::finish`]) and gives its
    /// hash.
    ///
    /// # Errors
    /// [`SlotError::Unfitting`] for less than its size, or a fault of the disk.
    pub fn end_file(&mut self) -> Result<Digest, SlotError> {
        let open = self
            .open
            .take()
            .ok_or_else(|| SlotError::unfitting("no file to end"))?;
        if open.left > 0 {
            return Err(SlotError::unfitting("a file is shorter than its entry"));
        }
        let mode = self.list.file(open.number).map_or(0, Entry::mode);
        rustix::fs::fchmod(
            &open.file,
            rustix::fs::Mode::from_bits_truncate(mode.into()),
        )
        .map_err(|error| self.fault("set the mode of", "", error.into()))?;
        self.unsynced.push(open.file);
        if self.unsynced.len() >= SYNC_FILES {
            self.sync_files()?;
        }
        let digest = Digest(open.hasher.finalize().into());
        if let Some(slot) = self.hashes.get_mut(open.number as usize) {
            *slot = Some(digest);
        }
        Ok(digest)
    }

    fn sync_files(&mut self) -> Result<(), SlotError> {
        for file in std::mem::take(&mut self.unsynced) {
            sanaga_durable::sync_file(&file)
                .map_err(|error| self.fault("sync", "", error.source))?;
        }
        Ok(())
    }

    /// Compares what was written with the signed root, and puts the slot in its place.
    ///
    /// # Errors
    /// [`SlotError::Mismatch`], [`SlotError::Unfitting`] for files that are missing, or a fault of
    /// the disk.
    pub fn finish(mut self, sidecar: impl FnOnce(HashedTree) -> Sidecar) -> Result<(), SlotError> {
        let hashes: Option<Vec<Digest>> = self.hashes.iter().copied().collect();
        let hashes = hashes.ok_or_else(|| SlotError::unfitting("a file is missing"))?;
        self.sync_files()?;
        let tree = HashedTree::new(std::mem::take(&mut self.list), hashes)?;
        let sidecar = sidecar(tree);
        if sidecar.tree.root() != sidecar.release.root {
            return Err(SlotError::Mismatch {
                expected: sidecar.release.root.to_string(),
            });
        }
        self.set_modes(sidecar.tree.list())?;
        sync_folders(&self.unfinished, sidecar.tree.list())?;
        sanaga_durable::rename_dir(&self.unfinished, &self.place)?;
        self.done = true;
        sidecar.write(&self.place)
    }

    fn make_folders_and_links(&self) -> Result<(), SlotError> {
        for entry in self.list.entries() {
            let made = match &entry.kind {
                Kind::Directory { .. } => self.below.folder(&entry.path),
                Kind::Symlink { target } => self.below.link(&entry.path, target),
                Kind::File { .. } => Ok(()),
            };
            made.map_err(|error| self.fault("make", &entry.path, error.into()))?;
        }
        Ok(())
    }

    /// Modes of folders are set last and from the leaves up: one without the right to enter is legal.
    fn set_modes(&self, list: &TreeList) -> Result<(), SlotError> {
        for entry in list.entries().iter().rev() {
            if let Kind::Directory { mode } = entry.kind {
                let set = self.below.set_mode(&entry.path, mode);
                set.map_err(|error| self.fault("set the mode of", &entry.path, error.into()))?;
            }
        }
        let root = rustix::fs::chmod(
            &self.unfinished,
            rustix::fs::Mode::from_bits_truncate(0o755),
        );
        root.map_err(|error| self.fault("set the mode of", "", error.into()))
    }

    /// A full disk is told as such, whatever call met it.
    fn fault(&self, operation: &'static str, path: &str, source: io::Error) -> SlotError {
        let path = self.unfinished.join(path);
        if crate::disk::code_of(&source) == sanaga_proto::code::DISK_FULL {
            let free = sanaga_durable::free_bytes(&self.unfinished).unwrap_or_default();
            return SlotError::Full {
                path: self.place.clone(),
                needed: self.list.file_bytes(),
                free,
            };
        }
        SlotError::Disk {
            operation,
            path,
            source,
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.done {
            // What cannot be removed now is swept by the next attempt.
            let _ = sanaga_durable::remove_tree(&self.unfinished);
        }
    }
}

fn check_room(slots: &Path, list: &TreeList, reserve_bytes: u64) -> Result<(), SlotError> {
    // Each entry takes an inode and up to a block of slack.
    let needed = list.file_bytes() + 4_096 * list.entries().len() as u64 + reserve_bytes;
    let free = sanaga_durable::free_bytes(slots)?;
    if free < needed {
        return Err(SlotError::Full {
            path: slots.to_owned(),
            needed,
            free,
        });
    }
    Ok(())
}

fn sync_folders(top: &Path, list: &TreeList) -> Result<(), SlotError> {
    for entry in list.entries().iter().rev() {
        if let Kind::Directory { mode } = entry.kind
            && mode & 0o400 != 0
        {
            sanaga_durable::sync_dir(&top.join(&entry.path))?;
        }
    }
    Ok(sanaga_durable::sync_dir(top)?)
}
