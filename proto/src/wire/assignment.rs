//! The assignment: which releases one node is to run. It chooses among what the environment's role
//! has signed; it never names code, hooks, paths or probes.

use ciborium::Value;

use super::document::{Document, Field, WireError};
use crate::fields;
use crate::ids::{
    AppName, Counter, Digest, EnvironmentName, Generation, NodeKeyId, NodeName, ReleaseName,
    RepositoryId, SettingName, SiteName, Version,
};
use crate::limits;

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingValue {
    /// An integer.
    Integer(i64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Flag(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value}"),
        }
    }
}

impl Field for SettingValue {
    fn to_value(&self) -> Value {
        match self {
            Self::Integer(value) => value.to_value(),
            Self::Flag(value) => value.to_value(),
            Self::Text(value) => value.to_value(),
        }
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        if value.is_bool() {
            bool::from_value(value).map(Self::Flag)
        } else if value.is_integer() {
            i64::from_value(value).map(Self::Integer)
        } else {
            String::from_value(value).map(Self::Text)
        }
    }
}

fields! {
    /// One app of an assignment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AssignedApp ("assigned app") {
        /// The app.
        1 required app: AppName,
        /// The version.
        2 required version: Version,
        /// The SHA-256 of its manifest.
        3 required manifest: Digest,
        /// Its place in the order of releases of its environment.
        4 required counter: Counter,
        /// Settings by environment, site and node, already merged; in order of name.
        5 list settings: (SettingName, SettingValue),
        /// The most bytes that fetching it may cost; more waits for somebody to allow it.
        6 optional download_bytes_max: u64,
        /// The generation in which somebody last asked for exactly this; absent: this one. A release
        /// that was set aside is tried again only for a newer one.
        7 optional asked: Generation,
    }
}

impl AssignedApp {
    /// `app@version`.
    #[must_use]
    pub fn release(&self) -> ReleaseName {
        ReleaseName {
            app: self.app.clone(),
            version: self.version.clone(),
        }
    }
}

fields! {
    /// What one node is to run, under one number.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Assignment ("assignment") {
        /// Which repository.
        3 required repository: RepositoryId,
        /// The node's environment, fixed at enrolment.
        4 required environment: EnvironmentName,
        /// The node's name.
        5 required node: NodeName,
        /// The node's site.
        6 required site: SiteName,
        /// The node's key.
        7 required node_key: NodeKeyId,
        /// Grows with each assignment of this node.
        8 required generation: Generation,
        /// When it was signed, seconds since 1970.
        9 required issued_at_s: u64,
        /// How often to poll, seconds.
        10 required poll_interval_s: u64,
        /// Where packs are, in order of preference; each ends before `/v1/`.
        11 list content_urls: String,
        /// Every app of the node; an installed app that is not here stays as it is.
        12 list apps: AssignedApp,
    }
}

impl Assignment {
    /// The generation in which somebody last asked for what one of its apps has.
    #[must_use]
    pub fn asked_in(&self, app: &AssignedApp) -> Generation {
        app.asked
            .map_or(self.generation, |asked| asked.min(self.generation))
    }

    /// Its apps as a next generation carries them on, for which nobody asked anew.
    #[must_use]
    pub fn carried(&self) -> Vec<AssignedApp> {
        let apps = self.apps.iter();
        apps.map(|app| AssignedApp {
            asked: Some(self.asked_in(app)),
            ..app.clone()
        })
        .collect()
    }
}

impl Document for Assignment {
    const WHAT: &'static str = "assignment";
    const TYPE: u64 = 1;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::ASSIGNMENT_BYTES_MAX;
}
