//! What is to run, and from where.

use std::path::PathBuf;
use std::time::Duration;

use sanaga_proto::ids::{AppName, Digest, Version};
use sanaga_proto::manifest::{Manifest, ServiceKind, Strategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::Limits;
use crate::config;

/// From the polite signal to the other one, when the manifest leaves it out, seconds.
const STOP_GRACE_S: u64 = 10;
/// A `blue-green` instance that serves no longer runs on at least so long, when the manifest leaves
/// it out, seconds.
const DRAIN_S: u64 = 10;

/// How a release wants to be run; from its verified manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Who keeps it running.
    #[serde(serialize_with = "kind_to_word", deserialize_with = "kind_from_word")]
    pub kind: ServiceKind,
    /// `process` and `systemd`: program and arguments; a relative program is inside the slot.
    pub command: Vec<String>,
    /// `command`: how to start; the same rule for the program.
    pub start: Vec<String>,
    /// `command`: how to stop; empty: the processes that `start` left are ended.
    pub stop: Vec<String>,
    /// `command`: exit code 0 while it runs; empty: started means running.
    pub status: Vec<String>,
    /// `systemd`: the units, as paths inside the slot.
    pub units: Vec<String>,
    /// From the polite signal to the other one.
    pub stop_grace: Duration,
    /// The user it runs as; none is the agent's own.
    pub user: Option<String>,
    /// How it runs beside the release before; none where that stops first. What older records do
    /// not say is their default here, so that a new agent knows their services again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
}

/// Two instances of an app at once (`blue-green`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// The ports that the instances listen on; empty: any of the node's range.
    pub ports: Vec<u16>,
    /// An instance that serves no longer runs on at least so long.
    pub drain: Duration,
}

impl ServiceSpec {
    /// What the manifest asks for, within what this node allows.
    #[must_use]
    pub fn of(manifest: &Manifest, allowed: &config::Limits) -> Self {
        let section = &manifest.service;
        let beside = match section.strategy() {
            Strategy::Restart => None,
            Strategy::BlueGreen => Some(Beside {
                ports: section
                    .ports
                    .iter()
                    .filter_map(|port| u16::try_from(*port).ok())
                    .collect(),
                drain: Duration::from_secs(section.drain_s.unwrap_or(DRAIN_S)),
            }),
        };
        Self {
            kind: section.kind,
            command: section.command.clone(),
            start: section.start.clone(),
            stop: section.stop.clone(),
            status: section.status.clone(),
            units: section.units.clone(),
            stop_grace: Duration::from_secs(section.stop_grace_s.unwrap_or(STOP_GRACE_S)),
            user: section.user.clone(),
            beside,
            limits: Limits::within(manifest.limits.unwrap_or_default(), allowed),
        }
    }
}

/// One release, ready to be run.
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
    /// The port of a `blue-green` instance, for `SANAGA_PORT`; given when it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Launch {
    /// Whether both are the same release with the same settings, wherever they listen.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.at(None) == other.at(None)
    }

    /// The same, listening there.
    #[must_use]
    pub fn at(&self, port: Option<u16>) -> Self {
        Self {
            port,
            ..self.clone()
        }
    }
}

fn kind_to_word<S: Serializer>(kind: &ServiceKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.as_str())
}

fn kind_from_word<'de, D: Deserializer<'de>>(from: D) -> Result<ServiceKind, D::Error> {
    let word = String::deserialize(from)?;
    ServiceKind::from_word(&word).ok_or_else(|| de::Error::custom("unknown kind of service"))
}
