//! `current` and `previous`. Replacing `current` is the only commit point of an update.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SlotError;
use super::layout::{AppFolder, slot_number};
use crate::update::SlotNumber;

impl AppFolder {
    /// Makes `current` name a slot, at one instant and for good.
    ///
    /// # Errors
    /// A slot that is not there, or a fault of the disk.
    pub fn swap_current(&self, to: SlotNumber) -> Result<(), SlotError> {
        replace(&self.current(), &self.target(to)?)
    }

    /// Removes `current`: nothing is installed.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn remove_current(&self) -> Result<(), SlotError> {
        Ok(sanaga_durable::remove_file(&self.current())?)
    }

    /// Makes `previous` name a slot, or nothing.
    ///
    /// # Errors
    /// A slot that is not there, or a fault of the disk.
    pub fn rewrite_previous(&self, to: Option<SlotNumber>) -> Result<(), SlotError> {
        match to {
            Some(to) => replace(&self.previous(), &self.target(to)?),
            None => Ok(sanaga_durable::remove_file(&self.previous())?),
        }
    }

    /// The slot's path as the links hold it: relative, so that the folder can be moved.
    fn target(&self, number: SlotNumber) -> Result<PathBuf, SlotError> {
        let slot = self.find_slot(number).ok_or_else(|| {
            SlotError::disk("find slot", &self.slots().join(format!("{number:04}")))(
                io::ErrorKind::NotFound.into(),
            )
        })?;
        Ok(Path::new("slots").join(slot.file_name().unwrap_or_default()))
    }
}

fn replace(link: &Path, target: &Path) -> Result<(), SlotError> {
    Ok(sanaga_durable::replace_symlink(link, target)?)
}

/// The slot that a link names; none when there is no link, or one that is not ours.
pub(super) fn named(link: &Path) -> Result<Option<SlotNumber>, SlotError> {
    match fs::read_link(link) {
        Ok(target) => Ok(target
            .strip_prefix("slots")
            .ok()
            .and_then(|name| name.to_str())
            .and_then(slot_number)),
        // Something else under that name is not believed; replacing the link will say what is wrong.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(SlotError::disk("read link", link)(error)),
    }
}
