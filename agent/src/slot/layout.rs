//! Where everything of an app lies.

use std::path::{Path, PathBuf};

use sanaga_proto::ids::{AppName, TreeRoot};

use crate::update::SlotNumber;

/// The folder of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFolder {
    path: PathBuf,
}

impl AppFolder {
    /// The folder of `app` among all apps.
    #[must_use]
    pub fn new(apps: &Path, app: &AppName) -> Self {
        Self {
            path: apps.join(app.as_str()),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of its slots.
    #[must_use]
    pub fn slots(&self) -> PathBuf {
        self.path.join("slots")
    }

    /// The folder of its data, which is never touched by an update.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The folder of its service: record and output.
    #[must_use]
    pub fn service(&self) -> PathBuf {
        self.path.join("service")
    }

    /// The settings in force, as the service reads them.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.path.join("settings.env")
    }

    /// The link to the slot that runs.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.path.join("current")
    }

    /// The link to the slot that ran before.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        self.path.join("previous")
    }

    /// The folder of a slot.
    #[must_use]
    pub fn slot(&self, number: SlotNumber, root: &TreeRoot) -> PathBuf {
        self.slots().join(slot_name(number, root))
    }

    /// The folder of a slot by its number alone, if there is one.
    #[must_use]
    pub fn find_slot(&self, number: SlotNumber) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.slots()).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            path.is_dir() && slot_number(name) == Some(number)
        })
    }
}

/// The name of a slot: number and the start of its root.
#[must_use]
pub(super) fn slot_name(number: SlotNumber, root: &TreeRoot) -> String {
    format!("{number:04}-{}", root.short())
}

/// The number in a slot's or sidecar's name; none for anything else.
#[must_use]
pub(super) fn slot_number(name: &str) -> Option<SlotNumber> {
    let stem = name.strip_suffix(".release").unwrap_or(name);
    let (number, root) = stem.split_once('-')?;
    let plausible = number.len() >= 4
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && root.len() == 16
        && root.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plausible { number.parse().ok() } else { None }
}

/// The sidecar beside a slot.
#[must_use]
pub(super) fn sidecar_path(slot: &Path) -> PathBuf {
    let mut name = slot.file_name().unwrap_or_default().to_owned();
    name.push(".release");
    slot.with_file_name(name)
}
