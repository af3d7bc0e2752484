//! Bringing a set back. Nothing runs meanwhile, and every step can be repeated after a cut: what stands
//! in the way is moved aside file by file, then each item is put in its place by one rename.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DataError;
use super::item::{INDEX_FILE, Item, ItemKind, SIDE_FILES, beside};
use super::set::{About, Descriptor, SetItem, Sets};
use super::snapshot::hash;
use crate::update::DataNumber;

impl Sets {
    /// Brings a set back. What stands there becomes the set `aside`; without one it is thrown away.
    ///
    /// # Errors
    /// A set that is damaged, before anything is moved; a fault of the disk, after which what stood
    /// there has been moved back as far as that was possible.
    pub fn restore(
        &self,
        number: DataNumber,
        aside: Option<(DataNumber, About)>,
    ) -> Result<(), DataError> {
        let set = self.read(number)?;
        let is_aside = aside
            .as_ref()
            .is_some_and(|(aside, _)| self.is_whole(*aside));
        self.verify(&set, is_aside)?;
        let aside = match aside {
            Some((aside, about)) => {
                if !is_aside {
                    self.move_aside(aside, about, &set)?;
                }
                Some(aside)
            }
            None => None,
        };
        let put = self.put_all(&set, aside.is_some());
        if let (Err(_), Some(aside)) = (&put, aside) {
            // Better the data that do not fit than none: nothing is started on them.
            self.undo(aside)?;
        }
        put
    }

    fn is_whole(&self, number: DataNumber) -> bool {
        self.path(number).join(super::set::DESCRIPTOR).is_file()
    }

    /// Nothing is touched for the sake of a set that is damaged. What went back before a cut, for want
    /// of room, is missing in it.
    fn verify(&self, set: &Descriptor, is_aside: bool) -> Result<(), DataError> {
        for (at, kept) in set.items.iter().enumerate() {
            let path = self.item(set.number, at);
            let is_there = fs::symlink_metadata(&path).is_ok();
            let went_back = is_aside && kept.item.path.exists();
            if kept.is_present && !is_there && !went_back {
                return Err(DataError::damaged(&path, "is missing"));
            }
            if let Some(sha256) = kept.sha256.filter(|_| is_there)
                && hash(&path)? != sha256
            {
                return Err(DataError::damaged(&path, "is not what was put aside"));
            }
        }
        Ok(())
    }

    /// Moves what stands there into a set of its own, with the write-ahead logs of databases. A cut
    /// leaves some of it moved; the next call moves the rest.
    fn move_aside(
        &self,
        number: DataNumber,
        about: About,
        set: &Descriptor,
    ) -> Result<(), DataError> {
        let moving = self.folder().join(format!("{number:04}.moving"));
        sanaga_durable::make_dir(&moving)?;
        let mut items = Vec::new();
        for (at, kept) in set.items.iter().enumerate() {
            let to = moving.join(at.to_string());
            for (from, to) in files_of(&kept.item, &to) {
                move_file(&from, &to)?;
            }
            items.push(SetItem {
                item: kept.item.clone(),
                is_present: fs::symlink_metadata(&to).is_ok(),
                sha256: None,
            });
        }
        self.finish(&moving, number, about, items)
    }

    fn put_all(&self, set: &Descriptor, may_move: bool) -> Result<(), DataError> {
        for (at, kept) in set.items.iter().enumerate() {
            let from = self.item(set.number, at);
            let went_back = kept.is_present && fs::symlink_metadata(&from).is_err();
            if went_back {
                continue;
            }
            match self.put(&from, kept, may_move) {
                Err(error) if error.is_full() && !may_move => {
                    // What is thrown away anyhow makes room.
                    remove(&kept.item)?;
                    self.put(&from, kept, may_move)?;
                }
                put => put?,
            }
        }
        Ok(())
    }

    fn put(&self, from: &Path, kept: &SetItem, may_move: bool) -> Result<(), DataError> {
        let item = &kept.item;
        if !kept.is_present {
            return remove(item);
        }
        let folder = item.path.parent().unwrap_or(&item.path);
        sanaga_durable::make_dir(folder)?;
        match item.kind {
            ItemKind::Sqlite => {
                remove_side_files(item)?;
                // The log before the database that it belongs to: half of this is never opened.
                for suffix in SIDE_FILES {
                    let log = beside(from, suffix);
                    if log.is_file() {
                        put_one(&log, &beside(&item.path, suffix), may_move)?;
                    }
                }
            }
            ItemKind::Folder => {}
        }
        put_one(from, &item.path, may_move)
    }

    /// Moves a set that was just made back to where it came from.
    fn undo(&self, number: DataNumber) -> Result<(), DataError> {
        let set = self.read(number)?;
        for (at, kept) in set.items.iter().enumerate() {
            let from = self.item(number, at);
            if kept.is_present {
                remove(&kept.item)?;
                for (to, from) in files_of(&kept.item, &from) {
                    move_file(&from, &to)?;
                }
            }
        }
        self.prune(&[number])
    }
}

/// The files of an item and their names in a set.
fn files_of(item: &Item, in_set: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut files = Vec::new();
    if item.kind == ItemKind::Sqlite {
        // The database goes last, so that its log never lies alone beside another one.
        let side = SIDE_FILES.iter();
        files.extend(side.map(|suffix| (beside(&item.path, suffix), beside(in_set, suffix))));
    }
    files.push((item.path.clone(), in_set.to_owned()));
    files
}

/// Moves a file or folder, across file systems as well. What is not there was moved before.
fn move_file(from: &Path, to: &Path) -> Result<(), DataError> {
    if fs::symlink_metadata(from).is_err() {
        return Ok(());
    }
    match sanaga_durable::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        moved => return Ok(moved?),
    }
    copy(from, to, room_for(to))?;
    delete(from)
}

/// Puts a copy in its place by a rename; where there is no room for one, the thing itself.
fn put_one(from: &Path, to: &Path, may_move: bool) -> Result<(), DataError> {
    match copy(from, to, room_for(to)) {
        Err(error) if error.is_full() && may_move => {
            delete(to)?;
            Ok(sanaga_durable::rename(from, to)?)
        }
        copied => copied,
    }
}

/// Copies a file or folder beside its place, and renames it there.
fn copy(from: &Path, to: &Path, room: u64) -> Result<(), DataError> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = to.with_file_name(format!("{}{name}", sanaga_durable::UNFINISHED));
    delete(&unfinished)?;
    let is_folder = fs::symlink_metadata(from).is_ok_and(|about| about.is_dir());
    let copied = if is_folder {
        sanaga_durable::copy_tree(from, &unfinished, room)
    } else {
        sanaga_durable::copy_file(from, &unfinished, room)
    };
    if let Err(error) = copied {
        delete(&unfinished)?;
        return Err(error.into());
    }
    if is_folder {
        delete(to)?;
    }
    Ok(sanaga_durable::rename(&unfinished, to)?)
}

/// The way back may use what is otherwise kept free.
fn room_for(path: &Path) -> u64 {
    let folder = path.parent().unwrap_or(path);
    sanaga_durable::free_bytes(folder).unwrap_or_default()
}

/// Removes an item with all that belongs to it.
fn remove(item: &Item) -> Result<(), DataError> {
    if item.kind == ItemKind::Sqlite {
        remove_side_files(item)?;
    }
    delete(&item.path)
}

fn remove_side_files(item: &Item) -> Result<(), DataError> {
    for suffix in SIDE_FILES.iter().chain([&INDEX_FILE]) {
        delete(&beside(&item.path, suffix))?;
    }
    Ok(())
}

fn delete(path: &Path) -> Result<(), DataError> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => Ok(sanaga_durable::remove_tree(path)?),
        Ok(_) => Ok(sanaga_durable::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DataError::disk("look at", path)(error)),
    }
}
