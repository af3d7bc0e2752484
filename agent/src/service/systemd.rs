//! Services of kind `systemd`: units of this machine, started and stopped by `systemctl`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::launch::Launch;
use super::process::Process;
use super::run::{Outcome, Output, Program, run};
use super::{Ending, ServiceError, ServiceStatus, running};

/// `systemctl stop` gets so much longer than the grace: the unit has its own TimeoutStopSec.
const STOP_MORE: Duration = Duration::from_secs(90);
/// The states that `systemctl is-active` prints for a unit on its way.
const RISING: [&str; 3] = ["activating", "reloading", "refreshing"];

/// Starts the units.
pub(super) async fn start(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    let started = systemctl(process, launch, "start", process.options.start_timeout).await;
    let app = process.app().clone();
    succeeded(started).map_err(|problem| ServiceError::Start { app, problem })
}

/// Stops the units.
pub(super) async fn stop(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    let limit = launch.spec.stop_grace.saturating_add(STOP_MORE);
    let stopped = systemctl(process, launch, "stop", limit).await;
    let app = process.app().clone();
    succeeded(stopped).map_err(|problem| ServiceError::Stop { app, problem })
}

/// What `systemctl is-active` says of the units together: the worst of them.
pub(super) async fn status(process: &Process, launch: &Launch) -> ServiceStatus {
    match systemctl(process, launch, "is-active", process.options.start_timeout).await {
        Ok(outcome) => together(&outcome.output, launch),
        Err(problem) => ServiceStatus::Crashed {
            times: 1,
            last: Ending::NotStarted(problem),
        },
    }
}

fn together(output: &str, launch: &Launch) -> ServiceStatus {
    let states: Vec<&str> = output.lines().map(str::trim).collect();
    if states.contains(&"failed") {
        ServiceStatus::Crashed {
            times: 1,
            last: Ending::Unseen,
        }
    } else if states.len() != launch.spec.units.len() {
        ServiceStatus::Absent
    } else if states.iter().all(|state| *state == "active") {
        running(launch)
    } else if states
        .iter()
        .all(|state| *state == "active" || RISING.contains(state))
    {
        ServiceStatus::Starting
    } else {
        ServiceStatus::Absent
    }
}

fn succeeded(ended: Result<Outcome, String>) -> Result<(), String> {
    match ended? {
        Outcome { code: 0, .. } => Ok(()),
        Outcome { errors, .. } if !errors.is_empty() => Err(errors.replace('\n', ", ")),
        Outcome { code, .. } => Err(format!("systemctl ended with code {code}")),
    }
}

async fn systemctl(
    process: &Process,
    launch: &Launch,
    verb: &str,
    limit: Duration,
) -> Result<Outcome, String> {
    if !process.options.systemd_folder.is_dir() {
        return Err("systemd does not run this machine; choose another kind of service".to_owned());
    }
    let units = &launch.spec.units;
    if units.is_empty() {
        return Err("the manifest names no unit".to_owned());
    }
    if let Some(bad) = units.iter().find(|unit| !is_unit(unit)) {
        return Err(format!("`{bad}` is not the name of a unit"));
    }
    let mut arguments = vec![verb.to_owned(), "--".to_owned()];
    arguments.extend(units.iter().cloned());
    let program = Program {
        path: process.options.systemctl.clone(),
        arguments: &arguments,
        folder: Path::new("/"),
        environment: BTreeMap::from([
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("LC_ALL".into(), "C".into()),
        ]),
        account: None,
        output: Output::Tail,
    };
    run(program, limit).await.map_err(|error| error.to_string())
}

/// systemd.unit(5): letters, digits and `:-_.\`, with `@`, at most 255 bytes.
fn is_unit(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with(['-', '.'])
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
}
