//! Services: what runs an app's release and knows how it does. Three kinds, one face: [`Service`].
//! Which release is to run is decided elsewhere; nothing here is started by itself except a process
//! that has crashed and is wanted.

mod beside;
mod command;
mod error;
mod group;
mod lane;
mod launch;
mod limits;
mod log;
pub(crate) mod pause;
mod process;
mod procfs;
mod record;
pub mod run;
pub mod sockets;
mod spawn;
mod systemd;
#[cfg(test)]
mod tests;
mod unit;
mod upstream;
pub(crate) mod user;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::ids::{AppName, Digest};

use crate::clock::Clock;
use crate::config::Config;

pub use beside::Begun;
pub use error::ServiceError;
use lane::Lane;
pub use launch::{Beside, Launch, ServiceSpec};
pub use limits::Limits;
pub use upstream::Upstream;

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
        /// Up for so long (`process` only; else 0).
        up: Duration,
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
    /// The folder that is there if systemd runs this machine (sd_booted(3)); units go there.
    pub systemd_folder: PathBuf,
    /// The proxy in front of the app, for `blue-green`.
    pub upstream: Option<Upstream>,
    /// The first and the last port for `blue-green` releases that name none.
    pub ports: (u16, u16),
}

impl ServiceOptions {
    /// The options of one app.
    #[must_use]
    pub fn of(config: &Config, app: &AppName) -> Self {
        let upstream = Upstream::of(&config.upstream, app);
        let config = &config.service;
        Self {
            start_timeout: config.start_timeout,
            restart_min: config.restart_min,
            restart_max: config.restart_max,
            log_bytes_max: config.log_bytes_max,
            log_interval: Duration::from_secs(10),
            systemctl: PathBuf::from("systemctl"),
            systemd_folder: PathBuf::from("/run/systemd/system"),
            upstream,
            ports: config.ports,
        }
    }
}

/// The service of one app: one instance, or for a moment (or a day) two of a `blue-green` release.
/// Calls that change something wait for each other.
///
/// Dropping it, or killing the agent, leaves what runs running; [`Service::open`] finds it again.
pub struct Service {
    lanes: [Lane; 2],
    upstream: Option<Upstream>,
    ports: (u16, u16),
    turn: tokio::sync::Mutex<()>,
}

impl Service {
    /// Opens the service of `app`, whose records are kept in `folder` (which must exist), and takes
    /// processes that still run under its care again. Nothing is started: that is for
    /// [`Service::start`], also after a boot. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`ServiceError::Record`] when a record cannot be read. A record that is damaged counts as
    /// absent; `start` then finds what runs by its environment.
    pub fn open(
        app: AppName,
        folder: &Path,
        options: ServiceOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceError> {
        let lane = |stem| {
            let (options, clock) = (options.clone(), Arc::clone(&clock));
            Lane::open(app.clone(), folder, stem, options, clock)
        };
        Ok(Self {
            lanes: [lane("service")?, lane("service-2")?],
            upstream: options.upstream.clone(),
            ports: options.ports,
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Makes this launch run alone. Nothing happens if it does; a process of it that has crashed and
    /// waits for its next start is started at once, and its crashes stay counted. Anything else of
    /// the app that runs is stopped first, in the way of the release that it came from.
    ///
    /// # Errors
    /// [`ServiceError::Start`], [`ServiceError::Stop`] of the one before, or
    /// [`ServiceError::Record`]: then nothing new was started.
    pub async fn start(&self, launch: &Launch) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let [first, second] = &self.lanes;
        let is_in = |lane: &Lane| lane.process.wanted().as_ref() == Some(launch);
        let (here, other) = if is_in(second) {
            (second, first)
        } else {
            (first, second)
        };
        other.stop().await?;
        here.run(launch, None).await
    }

    /// Ends what runs, and returns when it is really gone. Nothing happens if nothing runs.
    ///
    /// # Errors
    /// [`ServiceError::Stop`], or [`ServiceError::Record`]: then nothing was stopped.
    pub async fn stop(&self) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        for lane in &self.lanes {
            lane.stop().await?;
        }
        Ok(())
    }

    /// What it does now: of two instances, the one that the proxy was told of.
    pub async fn status(&self) -> ServiceStatus {
        match self.serving() {
            Some(lane) => lane.status().await,
            None => ServiceStatus::Absent,
        }
    }

    /// The file that holds what the app prints.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        let [first, _] = &self.lanes;
        self.serving().unwrap_or(first).process.log_path()
    }

    /// What was asked to run last, unless it was stopped; of two instances, the one that the proxy
    /// was told of.
    #[must_use]
    pub fn wanted(&self) -> Option<Launch> {
        self.serving()?.process.wanted()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.process.let_go();
        }
    }
}

/// Up, for the kinds of which no more is known.
fn running(launch: &Launch) -> ServiceStatus {
    ServiceStatus::Running {
        slot: launch.slot.clone(),
        settings_digest: launch.settings_digest,
        pid: None,
        crashes: 0,
        up: Duration::ZERO,
    }
}
