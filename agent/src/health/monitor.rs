//! Looks at a running service again and again, each probe at its own interval.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::verdict::{self, Look, ProbeHistory, Verdict};
use super::{ProbeSpec, look};
use crate::clock::Clock;
use crate::service::Launch;

/// The probes of one app, being run. They end when this is dropped.
pub struct Monitor {
    probes: Vec<Arc<Probe>>,
    tasks: Vec<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
    ended: Arc<Notify>,
}

struct Probe {
    name: String,
    spec: ProbeSpec,
    history: Mutex<ProbeHistory>,
}

/// What one probe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeState {
    /// The probe, in a few words.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
}

impl Monitor {
    /// Begins to look at a service that was started at this time since boot. Needs a tokio
    /// runtime with I/O and time.
    #[must_use]
    pub fn start(
        specs: Vec<ProbeSpec>,
        launch: &Arc<Launch>,
        started: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let ended = Arc::new(Notify::new());
        let probes: Vec<Arc<Probe>> = specs
            .into_iter()
            .map(|spec| {
                Arc::new(Probe {
                    name: spec.target.to_string(),
                    spec,
                    history: Mutex::new(ProbeHistory::new(started)),
                })
            })
            .collect();
        let tasks = probes
            .iter()
            .map(|probe| {
                let (probe, launch) = (Arc::clone(probe), Arc::clone(launch));
                tokio::spawn(watch(probe, launch, Arc::clone(clock), Arc::clone(&ended)))
            })
            .collect();
        Self {
            probes,
            tasks,
            clock: Arc::clone(clock),
            ended,
        }
    }

    /// The service was started again at this time: what was seen before does not count, and a new
    /// start period begins.
    pub fn restarted(&self, started: Duration) {
        for probe in &self.probes {
            probe.with(|history| *history = ProbeHistory::new(started));
        }
    }

    /// Returns after the next look of any probe.
    pub async fn looked(&self) {
        self.ended.notified().await;
    }

    /// What each probe says now, in the order of the manifest.
    #[must_use]
    pub fn states(&self) -> Vec<ProbeState> {
        let now = self.clock.uptime();
        self.probes
            .iter()
            .map(|probe| ProbeState {
                name: probe.name.clone(),
                verdict: probe.with(|history| verdict::verdict(history, &probe.spec, now)),
            })
            .collect()
    }

    /// When the last of them was first seen well since the service was started, since boot; none
    /// before that, and none without probes.
    #[must_use]
    pub fn first_success(&self) -> Option<Duration> {
        let each = self
            .probes
            .iter()
            .map(|probe| probe.with(|history| history.first_success()));
        each.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// What they say together, and which one fails.
    #[must_use]
    pub fn together(&self) -> (Option<String>, Verdict) {
        let states = self.states();
        let each = states
            .iter()
            .map(|state| (state.name.as_str(), state.verdict.clone()));
        let (name, verdict) = verdict::together(each);
        (name.map(str::to_owned), verdict)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Probe {
    fn with<T>(&self, what: impl FnOnce(&mut ProbeHistory) -> T) -> T {
        what(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn watch(probe: Arc<Probe>, launch: Arc<Launch>, clock: Arc<dyn Clock>, ended: Arc<Notify>) {
    loop {
        let due = probe.with(|history| history.next(&probe.spec));
        let left = due.saturating_sub(clock.uptime());
        if !left.is_zero() {
            sleep(left).await;
            // A new start may have made the next look due at another time.
            continue;
        }
        let started = probe.with(|history| history.started());
        let seen = look(&probe.spec, &launch).await;
        let done = Look {
            at: clock.uptime(),
            problem: seen.err().map(|error| error.to_string()),
        };
        probe.with(|history| {
            // A look at the service as it was before says nothing of the one that runs now.
            if history.started() == started {
                history.record(&probe.spec, done);
            }
        });
        ended.notify_waiters();
    }
}
