//! Removing slots that nobody needs.

use super::SlotError;
use super::layout::{AppFolder, sidecar_path};
use super::links::named;
use crate::update::SlotNumber;

impl AppFolder {
    /// Removes slots with their sidecars. The app's folder is synced first, so that no link on disk
    /// still names one of them; each is moved aside before it is emptied.
    ///
    /// # Errors
    /// [`SlotError::InUse`] for what a link names, before anything is removed; else a fault of the disk.
    pub fn prune(&self, numbers: &[SlotNumber]) -> Result<(), SlotError> {
        let in_use = [named(&self.current())?, named(&self.previous())?];
        if let Some(slot) = numbers
            .iter()
            .find(|number| in_use.contains(&Some(**number)))
        {
            return Err(SlotError::InUse { slot: *slot });
        }
        sanaga_durable::sync_dir(self.path())?;
        for number in numbers {
            if let Some(slot) = self.find_slot(*number) {
                // Without its sidecar it is no slot any more, whatever happens from here on.
                sanaga_durable::remove_file(&sidecar_path(&slot))?;
                sanaga_durable::remove_tree(&slot)?;
            }
            self.remove_orphan(*number)?;
        }
        Ok(())
    }

    fn remove_orphan(&self, number: SlotNumber) -> Result<(), SlotError> {
        for entry in std::fs::read_dir(self.slots())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            if name.to_str().and_then(super::layout::slot_number) == Some(number)
                && !entry.path().is_dir()
            {
                sanaga_durable::remove_file(&entry.path())?;
            }
        }
        Ok(())
    }
}
