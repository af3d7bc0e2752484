//! Health: looks at a running service from outside (http, tcp, exec), and what a row of looks means.
//! Losing the controller is not a probe: nothing here needs a network beyond the node.

mod exec;
mod http;
pub mod monitor;
mod tcp;
mod template;
#[cfg(test)]
mod tests;
pub mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sanaga_proto::ids::SettingName;
use sanaga_proto::manifest::{Probe, ProbeKind};
use sanaga_proto::wire::assignment::SettingValue;
use tokio::time::timeout;

use crate::service::Launch;
use crate::service::run::RunError;
pub use monitor::Monitor;
pub use template::{TemplateError, fill};
pub use verdict::{Look, ProbeHistory, Verdict, verdict};

/// What a probe looks at, with all settings filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTarget {
    /// GET of this URL (plain http) answers 200–399; redirects are not followed.
    Http {
        /// The URL.
        url: String,
    },
    /// A connection to this `host:port` is accepted.
    Tcp {
        /// The address.
        address: String,
    },
    /// This program of the release ends with 0.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// In a few words, for messages: `http 127.0.0.1:8080/health`.
impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url } => {
                write!(f, "http {}", url.strip_prefix("http://").unwrap_or(url))
            }
            Self::Tcp { address } => write!(f, "tcp {address}"),
            Self::Exec { command } => write!(f, "exec {}", command.join(" ")),
        }
    }
}

/// One probe of a release, ready to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpec {
    /// What it looks at.
    pub target: ProbeTarget,
    /// Between two looks, seconds; at least 1.
    pub interval_s: u64,
    /// A look takes at most, seconds; at least 1.
    pub timeout_s: u64,
    /// So many failures in a row make it unhealthy; at least 1.
    pub failures_max: u64,
    /// So many successes in a row make it healthy; at least 1.
    pub successes_min: u64,
    /// Failures do not count before the service has run so long, seconds.
    pub start_period_s: u64,
}

impl ProbeSpec {
    /// A probe of the manifest, with `{name}` replaced by the setting's value, and `{port}` by the
    /// port of the instance where it was given one.
    ///
    /// # Errors
    /// A placeholder without a setting.
    pub fn new(
        probe: &Probe,
        settings: &BTreeMap<SettingName, SettingValue>,
        port: Option<u16>,
    ) -> Result<Self, TemplateError> {
        let mut settings = settings.clone();
        if let (Some(port), Ok(name)) = (port, "port".parse()) {
            settings.insert(name, SettingValue::Integer(port.into()));
        }
        let filled: Vec<String> = probe
            .target
            .iter()
            .map(|text| fill(text, &settings))
            .collect::<Result<_, _>>()?;
        let first = || filled.first().cloned().unwrap_or_default();
        Ok(Self {
            target: match probe.kind {
                ProbeKind::Http => ProbeTarget::Http { url: first() },
                ProbeKind::Tcp => ProbeTarget::Tcp { address: first() },
                ProbeKind::Exec => ProbeTarget::Exec { command: filled },
            },
            interval_s: probe.interval_s.max(1),
            timeout_s: probe.timeout_s.max(1),
            failures_max: probe.failures_max.max(1),
            successes_min: probe.successes_min.max(1),
            start_period_s: probe.start_period_s,
        })
    }
}

/// Why a look failed; in English, for logs and receipts.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The target is none.
    #[error("{problem}")]
    BadTarget {
        /// Why.
        problem: String,
    },
    /// No connection.
    #[error("no connection: {problem}")]
    NoConnection {
        /// Why.
        problem: String,
    },
    /// The answer is not HTTP, or ends early.
    #[error("no HTTP answer: {problem}")]
    NoAnswer {
        /// Why.
        problem: String,
    },
    /// An answer that is none of 200–399.
    #[error("answered {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// A program that ended otherwise than with 0.
    #[error("ended with code {code}{}{errors}", if errors.is_empty() { "" } else { ": " })]
    Code {
        /// The exit code.
        code: i32,
        /// The end of what it said.
        errors: String,
    },
    /// A program without an end.
    #[error("{0}")]
    Program(RunError),
    /// Nothing within the time.
    #[error("no answer after {seconds} s")]
    TooLong {
        /// The time.
        seconds: u64,
    },
}

/// Looks once.
///
/// # Errors
/// What was seen instead of health.
pub async fn look(spec: &ProbeSpec, launch: &Launch) -> Result<(), LookError> {
    let limit = Duration::from_secs(spec.timeout_s);
    let seen = async {
        match &spec.target {
            ProbeTarget::Http { url } => http::look(url).await,
            ProbeTarget::Tcp { address } => tcp::look(address).await,
            ProbeTarget::Exec { command } => exec::look(launch, command, limit).await,
        }
    };
    // A program has its own limit, after which it is ended; this one is a little later.
    let outer = match spec.target {
        ProbeTarget::Http { .. } | ProbeTarget::Tcp { .. } => limit,
        ProbeTarget::Exec { .. } => limit.saturating_add(Duration::from_secs(1)),
    };
    let seconds = spec.timeout_s;
    timeout(outer, seen)
        .await
        .map_err(|_| LookError::TooLong { seconds })?
}
