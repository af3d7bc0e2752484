//! Services of kind `systemd`: units that we write, one set for each instance, started and stopped by
//! `systemctl`. They lie below `/run`, so that no boot starts one uncounted: the agent starts them,
//! and that needs no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::launch::Launch;
use super::process::Process;
use super::run::{Outcome, Output, Program, run};
use super::unit::{self, Unit, is_unit};
use super::{Ending, ServiceError, ServiceStatus, running};

/// `systemctl stop` gets so much longer than the grace.
const STOP_MORE: Duration = Duration::from_secs(30);
/// The states that `systemctl is-active` prints for a unit on its way.
const RISING: [&str; 3] = ["activating", "reloading", "refreshing"];
/// So much of the name of a start is enough to tell two apart.
const NAME_CHARS: usize = 8;

/// All that is ever asked of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    DaemonReload,
    Start,
    Stop,
    IsActive,
    ResetFailed,
}

impl Verb {
    const fn as_str(self) -> &'static str {
        match self {
            Self::DaemonReload => "daemon-reload",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::IsActive => "is-active",
            Self::ResetFailed => "reset-failed",
        }
    }
}

/// Writes the units and starts them.
pub(super) async fn start(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    let failed = |problem| ServiceError::Start {
        app: process.app().clone(),
        problem,
    };
    is_here(process).map_err(failed)?;
    let units = units(process, launch).map_err(failed)?;
    for (name, text) in &units {
        let path = process.options.systemd_folder.join(name);
        sanaga_durable::write_file(&path, text.as_bytes(), 0o644)
            .map_err(|error| failed(error.to_string()))?;
    }
    let names: Vec<String> = units.into_iter().map(|(name, _)| name).collect();
    let limit = process.options.start_timeout;
    let reloaded = systemctl(process, Verb::DaemonReload, &[], limit).await;
    succeeded(reloaded).map_err(failed)?;
    let started = systemctl(process, Verb::Start, &names, limit).await;
    succeeded(started).map_err(failed)
}

/// Stops the units, and removes them.
pub(super) async fn stop(process: &Process, launch: &Launch) -> Result<(), ServiceError> {
    let failed = |problem| ServiceError::Stop {
        app: process.app().clone(),
        problem,
    };
    let names = names(process, launch).map_err(failed)?;
    let path_of = |name: &String| process.options.systemd_folder.join(name);
    let written: Vec<String> = names
        .into_iter()
        .filter(|name| path_of(name).exists())
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    let limit = launch.spec.stop_grace.saturating_add(STOP_MORE);
    let stopped = systemctl(process, Verb::Stop, &written, limit).await;
    succeeded(stopped).map_err(failed)?;
    // What has failed is remembered by systemd until it is told to forget; a unit that has not
    // failed is none of its business.
    let _ = systemctl(process, Verb::ResetFailed, &written, limit).await;
    for name in &written {
        sanaga_durable::remove_file(&path_of(name)).map_err(|error| failed(error.to_string()))?;
    }
    let reloaded = systemctl(process, Verb::DaemonReload, &[], limit).await;
    succeeded(reloaded).map_err(failed)
}

/// What `systemctl is-active` says of the units together: the worst of them.
pub(super) async fn status(process: &Process, launch: &Launch) -> ServiceStatus {
    let asked = match names(process, launch) {
        Ok(names) => {
            let limit = process.options.start_timeout;
            let found = systemctl(process, Verb::IsActive, &names, limit).await;
            found.map(|outcome| together(&outcome.output, names.len(), launch))
        }
        Err(problem) => Err(problem),
    };
    asked.unwrap_or_else(|problem| ServiceStatus::Crashed {
        times: 1,
        last: Ending::NotStarted(problem),
    })
}

fn together(output: &str, units: usize, launch: &Launch) -> ServiceStatus {
    let states: Vec<&str> = output.lines().map(str::trim).collect();
    if states.contains(&"failed") {
        ServiceStatus::Crashed {
            times: 1,
            last: Ending::Unseen,
        }
    } else if states.len() != units {
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

/// The units of this start, by name, with their text.
fn units(process: &Process, launch: &Launch) -> Result<Vec<(String, String)>, String> {
    let instance = process.instance().unwrap_or_default();
    let names = names(process, launch)?;
    let restart = process.options.restart_min;
    if !launch.spec.command.is_empty() {
        let text = Unit::of_command(launch)?.text(launch, &instance, restart);
        return Ok(names.into_iter().map(|name| (name, text.clone())).collect());
    }
    let texts = launch.spec.units.iter().map(|path| {
        let (file, _) = super::spawn::program(&launch.slot, std::slice::from_ref(path))?;
        if !file.starts_with(&launch.slot) {
            return Err(format!("`{path}` is not inside the release"));
        }
        let text = fs::read_to_string(&file).map_err(|error| format!("{path}: {error}"))?;
        let unit = unit::read(&text, launch.spec.user.as_deref())
            .map_err(|problem| format!("{path}: {problem}"))?;
        Ok(unit.in_slot(&launch.slot).text(launch, &instance, restart))
    });
    let texts: Vec<String> = texts.collect::<Result<_, String>>()?;
    Ok(names.into_iter().zip(texts).collect())
}

/// `sanaga-APP-START.service`, or with the name of the release's unit at the end; other instances of
/// the app have other names.
fn names(process: &Process, launch: &Launch) -> Result<Vec<String>, String> {
    let instance = process.instance().unwrap_or_default();
    let start: String = instance.chars().take(NAME_CHARS).collect();
    let head = format!("sanaga-{}-{start}", launch.app);
    if !launch.spec.command.is_empty() {
        return Ok(vec![format!("{head}.service")]);
    }
    if launch.spec.units.is_empty() {
        return Err("the manifest names neither a unit nor a command".to_owned());
    }
    let of = |path: &String| {
        let file = Path::new(path).file_name().and_then(|name| name.to_str());
        let name = file.filter(|name| is_unit(name) && name.ends_with(".service"));
        let name = name.ok_or_else(|| format!("`{path}` is not the name of a service unit"))?;
        Ok(format!("{head}-{name}"))
    };
    launch.spec.units.iter().map(of).collect()
}

fn succeeded(ended: Result<Outcome, String>) -> Result<(), String> {
    match ended? {
        Outcome { code: 0, .. } => Ok(()),
        Outcome { errors, .. } if !errors.is_empty() => Err(errors.replace('\n', ", ")),
        Outcome { code, .. } => Err(format!("systemctl ended with code {code}")),
    }
}

fn is_here(process: &Process) -> Result<(), String> {
    if process.options.systemd_folder.is_dir() {
        return Ok(());
    }
    Err("systemd does not run this machine; choose another kind of service".to_owned())
}

async fn systemctl(
    process: &Process,
    verb: Verb,
    units: &[String],
    limit: Duration,
) -> Result<Outcome, String> {
    is_here(process)?;
    let mut arguments = vec![verb.as_str().to_owned()];
    if !units.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend(units.iter().cloned());
    }
    let program = Program {
        path: PathBuf::from(&process.options.systemctl),
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
