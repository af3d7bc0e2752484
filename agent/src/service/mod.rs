//! Services: what runs an app's release and knows how it does. Three kinds, one face: [`Service`].
//! Which release is to run is decided elsewhere; nothing here is started by itself except a process
//! that has crashed and is wanted.

mod command;
mod error;
mod group;
mod launch;
mod log;
pub(crate) mod pause;
mod process;
mod procfs;
mod record;
pub mod run;
mod spawn;
mod systemd;
#[cfg(test)]
mod tests;
mod user;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::ids::{AppName, Digest};
use sanaga_proto::manifest::ServiceKind;

use crate::clock::Clock;
use crate::config::ServiceConfig;

pub use error::ServiceError;
pub use launch::{Launch, ServiceSpec};
use process::Process;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// While nobody looked: the agent was away, or the process is not its child.
    Unseen,
    /// It could not be started.
    NotStarted(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Unseen => write!(f, "ended unseen"),
            Self::NotStarted(problem) => write!(f, "was not started: {problem}"),
        }
    }
}

/// What an app's service does now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceStatus {
    /// Nothing runs and nothing is wanted.
    Absent,
    /// On its way up (`systemd` only).
    Starting,
    /// Up.
    Running {
        /// The slot that it was started from.
        slot: PathBuf,
        /// The SHA-256 of the settings that it was started with.
        settings_digest: Digest,
        /// The process (`process` only).
        pid: Option<i32>,
        /// So often has it crashed since it was asked to run (`process` only).
        crashes: u32,
        /// Up for so long, seconds (`process` only; else 0).
        up_s: u64,
    },
    /// Down against its will; a `process` comes back by itself after a pause.
    Crashed {
        /// So often since it was asked to run.
        times: u32,
        /// The last time.
        last: Ending,
    },
    /// The status command says, with this code, that it does not run (`command` only).
    Exited {
        /// The exit code of the status command.
        code: i32,
    },
}

/// What all services of an agent share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOptions {
    /// Start and status of kinds `command` and `systemd` take at most.
    pub start_timeout: Duration,
    /// The first pause before a crashed process is started again.
    pub restart_min: Duration,
    /// The longest pause.
    pub restart_max: Duration,
    /// Each app's output file, bytes.
    pub log_bytes_max: u64,
    /// Between two looks at the size of an output file.
    pub log_interval: Duration,
    /// The program `systemctl`.
    pub systemctl: PathBuf,
    /// The folder that is there if systemd runs this machine (sd_booted(3)).
    pub systemd_folder: PathBuf,
}

impl From<&ServiceConfig> for ServiceOptions {
    fn from(config: &ServiceConfig) -> Self {
        Self {
            start_timeout: config.start_timeout,
            restart_min: config.restart_min,
            restart_max: config.restart_max,
            log_bytes_max: config.log_bytes_max,
            log_interval: Duration::from_secs(10),
            systemctl: PathBuf::from("systemctl"),
            systemd_folder: PathBuf::from("/run/systemd/system"),
        }
    }
}

/// The service of one app. Calls of `start` and `stop` wait for each other.
///
/// Dropping it, or killing the agent, leaves what runs running; [`Service::open`] finds it again.
pub struct Service {
    process: Arc<Process>,
    turn: tokio::sync::Mutex<()>,
}

impl Service {
    /// Opens the service of `app`, whose record is kept in `folder` (which must exist), and takes a
    /// process that still runs under its care again. Nothing is started: that is for
    /// [`Service::start`], also after a boot. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`ServiceError::Record`] when the record cannot be read. A record that is damaged counts as
    /// absent; `start` then finds what runs by its environment.
    pub fn open(
        app: AppName,
        folder: &Path,
        options: ServiceOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            process: Process::open(app, folder, options, clock)?,
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Makes this launch run. Nothing happens if it does; a process of it that has crashed and waits
    /// for its next start is started at once, and its crashes stay counted. Anything else of the app
    /// that runs is stopped first, in the way of the release that it came from.
    ///
    /// # Errors
    /// [`ServiceError::Start`], [`ServiceError::Stop`] of the one before, or
    /// [`ServiceError::Record`]: then nothing new was started.
    pub async fn start(&self, launch: &Launch) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        if self.process.wanted().as_ref() == Some(launch) {
            match (self.status().await, launch.spec.kind) {
                (ServiceStatus::Running { .. } | ServiceStatus::Starting, _) => return Ok(()),
                (ServiceStatus::Crashed { .. }, ServiceKind::Process) => {
                    return self.process.begin_again(launch.spec.stop_grace).await;
                }
                (
                    ServiceStatus::Crashed { .. }
                    | ServiceStatus::Absent
                    | ServiceStatus::Exited { .. },
                    _,
                ) => {}
            }
        }
        self.stop_now().await?;
        self.process.end_strays(launch).await?;
        self.process.intend(launch)?;
        match launch.spec.kind {
            ServiceKind::Process => self.process.begin(),
            ServiceKind::Command => command::start(&self.process, launch).await,
            ServiceKind::Systemd => systemd::start(&self.process, launch).await,
            ServiceKind::None => Ok(()),
        }
    }

    /// Ends what runs, and returns when it is really gone. Nothing happens if nothing runs.
    ///
    /// # Errors
    /// [`ServiceError::Stop`], or [`ServiceError::Record`]: then nothing was stopped.
    pub async fn stop(&self) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        self.stop_now().await
    }

    /// What it does now.
    pub async fn status(&self) -> ServiceStatus {
        let Some(launch) = self.process.launch() else {
            return ServiceStatus::Absent;
        };
        match launch.spec.kind {
            ServiceKind::Process => self.process.status(),
            ServiceKind::Command => command::status(&self.process, &launch).await,
            ServiceKind::Systemd => systemd::status(&self.process, &launch).await,
            ServiceKind::None => running(&launch),
        }
    }

    /// The file that holds what the app prints.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.process.log_path()
    }

    /// What was asked to run last, unless it was stopped.
    #[must_use]
    pub fn wanted(&self) -> Option<Launch> {
        self.process.wanted()
    }

    async fn stop_now(&self) -> Result<(), ServiceError> {
        let Some(launch) = self.process.launch() else {
            return Ok(());
        };
        self.process.intend_stop()?;
        match launch.spec.kind {
            ServiceKind::Process | ServiceKind::None => {}
            ServiceKind::Command => command::stop(&self.process, &launch).await?,
            ServiceKind::Systemd => systemd::stop(&self.process, &launch).await?,
        }
        self.process.end(launch.spec.stop_grace).await?;
        self.process.forget();
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.let_go();
    }
}

/// Up, for the kinds of which no more is known.
fn running(launch: &Launch) -> ServiceStatus {
    ServiceStatus::Running {
        slot: launch.slot.clone(),
        settings_digest: launch.settings_digest,
        pid: None,
        crashes: 0,
        up_s: 0,
    }
}
