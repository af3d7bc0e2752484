//! The configuration of the agent: `agent.toml`, files beside it, the environment and flags, each
//! value with its origin. Precedence: flags > `SANAGA_*` > `agent.d/*.toml` (a later name wins) >
//! `agent.toml` > defaults. Nothing here is written; only a person changes configuration.

mod error;
pub mod keys;
mod layer;
mod paths;
mod reference;
#[cfg(test)]
mod tests;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sanaga_proto::ids::{AppName, SettingName};
use sanaga_proto::manifest::ServiceKind;
use sanaga_proto::text::Language;
use sanaga_proto::wire::assignment::SettingValue;

use crate::clock::ClockTrust;
use crate::power::nut::Ups;

pub use error::ConfigError;
pub use paths::{Environment, Paths};
pub use reference::{example, reference};
use value::Value;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file.
    File {
        /// Which.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) | Self::Flag(name) => write!(f, "{name}"),
        }
    }
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The full name: `poll.interval_s`, `settings.shop.port`.
    pub key: String,
    /// The value, as it would stand in the file.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// A value given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The full name of the key.
    pub key: &'static str,
    /// The flag, for messages: `--lang`.
    pub flag: String,
    /// The value as it was typed.
    pub value: String,
}

/// `[poll]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Poll {
    /// Between two polls, seconds; none is what the environment asks for.
    pub interval_s: Option<u64>,
    /// Added by chance, percent of the interval.
    pub jitter_percent: u64,
}

/// `[fetch]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// A connection must stand after this.
    pub connect: Duration,
    /// Nothing came for so long: take it up again.
    pub stall: Duration,
    /// The first pause after a failure.
    pub retry_min: Duration,
    /// The longest pause; never below `retry_min`.
    pub retry_max: Duration,
    /// Pack bytes in 24 hours; 0 is no limit.
    pub day_bytes_max: u64,
    /// Pack bytes in 30 days; 0 is no limit.
    pub month_bytes_max: u64,
    /// Bytes a second; 0 is no limit.
    pub second_bytes_max: u64,
    /// Post-quantum key exchange.
    pub post_quantum: bool,
}

/// `[limits]`: what releases and directors may not exceed on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Packs on disk, bytes.
    pub packs_bytes_max: u64,
    /// Bytes that stay free.
    pub disk_free_bytes_min: u64,
    /// Kinds of service.
    pub allow_kinds: BTreeSet<ServiceKind>,
    /// Users that services run as, beside the agent's own.
    pub allow_users: BTreeSet<String>,
    /// Memory of a service, bytes; 0 is no limit.
    pub memory_bytes_max: u64,
    /// Processor time of a service, percent of one processor; 0 is no limit.
    pub cpu_percent_max: u64,
    /// Processes and threads of a service; 0 is no limit.
    pub tasks_max: u64,
    /// Open files of a process of a service; 0 is no limit.
    pub files_max: u64,
    /// Folders in which releases may have data, beside their own.
    pub data_roots: BTreeSet<PathBuf>,
}

/// `[slots]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots {
    /// The previous slot stays at least so long after a commit.
    pub keep_previous: Duration,
    /// Hard links between slots.
    pub link: bool,
}

/// `[probation]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probation {
    /// Healthy seconds before the commit; none is what the release asks for.
    pub soak_s: Option<u64>,
}

/// `[service]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// For start and status of kinds `command` and `systemd`.
    pub start_timeout: Duration,
    /// The first pause before a crashed process is started again.
    pub restart_min: Duration,
    /// The longest pause; never below `restart_min`.
    pub restart_max: Duration,
    /// Each app's output file, bytes.
    pub log_bytes_max: u64,
    /// The first and the last port that `blue-green` services get.
    pub ports: (u16, u16),
    /// A `blue-green` instance that served runs on so long.
    pub keep_old: Duration,
}

/// `[power]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PowerConfig {
    /// On battery, nothing is activated below this charge, percent; 0 is no limit.
    pub charge_percent_min: u8,
    /// Nothing is activated at a time of day at which the power went off on so many of the last 14
    /// days; 0 is never.
    pub outage_days_min: u64,
    /// A UPS behind Network UPS Tools.
    pub ups: Option<Ups>,
    /// Where the kernel shows supplies, if not where it always does.
    pub supply: Option<PathBuf>,
}

/// A proxy in front of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Proxy {
    Nginx,
    Caddy,
}

/// `[upstream]`: how a proxy is told where an app listens. What is none follows the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// The proxy, if there is one.
    pub kind: Option<Proxy>,
    /// The file that it includes.
    pub file: Option<String>,
    /// Checks its configuration.
    pub check: Option<Vec<String>>,
    /// Makes it read its configuration anew.
    pub reload: Option<Vec<String>>,
    /// A URL of the app behind the proxy.
    pub look: Option<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// The configuration in force. [`Config::load`] is the way to one; `Config::defaults` is for tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// When the wall clock is believed.
    pub clock: ClockTrust,
    /// The language of messages; none follows the locale.
    pub language: Option<Language>,
    /// `[poll]`
    pub poll: Poll,
    /// `[fetch]`
    pub fetch: Fetch,
    /// `[limits]`
    pub limits: Limits,
    /// `[slots]`
    pub slots: Slots,
    /// `[probation]`
    pub probation: Probation,
    /// `[power]`
    pub power: PowerConfig,
    /// `[service]`
    pub service: ServiceConfig,
    /// `[upstream]`
    pub upstream: UpstreamConfig,
    /// `[log]`
    pub log: Log,
    /// `[settings.APP]`: values that win over the assignment's; checked against the manifest later.
    pub settings: BTreeMap<AppName, BTreeMap<SettingName, SettingValue>>,
    entries: Vec<Entry>,
}

impl Config {
    /// Reads the files of `paths`, the `SANAGA_*` variables and the flags. Files that are absent
    /// are empty. When `root_only`, files that others than root can write are refused.
    ///
    /// # Errors
    /// The first fault, with file and line.
    pub fn load(
        paths: &Paths,
        variables: &BTreeMap<String, String>,
        overrides: &[Override],
        root_only: bool,
    ) -> Result<Self, ConfigError> {
        let mut layers = layer::Layers::new()?;
        for path in layer::files(paths)? {
            if let Some(text) = layer::read(&path, root_only)? {
                layers.add_file(&path, &text)?;
            }
        }
        layers.add_variables(variables)?;
        layers.add_overrides(overrides)?;
        Ok(layers.finish())
    }

    /// What is in force when nobody sets anything.
    ///
    /// # Errors
    /// None in a program whose tests pass: every default of the table is valid.
    pub fn defaults() -> Result<Self, ConfigError> {
        Ok(layer::Layers::new()?.finish())
    }

    /// Every value with its origin, in the order of the documentation.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn apply(&mut self, key: &keys::Key, value: &Value) {
        (key.set)(self, value);
    }
}
