//! What is to run, and from where.

use std::path::PathBuf;
use std::time::Duration;

use sanaga_proto::ids::{AppName, Digest, Version};
use sanaga_proto::manifest::{ServiceKind, ServiceSection};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// From the polite signal to the other one, when the manifest leaves it out, seconds.
const STOP_GRACE_S: u64 = 10;

/// How a release wants to be run; from its verified manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Who keeps it running.
    #[serde(serialize_with = "kind_to_word", deserialize_with = "kind_from_word")]
    pub kind: ServiceKind,
    /// `process`: program and arguments; a relative program is inside the slot.
    pub command: Vec<String>,
    /// `command`: how to start; the same rule for the program.
    pub start: Vec<String>,
    /// `command`: how to stop; empty: the processes that `start` left are ended.
    pub stop: Vec<String>,
    /// `command`: exit code 0 while it runs; empty: started means running.
    pub status: Vec<String>,
    /// `systemd`: the units.
    pub units: Vec<String>,
    /// From the polite signal to the other one.
    pub stop_grace: Duration,
    /// The user it runs as; none is the agent's own.
    pub user: Option<String>,
}

impl From<&ServiceSection> for ServiceSpec {
    fn from(section: &ServiceSection) -> Self {
        Self {
            kind: section.kind,
            command: section.command.clone(),
            start: section.start.clone(),
            stop: section.stop.clone(),
            status: section.status.clone(),
            units: section.units.clone(),
            stop_grace: Duration::from_secs(section.stop_grace_s.unwrap_or(STOP_GRACE_S)),
            user: section.user.clone(),
        }
    }
}

/// One release, ready to be run. Two equal launches are the same instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The app.
    pub app: AppName,
    /// Its version, for `SANAGA_VERSION`.
    pub version: Version,
    /// How it is run.
    pub spec: ServiceSpec,
    /// The real path of the slot, for `SANAGA_RELEASE`; never `current`.
    pub slot: PathBuf,
    /// The file of settings, for `SANAGA_SETTINGS`.
    pub settings: PathBuf,
    /// The SHA-256 of that file: other settings are another launch.
    pub settings_digest: Digest,
    /// The folder of the app's data, for `SANAGA_DATA`.
    pub data: PathBuf,
}

fn kind_to_word<S: Serializer>(kind: &ServiceKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.as_str())
}

fn kind_from_word<'de, D: Deserializer<'de>>(from: D) -> Result<ServiceKind, D::Error> {
    let word = String::deserialize(from)?;
    ServiceKind::from_word(&word).ok_or_else(|| de::Error::custom("unknown kind of service"))
}
