//! Services of kind `command`: the release brings programs that start, stop and look. Whatever they
//! leave running bears the name of the start and ends with it.

use std::time::Duration;

use super::launch::Launch;
use super::process::Process;
use super::run::{Outcome, Output, Program, run};
use super::{ServiceError, ServiceStatus, running};

/// A stop command gets at least so long, whatever grace its processes have.
const STOP_MIN: Duration = Duration::from_secs(30);

/// Runs the start command.
pub(super) async fn start(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    let ended = of_release(
        process,
        launch,
        &launch.spec.start,
        true,
        process.options.start_timeout,
    );
    let problem = match ended.await {
        Ok(Outcome { code: 0, .. }) => return Ok(()),
        Ok(outcome) => format!(
            "the start command ended with code {}; see {}",
            outcome.code,
            process.log_path().display()
        ),
        Err(problem) => problem,
    };
    let app = process.app().clone();
    Err(ServiceError::Start { app, problem })
}

/// Runs the stop command. What it does not end is ended by the caller.
pub(super) async fn stop(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    if launch.spec.stop.is_empty() {
        return Ok(());
    }
    let limit = launch.spec.stop_grace.max(STOP_MIN);
    let problem = match of_release(process, launch, &launch.spec.stop, true, limit).await {
        Ok(Outcome { code: 0, .. }) => return Ok(()),
        Ok(outcome) => format!(
            "the stop command ended with code {}; see {}",
            outcome.code,
            process.log_path().display()
        ),
        Err(problem) => problem,
    };
    // Stopping twice is no failure, so the status command has the last word if there is one.
    match status(process, launch).await {
        ServiceStatus::Exited { .. } => Ok(()),
        ServiceStatus::Absent
        | ServiceStatus::Starting
        | ServiceStatus::Running { .. }
        | ServiceStatus::Crashed { .. } => {
            let app = process.app().clone();
            Err(ServiceError::Stop { app, problem })
        }
    }
}

/// Runs the status command.
pub(super) async fn status(process: &Process, launch: &Launch) -> ServiceStatus {
    if launch.spec.status.is_empty() {
        return running(launch);
    }
    let limit = process.options.start_timeout;
    match of_release(process, launch, &launch.spec.status, false, limit).await {
        Ok(Outcome { code: 0, .. }) => running(launch),
        Ok(Outcome { code, .. }) => ServiceStatus::Exited { code },
        Err(problem) => ServiceStatus::Crashed {
            times: 1,
            last: super::Ending::NotStarted(problem),
        },
    }
}

async fn of_release(
    process: &Process,
    launch: &Launch,
    command: &[String],
    keep_output: bool,
    limit: Duration,
) -> Result<Outcome, String> {
    // Only what the start command leaves behind is part of the service.
    let instance = process
        .instance()
        .filter(|_| command == launch.spec.start.as_slice())
        .unwrap_or_default();
    let output = if keep_output {
        Output::Log(process.log_path())
    } else {
        Output::Tail
    };
    let program = Program::of_release(launch, command, &instance, output)?;
    run(program, limit).await.map_err(|error| error.to_string())
}
