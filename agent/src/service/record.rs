//! What must be known of a service after the agent was killed: which launch was asked for, under
//! which name, and the process that was seen. The name is on disk before the first process that
//! bears it, so that no kill and no power cut leaves a process that nobody knows.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::time::Duration;

use sanaga_durable::DurableError;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use super::launch::Launch;
use super::procfs::ProcessId;

/// The version of the file.
const VERSION: u32 = 1;
/// A record is far smaller, bytes.
const BYTES_MAX: u64 = 1 << 20;
/// The kernel's source of names that nobody had before.
const UUID: &str = "/proc/sys/kernel/random/uuid";

/// The record of one app's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// What was asked for.
    pub launch: Launch,
    /// The name of this start, `SANAGA_INSTANCE` of everything that it runs.
    pub instance: String,
    /// Whether it is to run; false from the moment that it is to stop.
    pub wanted: bool,
    /// The boot in which it was started, as 32 hexadecimal digits.
    pub boot: String,
    /// The process that was seen last. It may lag behind: the name is what counts.
    pub process: Option<ProcessId>,
    /// Crashes since it was asked for.
    pub crashes: u32,
    /// Whether it served, and is kept for a quick return once it does not (`blue-green`).
    #[serde(default)]
    pub kept: bool,
    /// When another instance took its place, since the boot of the record (`blue-green`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Duration>,
}

impl Record {
    /// The intent to run a launch, under a new name.
    pub(super) fn intent(launch: Launch, boot: &[u8; 16]) -> std::io::Result<Self> {
        Ok(Self {
            version: VERSION,
            launch,
            instance: new_name()?,
            wanted: true,
            boot: boot_text(boot),
            process: None,
            crashes: 0,
            kept: false,
            retired: None,
        })
    }

    /// Whether it was started in this boot.
    pub(super) fn is_of(&self, boot: &[u8; 16]) -> bool {
        *boot != [0; 16] && self.boot == boot_text(boot)
    }

    /// Reads; an absent or damaged record is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, ServiceError> {
        let unreadable = |source| ServiceError::Record {
            path: path.to_owned(),
            source,
        };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut bytes = Vec::new();
        file.take(BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        let record = serde_json::from_slice::<Self>(&bytes).ok();
        Ok(record.filter(|record| record.version == VERSION))
    }

    /// Writes, to last.
    pub(super) fn save(&self, path: &Path) -> Result<(), ServiceError> {
        let failed = |source| ServiceError::Record {
            path: path.to_owned(),
            source,
        };
        let bytes = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        sanaga_durable::write_file(path, &bytes, 0o600)
            .map_err(|DurableError { source, .. }| failed(source))
    }
}

fn boot_text(boot: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*boot))
}

fn new_name() -> std::io::Result<String> {
    Ok(fs::read_to_string(UUID)?.trim().to_owned())
}

/// A number that nobody can tell beforehand; 0 where the kernel has none.
pub(super) fn chance() -> u64 {
    new_name()
        .ok()
        .and_then(|name| u64::from_str_radix(name.get(..8)?, 16).ok())
        .unwrap_or(0)
}
