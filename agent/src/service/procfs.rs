//! What `/proc` says of the processes of this machine (proc(5)).

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Ticks a second in `/proc` (`USER_HZ`): 100 on every architecture that is built for.
const TICKS_PER_S: u64 = 100;
/// Of an environment so much is read, bytes; ours is far smaller.
const ENVIRON_BYTES_MAX: u64 = 256 << 10;

/// The variable that names one start of one app.
pub(super) const INSTANCE: &str = "SANAGA_INSTANCE";
/// The variable that names the app.
pub(super) const APP: &str = "SANAGA_APP";
/// The variable that names the slot.
pub(super) const RELEASE: &str = "SANAGA_RELEASE";

/// A process, told apart from any later one with its number. Valid within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it started, ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
}

impl ProcessId {
    /// Whether it is there and not merely waiting to be reaped.
    pub(super) fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|found| found.id == self && found.is_alive())
    }

    /// How long it has been there at this time since boot.
    pub(super) fn age(self, uptime: Duration) -> Duration {
        let started_ms = self.start_ticks.saturating_mul(1_000) / TICKS_PER_S;
        uptime.saturating_sub(Duration::from_millis(started_ms))
    }
}

/// One line of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Which process.
    pub id: ProcessId,
    /// Its state, a letter.
    pub state: char,
    /// Its process group.
    pub group: i32,
    /// Its threads; the first one may end before the others and is a zombie then.
    pub threads: u32,
}

impl Stat {
    /// Whether anything of it still runs.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x') || self.threads > 1
    }
}

/// What tells the processes of an app from all others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark<'a> {
    /// Those of one start: by its name in the environment, or by the group if that is known to be
    /// still the one that was made for it.
    Instance {
        /// The name.
        name: &'a str,
        /// The group.
        group: Option<i32>,
    },
    /// Those of any start of the app out of one folder of slots.
    App {
        /// The app.
        app: &'a str,
        /// The folder.
        slots: &'a Path,
        /// A start that is left out.
        beside: Option<&'a str>,
    },
}

impl Mark<'_> {
    fn fits(&self, stat: &Stat) -> bool {
        match self {
            Self::Instance { name, group } => {
                *group == Some(stat.group)
                    || value(&environ(stat.id.pid), INSTANCE) == Some(name.as_bytes())
            }
            Self::App { app, slots, beside } => {
                let environ = environ(stat.id.pid);
                let release =
                    value(&environ, RELEASE).map(|path| Path::new(OsStr::from_bytes(path)));
                value(&environ, APP) == Some(app.as_bytes())
                    && release.and_then(Path::parent) == Some(slots)
                    // Probes and the commands that stop and look are no part of the service.
                    && value(&environ, INSTANCE).is_some_and(|name| {
                        !name.is_empty() && beside.map(str::as_bytes) != Some(name)
                    })
            }
        }
    }
}

/// Every living process with that mark, the oldest first; never this one.
pub(super) fn find(mark: &Mark<'_>) -> Vec<Stat> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    // Without /proc nothing is found, and nothing is known of any process.
    let mut found: Vec<Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid > 1 && *pid != own)
        .filter_map(stat)
        .filter(|stat| stat.is_alive() && mark.fits(stat))
        .collect();
    found.sort_by_key(|stat| (stat.id.start_ticks, stat.id.pid));
    found
}

/// The process of that number, if there is one.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name of the program may hold spaces and parentheses; fields count from behind the last one.
fn parse_stat(pid: i32, text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // State is field 3; the group is field 5, the threads field 20, the start time field 22.
    let group = fields.nth(1)?.parse().ok()?;
    let threads = fields.nth(14)?.parse().ok()?;
    let start_ticks = fields.nth(1)?.parse().ok()?;
    Some(Stat {
        id: ProcessId { pid, start_ticks },
        state,
        group,
        threads,
    })
}

/// The environment that the process was started with; empty if it is not ours to read.
fn environ(pid: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) {
        // A process that ends while it is read has no environment any more.
        let _ = file.take(ENVIRON_BYTES_MAX).read_to_end(&mut bytes);
    }
    bytes
}

fn value<'a>(environ: &'a [u8], name: &str) -> Option<&'a [u8]> {
    environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_whatever_the_name_of_the_program() {
        let rest = "S 1 4242 4242 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 11 12";
        for name in ["(sh)", "(a b)", "(evil) Z 1 2 3)", "((sd-pam))"] {
            let stat = parse_stat(7, &format!("7 {name} {rest}\n")).unwrap();
            assert_eq!(stat.state, 'S');
            assert_eq!((stat.group, stat.threads), (4242, 1));
            assert_eq!(stat.id.start_ticks, 987_654);
        }
        for bad in ["", "7 (sh)", "7 (sh) S 1", "7 sh S 1 2 3"] {
            assert_eq!(parse_stat(7, bad), None, "{bad}");
        }
    }

    #[test]
    fn finds_this_process_and_its_age() {
        let own = stat(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.id.is_alive());
        let other = ProcessId {
            start_ticks: own.id.start_ticks + 1,
            ..own.id
        };
        assert!(!other.is_alive(), "the same number, another process");
        let started = Duration::from_millis(own.id.start_ticks * 10);
        let later = started + Duration::from_secs(5);
        assert_eq!(own.id.age(later), Duration::from_secs(5));
        assert_eq!(own.id.age(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn whole_names_of_variables_only() {
        let environ = b"XSANAGA_APP=no\0SANAGA_APPS=no\0SANAGA_APP=shop\0SANAGA_RELEASE=\0";
        assert_eq!(value(environ, APP), Some(&b"shop"[..]));
        assert_eq!(value(environ, RELEASE), Some(&b""[..]));
        assert_eq!(value(environ, INSTANCE), None);
    }
}
