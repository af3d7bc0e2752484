//! Starts programs of a release: which file, which environment, which user, where the output goes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::launch::Launch;
use super::procfs::{APP, INSTANCE, ProcessId, RELEASE, stat};
use super::{log, user};

/// Programs that a release does not bring are looked for here.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts the process of a launch in a group of its own, and reads who it is.
///
/// # Errors
/// Why not, in English words.
pub(super) fn spawn(launch: &Launch, instance: &str, output: &Path) -> Result<ProcessId, String> {
    let (program, arguments) = program(&launch.slot, &launch.spec.command)?;
    let account = user::account(launch.spec.user.as_deref())?;
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .current_dir(&launch.slot)
        .env_clear()
        .envs(environment(launch, instance))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(to_log(output))
        .stderr(to_log(output));
    if let Some(account) = account {
        // With a uid the standard library drops all supplementary groups, too.
        command.uid(account.uid).gid(account.gid);
    }
    let child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    bound(pid, launch.spec.limits.files_max);
    // It cannot be gone from /proc before somebody has waited for it, and only we do.
    stat(pid)
        .map(|stat| stat.id)
        .ok_or_else(|| format!("/proc/{pid}/stat cannot be read"))
}

/// Bounds the open files of a process that was just started. What is asked for beyond the agent's own
/// bound is that bound; a process that is gone already needs none.
fn bound(pid: i32, files_max: Option<u64>) {
    let (Some(pid), Some(files_max)) = (Pid::from_raw(pid), files_max) else {
        return;
    };
    let own = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let files_max = Some(files_max.min(own));
    let bounds = Rlimit {
        current: files_max,
        maximum: files_max,
    };
    let _ = prlimit(Some(pid), Resource::Nofile, bounds);
}

/// The program and its arguments. A relative program is inside the slot, and stays there.
///
/// # Errors
/// Why not, in English words.
pub(super) fn program<'a>(
    slot: &Path,
    command: &'a [String],
) -> Result<(PathBuf, &'a [String]), String> {
    let Some((first, arguments)) = command.split_first() else {
        return Err("the manifest names no program".to_owned());
    };
    let path = Path::new(first);
    if path.is_absolute() {
        return Ok((path.to_owned(), arguments));
    }
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if first.is_empty() || !inside {
        return Err(format!("`{first}` is not inside the release"));
    }
    Ok((slot.join(path), arguments))
}

/// The whole environment of a service: clean, the same on every node. The values of settings are
/// not in it, only the file that holds them.
#[must_use]
pub(super) fn environment(launch: &Launch, instance: &str) -> BTreeMap<OsString, OsString> {
    let port = launch
        .port
        .map(|port| ("SANAGA_PORT", port.to_string().into()));
    let pairs: [(&str, OsString); 9] = [
        ("PATH", PATH.into()),
        ("LANG", "C.UTF-8".into()),
        ("HOME", launch.data.clone().into()),
        (APP, launch.app.as_str().into()),
        ("SANAGA_VERSION", launch.version.as_str().into()),
        (RELEASE, launch.slot.clone().into()),
        ("SANAGA_SETTINGS", launch.settings.clone().into()),
        ("SANAGA_DATA", launch.data.clone().into()),
        (INSTANCE, instance.into()),
    ];
    pairs
        .into_iter()
        .chain(port)
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// The file for output, or nowhere: an app runs even when what it prints cannot be kept.
pub(super) fn to_log(path: &Path) -> Stdio {
    log::open(path).map_or_else(|_| Stdio::null(), Stdio::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_programs_stay_in_the_slot() {
        let slot = Path::new("/apps/shop/slots/0001-aa");
        let of = |first: &str| {
            let command = [first.to_owned(), "-x".to_owned()];
            program(slot, &command).map(|(path, rest)| (path, rest.len()))
        };
        assert_eq!(of("bin/shop").unwrap(), (slot.join("bin/shop"), 1));
        assert_eq!(of("./shop").unwrap().0, slot.join("./shop"));
        assert_eq!(of("/bin/sh").unwrap().0, Path::new("/bin/sh"));
        for bad in ["", "../shop", "bin/../../x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(program(slot, &[]).is_err());
    }
}
