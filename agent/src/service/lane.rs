//! One instance of an app. A service has two, so that a `blue-green` release can come up beside the
//! one that serves; any other release uses one of them alone.

use std::os::unix::fs::lchown;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::ids::AppName;
use sanaga_proto::manifest::ServiceKind;

use super::launch::Launch;
use super::process::Process;
use super::{ServiceError, ServiceOptions, ServiceStatus};
use super::{command, running, sockets, systemd, user};
use crate::clock::Clock;

/// An instance, or the place for one.
pub(super) struct Lane {
    pub(super) process: Arc<Process>,
}

impl Lane {
    pub(super) fn open(
        app: AppName,
        folder: &Path,
        stem: &str,
        options: ServiceOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceError> {
        let process = Process::open(app, folder, stem, options, clock)?;
        Ok(Self { process })
    }

    /// Makes this launch run here. `beside` is the name of the start in the other lane, which is left
    /// alone; what else runs of the app is ended first.
    pub(super) async fn run(
        &self,
        launch: &Launch,
        beside: Option<&str>,
    ) -> Result<(), ServiceError> {
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
        self.stop().await?;
        self.process.end_strays(launch, beside).await?;
        own_data(launch).map_err(|problem| ServiceError::Start {
            app: launch.app.clone(),
            problem,
        })?;
        self.process.intend(launch)?;
        match launch.spec.kind {
            ServiceKind::Process => self.process.begin(),
            ServiceKind::Command => command::start(&self.process, launch).await,
            ServiceKind::Systemd => systemd::start(&self.process, launch).await,
            ServiceKind::None => Ok(()),
        }
    }

    /// Ends what runs here, and returns when it is really gone.
    pub(super) async fn stop(&self) -> Result<(), ServiceError> {
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

    pub(super) async fn status(&self) -> ServiceStatus {
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

    pub(super) async fn is_running(&self) -> bool {
        matches!(self.status().await, ServiceStatus::Running { .. })
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.process.launch()?.port
    }

    /// Whether what ran here may end: it serves no longer for so long that no proxy sends it anything
    /// new, and nobody talks to it any more. Who talks on and on is not waited for for ever.
    pub(super) fn is_due(&self, keep: Duration) -> bool {
        let Some((since, is_kept)) = self.process.retirement() else {
            return false;
        };
        let beside = self.process.launch().and_then(|launch| launch.spec.beside);
        let drain = beside.map_or(Duration::ZERO, |beside| beside.drain);
        let kept = if is_kept { keep.max(drain) } else { drain };
        let is_quiet = || self.port().is_none_or(|port| !sockets::is_connected(port));
        since >= kept && (since >= kept.saturating_add(drain) || is_quiet())
    }
}

/// Gives the folder of data to the user that writes there. What another user wrote stays as it is.
fn own_data(launch: &Launch) -> Result<(), String> {
    let Some(account) = user::account(launch.spec.user.as_deref())? else {
        return Ok(());
    };
    // The folder above belongs to the agent: nobody can have put a link here.
    lchown(&launch.data, Some(account.uid), Some(account.gid))
        .map_err(|error| format!("{}: {error}", launch.data.display()))
}
