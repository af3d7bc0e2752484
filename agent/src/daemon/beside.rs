//! One instance takes over from another (`blue-green`): started beside it, looked at until it is
//! healthy, told to the proxy, and seen through the proxy where the node says how.

use std::sync::Arc;
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::manifest::{Manifest, Strategy};
use tokio::time::{Instant, sleep, timeout};

use super::node::{App, Node};
use super::outage::Outage;
use super::perform::probes;
use crate::health::{self, Monitor, ProbeSpec, ProbeTarget};
use crate::service::{Begun, Launch, sockets};
use crate::update::Phase;

/// Between two looks at what the probes say.
const LOOK: Duration = Duration::from_millis(50);
/// A release without probes must have run so long.
const UNPROBED: Duration = Duration::from_secs(1);
/// Beyond the time that its probes take at most.
const PATIENCE_S: u64 = 5;
/// After a reload the new instance must be seen through the proxy within this.
const THROUGH: Duration = Duration::from_secs(15);
/// One look through the proxy takes at most, seconds.
const THROUGH_S: u64 = 3;

impl Node {
    /// Whether what runs and what is to run may run at once.
    pub(super) fn runs_beside(&self, app: &App) -> bool {
        let runs = app.service.wanted();
        let is_beside = runs.is_some_and(|launch| launch.spec.beside.is_some());
        if !is_beside || app.service.upstream().is_none() {
            return false;
        }
        let journal = app.journal.borrow();
        let next = match journal.phase {
            Phase::Activating | Phase::Probation => journal.target.as_ref(),
            Phase::RollingBack => journal.back.as_ref().and_then(|back| back.to.as_ref()),
            Phase::Idle
            | Phase::Fetching
            | Phase::Staged
            | Phase::Armed
            | Phase::Snapshotting
            | Phase::Committed
            | Phase::RolledBack
            | Phase::Held
            | Phase::Superseded
            | Phase::Refused { .. }
            | Phase::NeedsHands => journal.installed.as_ref(),
        };
        let manifest = next.map(|next| self.helper.installed_manifest(&app.folder, next.slot));
        matches!(manifest, Some(Ok((_, manifest))) if manifest.service.strategy() == Strategy::BlueGreen)
    }

    /// Starts an instance beside the one that serves, and has it take over.
    ///
    /// # Errors
    /// Why not; then the one that served serves on.
    pub(super) async fn start_beside(
        &self,
        app: &App,
        launch: &Launch,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let begun = app
            .service
            .begin_beside(launch)
            .await
            .map_err(Failure::of)?;
        if !begun.is_alone && !begun.serves {
            let taken = match self.until_healthy(app, &begun, manifest).await {
                Ok(()) => self.take_over(app, &begun).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = taken {
                app.service.give_up(&begun).await.map_err(Failure::of)?;
                return Err(failure);
            }
            app.outage.set(Outage::none());
        } else {
            app.service.tell_proxy(&begun).await.map_err(Failure::of)?;
        }
        // Nobody returns to what is left on the way back.
        let keep = app.phase() != Phase::RollingBack;
        app.service.retire_others(&begun, keep).await;
        Ok(())
    }

    /// Ends what was kept long enough after it served.
    pub(super) async fn tidy_service(&self, app: &App) {
        if let Err(error) = app.service.tidy(self.config.service.keep_old).await {
            tracing::warn!(app = %app.name, %error, "an old instance does not end");
        }
    }

    /// Looks at the new instance until its probes pass.
    async fn until_healthy(
        &self,
        app: &App,
        begun: &Begun,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let specs = probes(manifest, &begun.launch)?;
        let limit = specs.iter().map(longest).max().unwrap_or(UNPROBED);
        let is_unprobed = specs.is_empty();
        let launch = Arc::new(begun.launch.clone());
        let monitor = Monitor::start(specs, &launch, self.clock.uptime(), &self.clock);
        let began = Instant::now();
        loop {
            let (name, verdict) = monitor.together();
            let failed = match verdict {
                health::Verdict::Passing if !is_unprobed => return Ok(()),
                health::Verdict::Failing { problem, .. } => Some(problem),
                health::Verdict::Passing | health::Verdict::Pending => None,
            };
            if let Some(problem) = failed {
                return Err(Failure::new(code::PROBE_FAILED)
                    .arg("app", &app.name)
                    .arg("probe", name.unwrap_or_default())
                    .arg("problem", problem));
            }
            if began.elapsed() >= limit {
                if is_unprobed && app.service.is_up(begun).await {
                    return Ok(());
                }
                let problem = format!("it is not healthy after {} s", limit.as_secs());
                return Err(Failure::new(code::START_FAILED)
                    .arg("app", &app.name)
                    .arg("problem", problem));
            }
            // A look may end between two waits; then the next one is not far.
            let _ = timeout(LOOK, monitor.looked()).await;
        }
    }

    /// Tells the proxy, and sees the new instance through it.
    async fn take_over(&self, app: &App, begun: &Begun) -> Result<(), Failure> {
        app.service.tell_proxy(begun).await.map_err(Failure::of)?;
        let url = app
            .service
            .upstream()
            .and_then(|upstream| upstream.look.clone());
        let (Some(url), Some(port)) = (url, begun.launch.port) else {
            return Ok(());
        };
        let through = async {
            while !is_seen_through(&url, port, &begun.launch).await {
                sleep(LOOK).await;
            }
        };
        let problem = format!("{url} is not answered by the new instance");
        timeout(THROUGH, through).await.map_err(|_| {
            Failure::new(code::PROXY_FAILED)
                .arg("app", &app.name)
                .arg("problem", problem)
        })
    }

    /// Takes in the first answer after a switch.
    pub(super) fn measure_outage(&self, app: &App) {
        let seen = app
            .monitor
            .borrow()
            .as_ref()
            .and_then(|watched| watched.monitor.first_success());
        if let Some(seen) = seen {
            app.outage.set(app.outage.get().end(seen));
        }
    }
}

/// Whether a request to the proxy makes a connection to the instance. Nobody else makes one
/// meanwhile but the proxy: the probes of the new instance have ended, and those of what serves look
/// at the old one.
async fn is_seen_through(url: &str, port: u16, launch: &Launch) -> bool {
    let before = sockets::touching(port);
    let spec = ProbeSpec {
        target: ProbeTarget::Http {
            url: url.to_owned(),
        },
        interval_s: THROUGH_S,
        timeout_s: THROUGH_S,
        failures_max: 1,
        successes_min: 1,
        start_period_s: 0,
    };
    // Whatever the app answers there: what counts is who was asked.
    let _ = health::look(&spec, launch).await;
    sockets::touching(port).difference(&before).next().is_some()
}

/// The longest time that a probe takes to say yes or no.
fn longest(spec: &ProbeSpec) -> Duration {
    let looks = spec.failures_max.saturating_add(spec.successes_min);
    let each_s = spec.interval_s.saturating_add(spec.timeout_s);
    Duration::from_secs(
        spec.start_period_s
            .saturating_add(looks.saturating_mul(each_s))
            .saturating_add(PATIENCE_S),
    )
}
