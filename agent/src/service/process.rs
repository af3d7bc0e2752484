//! Services of kind `process`: started by the agent, detached from it, found again after it was
//! killed, and started again when they crash. It also keeps the record of the other kinds.

mod found;
mod supervise;

use std::io::ErrorKind::StorageFull;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sanaga_proto::ids::AppName;
use sanaga_proto::manifest::ServiceKind;
use tokio::task::JoinHandle;

use found::found_again;
use supervise::supervise;

use super::group::{Target, end, how_it_ended};
use super::launch::Launch;
use super::pause::{crashes_in_row, pause};
use super::procfs::ProcessId;
use super::record::{Record, chance};
use super::{Ending, ServiceError, ServiceOptions, ServiceStatus, spawn};
use crate::clock::Clock;

/// The process of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Phase {
    /// None was started, as far as is known.
    #[default]
    Idle,
    /// It was there when we last looked.
    Up(ProcessId),
    /// It ended by itself, or did not start.
    Down(Ending),
}

#[derive(Debug, Default)]
struct State {
    record: Option<Record>,
    phase: Phase,
    /// Crashes without a long run in between; they make the pauses grow.
    in_row: u32,
}

/// The process, or only the record, of one app's service.
pub(super) struct Process {
    app: AppName,
    record_path: PathBuf,
    log_path: PathBuf,
    pub(super) options: ServiceOptions,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Process {
    /// Reads the record and looks for what it speaks of.
    pub(super) fn open(
        app: AppName,
        folder: &Path,
        stem: &str,
        options: ServiceOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ServiceError> {
        let record_path = folder.join(format!("{stem}.json"));
        let record = Record::load(&record_path)?.filter(|record| record.launch.app == app);
        let boot = clock.read().boot;
        let state = match record {
            Some(record) if record.launch.spec.kind == ServiceKind::Process => {
                found_again(record, &boot)
            }
            record => State {
                record,
                ..State::default()
            },
        };
        let alive = match (&state.phase, &state.record) {
            (Phase::Up(id), Some(record)) if record.wanted => Some(*id),
            (Phase::Up(_) | Phase::Idle | Phase::Down(_), _) => None,
        };
        let process = Arc::new(Self {
            app,
            record_path,
            log_path: folder.join(format!("{stem}.log")),
            options,
            clock,
            state: Mutex::new(state),
            supervisor: Mutex::new(None),
        });
        if let Some(id) = alive {
            process.watch(id);
        }
        Ok(process)
    }

    pub(super) fn app(&self) -> &AppName {
        &self.app
    }

    pub(super) fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// What was asked for last, also while it is being stopped.
    pub(super) fn launch(&self) -> Option<Launch> {
        let state = locked(&self.state);
        state.record.as_ref().map(|record| record.launch.clone())
    }

    /// What is to run.
    pub(super) fn wanted(&self) -> Option<Launch> {
        let state = locked(&self.state);
        let record = state.record.as_ref().filter(|record| record.wanted);
        record.map(|record| record.launch.clone())
    }

    /// The name of the last start.
    pub(super) fn instance(&self) -> Option<String> {
        let state = locked(&self.state);
        state.record.as_ref().map(|record| record.instance.clone())
    }

    /// Whether somebody will start it again when it ends.
    #[cfg(test)]
    pub(super) fn is_supervised(&self) -> bool {
        let supervisor = locked(&self.supervisor);
        supervisor.as_ref().is_some_and(|task| !task.is_finished())
    }

    pub(super) fn status(&self) -> ServiceStatus {
        let state = locked(&self.state);
        let Some(record) = &state.record else {
            return ServiceStatus::Absent;
        };
        match &state.phase {
            Phase::Up(id) if id.is_alive() => ServiceStatus::Running {
                slot: record.launch.slot.clone(),
                settings_digest: record.launch.settings_digest,
                pid: Some(id.pid),
                crashes: record.crashes,
                up: id.age(self.clock.uptime()),
            },
            // It has just ended, and the supervisor does not know it yet.
            Phase::Up(_) if record.wanted => ServiceStatus::Crashed {
                times: record.crashes.saturating_add(1),
                last: Ending::Unseen,
            },
            Phase::Down(last) if record.wanted => ServiceStatus::Crashed {
                times: record.crashes,
                last: last.clone(),
            },
            Phase::Idle | Phase::Up(_) | Phase::Down(_) => ServiceStatus::Absent,
        }
    }

    /// Writes down what will be run, under a new name, before anything bears that name.
    pub(super) fn intend(&self, launch: &Launch) -> Result<(), ServiceError> {
        let boot = self.clock.read().boot;
        let record = Record::intent(launch.clone(), &boot).map_err(|source| {
            let path = self.record_path.clone();
            ServiceError::Record { path, source }
        })?;
        match record.save(&self.record_path) {
            // Without its record a process is found by its environment: better than no process.
            Err(ServiceError::Record { source, .. }) if source.kind() == StorageFull => {
                tracing::warn!(app = %self.app, "the disk is full: the service's record is not saved");
            }
            saved => saved?,
        }
        *locked(&self.state) = State {
            record: Some(record),
            ..State::default()
        };
        Ok(())
    }

    /// Writes down that nothing is wanted any more, so that a process that ends from now on has
    /// not crashed, not even for an agent that is killed and comes back.
    pub(super) fn intend_stop(&self) -> Result<(), ServiceError> {
        let mut state = locked(&self.state);
        let Some(record) = &mut state.record else {
            return Ok(());
        };
        let mut stopped = record.clone();
        stopped.wanted = false;
        stopped.save(&self.record_path)?;
        *record = stopped;
        Ok(())
    }

    /// Starts the process of the intended launch and looks after it from now on.
    pub(super) fn begin(self: &Arc<Self>) -> Result<(), ServiceError> {
        match self.spawn() {
            Ok(id) => {
                self.watch(id);
                Ok(())
            }
            Err(problem) => {
                self.note_crash(Ending::NotStarted(problem.clone()), Duration::ZERO);
                let app = self.app.clone();
                Err(ServiceError::Start { app, problem })
            }
        }
    }

    /// Starts a crashed process of the same launch at once, without the rest of its pause.
    pub(super) async fn begin_again(self: &Arc<Self>, grace: Duration) -> Result<(), ServiceError> {
        self.halt().await;
        let seen = match locked(&self.state).phase {
            Phase::Up(id) => Some(id),
            Phase::Idle | Phase::Down(_) => None,
        };
        match seen {
            Some(id) if id.is_alive() => {
                // The supervisor was quicker.
                self.watch(id);
                return Ok(());
            }
            Some(id) => {
                // The supervisor was halted before it could note this crash.
                self.note_crash(how_it_ended(id), id.age(self.clock.uptime()));
            }
            None => {}
        }
        self.end(grace).await?;
        self.begin()
    }

    /// From now on nobody starts the process again.
    async fn halt(&self) {
        let supervisor = locked(&self.supervisor).take();
        if let Some(task) = supervisor {
            task.abort();
            // It ends at its next pause; until then it might start the process once more.
            let _ = task.await;
        }
    }

    /// Ends everything of the last start; after that nobody looks after it.
    pub(super) async fn end(&self, grace: Duration) -> Result<(), ServiceError> {
        self.halt().await;
        let Some(name) = self.instance() else {
            return Ok(());
        };
        let leader = self.leader();
        let target = Target::Instance {
            name: &name,
            leader,
        };
        end(&target, grace).await.map_err(|e| self.not_stopped(e))
    }

    /// Ends what still runs of any earlier start of the app that no record speaks of; `beside` is the
    /// start that another record speaks of.
    pub(super) async fn end_strays(
        &self,
        launch: &Launch,
        beside: Option<&str>,
    ) -> Result<(), ServiceError> {
        let Some(slots) = launch.slot.parent() else {
            return Ok(());
        };
        let target = Target::App {
            app: self.app.as_str(),
            slots,
            beside,
        };
        let ended = end(&target, launch.spec.stop_grace).await;
        ended.map_err(|problem| self.not_stopped(problem))
    }

    /// Notes that the proxy is about to be told of it. If that cannot be written, it is kept less long
    /// after an end of the agent.
    pub(super) fn note_serving(&self) {
        self.note(|record| {
            record.kept = true;
            record.retired = None;
        });
    }

    /// Notes that another instance took its place; without `keep`, that nobody will return to it.
    pub(super) fn note_retired(&self, keep: bool) {
        let now = self.clock.uptime();
        self.note(|record| {
            record.kept &= keep;
            record.retired.get_or_insert(now);
        });
    }

    /// How long it has been retired, and whether it is kept; none for a record of another boot.
    pub(super) fn retirement(&self) -> Option<(Duration, bool)> {
        let now = self.clock.read().boot;
        let state = locked(&self.state);
        let record = state.record.as_ref().filter(|record| record.is_of(&now))?;
        let since = record.retired?;
        Some((self.clock.uptime().saturating_sub(since), record.kept))
    }

    /// Whether the record is of an earlier boot: then nothing of it runs.
    pub(super) fn is_of_another_boot(&self) -> bool {
        let now = self.clock.read().boot;
        let state = locked(&self.state);
        state
            .record
            .as_ref()
            .is_some_and(|record| !record.is_of(&now))
    }

    fn note(&self, change: impl FnOnce(&mut Record)) {
        let mut state = locked(&self.state);
        if let Some(record) = &mut state.record {
            let before = record.clone();
            change(record);
            if *record != before {
                let _ = record.save(&self.record_path);
            }
        }
    }

    /// Drops the record after a stop. If the file stays it says the same: not wanted, nothing runs.
    pub(super) fn forget(&self) {
        *locked(&self.state) = State::default();
        let _ = sanaga_durable::remove_file(&self.record_path);
    }

    /// Stops looking after the process and leaves it running.
    pub(super) fn let_go(&self) {
        if let Some(task) = locked(&self.supervisor).take() {
            task.abort();
        }
    }

    /// The process that was seen last, also when it has ended: its group may live on.
    fn leader(&self) -> Option<ProcessId> {
        let boot = self.clock.read().boot;
        let state = locked(&self.state);
        match state.phase {
            Phase::Up(id) => Some(id),
            Phase::Idle | Phase::Down(_) => {
                let record = state.record.as_ref().filter(|record| record.is_of(&boot));
                record.and_then(|record| record.process)
            }
        }
    }

    fn not_stopped(&self, problem: String) -> ServiceError {
        let app = self.app.clone();
        ServiceError::Stop { app, problem }
    }

    fn watch(self: &Arc<Self>, id: ProcessId) {
        let task = tokio::spawn(supervise(Arc::clone(self), id));
        if let Some(before) = locked(&self.supervisor).replace(task) {
            before.abort();
        }
    }

    /// Starts the process. There is no pause between the start and the note of it.
    fn spawn(&self) -> Result<ProcessId, String> {
        let mut state = locked(&self.state);
        let record = state.record.as_mut().filter(|record| record.wanted);
        let record = record.ok_or_else(|| "nothing is wanted".to_owned())?;
        let id = spawn::spawn(&record.launch, &record.instance, &self.log_path)?;
        record.process = Some(id);
        // If this cannot be written the process is still found by its name, which is on disk.
        let _ = record.save(&self.record_path);
        state.phase = Phase::Up(id);
        Ok(id)
    }

    /// Takes in a crash after a run of this length; the pause before the next start.
    fn note_crash(&self, ending: Ending, ran: Duration) -> Duration {
        let (min, max) = (self.options.restart_min, self.options.restart_max);
        let mut state = locked(&self.state);
        state.phase = Phase::Down(ending);
        state.in_row = crashes_in_row(state.in_row, ran, max);
        if let Some(record) = &mut state.record {
            record.crashes = record.crashes.saturating_add(1);
            // A lost count is one crash less in a report.
            let _ = record.save(&self.record_path);
        }
        pause(state.in_row, min, max, chance())
    }
}
