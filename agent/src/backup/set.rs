//! Sets of data on the disk: one folder each, with a descriptor that a checksum covers. A set that has
//! its number as its name is whole and synced.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sanaga_proto::ids::{AppName, Digest, Version};
use serde::{Deserialize, Serialize};

use super::DataError;
use super::item::Item;
use crate::update::{DataNumber, SlotNumber};

/// The version of the descriptor's form.
const VERSION: u32 = 1;
/// The descriptor's name in a set.
pub(super) const DESCRIPTOR: &str = "set";
/// The longest descriptor, bytes.
const DESCRIPTOR_BYTES_MAX: u64 = 1 << 20;

/// All sets of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sets {
    folder: PathBuf,
}

/// Whose data a set holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The app.
    pub app: AppName,
    /// The release that wrote the data; none before the first.
    pub from: Option<(Version, SlotNumber)>,
    /// The release for which they were put aside, or to which was gone back; none when to nothing.
    pub to: Option<(Version, SlotNumber)>,
}

/// What a set says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The version of this form.
    pub version: u32,
    /// The number.
    pub number: DataNumber,
    /// Whose data.
    pub about: About,
    /// What is in it.
    pub items: Vec<SetItem>,
}

/// One item of a set; the file or folder has its place in the list as its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetItem {
    /// What, and where it belongs.
    pub item: Item,
    /// Whether there was anything: what was not there is not there again when the set comes back.
    pub is_present: bool,
    /// The SHA-256 of a database; none for a folder, and for what was moved here as it was.
    pub sha256: Option<Digest>,
}

impl Sets {
    /// The sets of an app among those of all apps.
    #[must_use]
    pub fn new(snapshots: &Path, app: &AppName) -> Self {
        Self {
            folder: snapshots.join(app.as_str()),
        }
    }

    /// The folder of them all.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of one.
    #[must_use]
    pub fn path(&self, number: DataNumber) -> PathBuf {
        self.folder.join(format!("{number:04}"))
    }

    /// Where the item that stands so in the list is.
    #[must_use]
    pub fn item(&self, number: DataNumber, at: usize) -> PathBuf {
        self.path(number).join(at.to_string())
    }

    /// The numbers of all that are whole.
    #[must_use]
    pub fn list(&self) -> BTreeSet<DataNumber> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |name: &str| {
            let is_number = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| name.parse().ok())?
        };
        entries
            .filter(|entry| entry.path().join(DESCRIPTOR).is_file())
            .filter_map(|entry| number(entry.file_name().to_str()?))
            .collect()
    }

    /// What a set says of itself.
    ///
    /// # Errors
    /// [`DataError::Damaged`] when it does not fit its checksum, and any fault of the disk.
    pub fn read(&self, number: DataNumber) -> Result<Descriptor, DataError> {
        let path = self.path(number).join(DESCRIPTOR);
        let about = fs::metadata(&path).map_err(DataError::disk("read", &path))?;
        if about.len() > DESCRIPTOR_BYTES_MAX {
            return Err(DataError::damaged(&path, "is too long"));
        }
        let text = fs::read_to_string(&path).map_err(DataError::disk("read", &path))?;
        let parts = text.trim_end().rsplit_once('\n');
        let json = parts.filter(|(json, sum)| Digest::of(json.as_bytes()).to_string() == *sum);
        let Some((json, _)) = json else {
            return Err(DataError::damaged(&path, "does not fit its checksum"));
        };
        let descriptor: Descriptor = serde_json::from_str(json)
            .map_err(|error| DataError::damaged(&path, error.to_string()))?;
        if descriptor.version != VERSION || descriptor.number != number {
            return Err(DataError::damaged(&path, "is of another version or number"));
        }
        Ok(descriptor)
    }

    /// Writes the descriptor of an unfinished set, and puts the set in its place.
    pub(super) fn finish(
        &self,
        unfinished: &Path,
        number: DataNumber,
        about: About,
        items: Vec<SetItem>,
    ) -> Result<(), DataError> {
        let descriptor = Descriptor {
            version: VERSION,
            number,
            about,
            items,
        };
        let path = unfinished.join(DESCRIPTOR);
        let json = serde_json::to_string(&descriptor)
            .map_err(|error| DataError::damaged(&path, error.to_string()))?;
        let text = format!("{json}\n{}\n", Digest::of(json.as_bytes()));
        sanaga_durable::write_file(&path, text.as_bytes(), 0o600)?;
        sanaga_durable::sync_dir(unfinished)?;
        sanaga_durable::rename_dir(unfinished, &self.path(number))?;
        Ok(())
    }

    /// Makes the folder of the sets, which only its owner may read: databases may be secret.
    pub(super) fn make(&self) -> Result<(), DataError> {
        sanaga_durable::make_dir(&self.folder)?;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.folder, private)
            .map_err(DataError::disk("make private", &self.folder))
    }

    /// Removes sets. An absent one is no error.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn prune(&self, numbers: &[DataNumber]) -> Result<(), DataError> {
        for number in numbers {
            sanaga_durable::remove_tree(&self.path(*number))?;
        }
        Ok(())
    }
}
