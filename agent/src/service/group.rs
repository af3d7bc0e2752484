//! Waits for processes and ends them, with everything that they have started.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, pidfd_send_signal,
    waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

use super::Ending;
use super::procfs::{Mark, ProcessId, Stat, find, stat};

/// Between two looks at a process on a kernel before 5.3, which has no pidfd.
const LOOK: Duration = Duration::from_millis(500);
/// The shortest time between two looks at processes that are to end; it doubles up to the longest.
const STEP_MIN: Duration = Duration::from_millis(5);
/// The longest.
const STEP_MAX: Duration = Duration::from_millis(100);
/// After the last signal a process may take so long to disappear.
const GONE: Duration = Duration::from_secs(15);

/// Whom to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// Everything of one start.
    Instance {
        /// Its name.
        name: &'a str,
        /// The process that was started, which leads the group.
        leader: Option<ProcessId>,
    },
    /// Everything of any start of the app out of a folder of slots.
    App {
        /// The app.
        app: &'a str,
        /// The folder.
        slots: &'a Path,
        /// A start that is left alone.
        beside: Option<&'a str>,
    },
}

impl<'a> Target<'a> {
    fn leader(&self) -> Option<ProcessId> {
        match self {
            Self::Instance { leader, .. } => *leader,
            Self::App { .. } => None,
        }
    }

    /// The number of a group is not given away while its leader is there, if only as a zombie.
    fn mark(&self) -> Mark<'a> {
        match *self {
            Self::Instance { name, leader } => Mark::Instance {
                name,
                group: leader
                    .and_then(|leader| stat(leader.pid).filter(|stat| stat.id == leader))
                    .map(|stat| stat.group),
            },
            Self::App { app, slots, beside } => Mark::App { app, slots, beside },
        }
    }
}

/// Returns when the process has ended, and how. It is not reaped yet: until then its group can be
/// ended by number.
pub(super) async fn ended(id: ProcessId) -> Ending {
    let Some(pid) = Pid::from_raw(id.pid) else {
        return Ending::Unseen;
    };
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok().and_then(watched);
    // Looked at after the descriptor was opened, so that this is the process it stands for.
    if stat(id.pid).is_some_and(|found| found.id == id) {
        match descriptor {
            // Readable means ended (pidfd_open(2)); if it cannot be waited for, we look.
            Some(descriptor) if descriptor.readable().await.is_ok() => {}
            Some(_) | None => {
                while id.is_alive() {
                    sleep(LOOK).await;
                }
            }
        }
    }
    how_it_ended(id)
}

/// How a child of ours ended, without reaping it; unseen if it is not our child, or has not ended.
pub(super) fn how_it_ended(id: ProcessId) -> Ending {
    waited(id, WaitIdOptions::NOWAIT)
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for descriptors that change hands; an OwnedFd stays what it is"
)]
fn watched(descriptor: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE).ok()
}

fn waited(id: ProcessId, options: WaitIdOptions) -> Ending {
    let Some(pid) = Pid::from_raw(id.pid) else {
        return Ending::Unseen;
    };
    let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Ok(Some(status)) => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Ending::Code(code),
                    (None, Some(signal)) => Ending::Signal(signal),
                    (None, None) => Ending::Unseen,
                };
            }
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return Ending::Unseen,
        }
    }
}

/// Ends every process of the target: politely, after `grace` by force. Returns when all are gone
/// and the leader is reaped.
///
/// # Errors
/// The processes that do not end (stuck in the kernel, or not ours to end), in English words.
pub(super) async fn end(target: &Target<'_>, grace: Duration) -> Result<(), String> {
    let mut told = Vec::new();
    let began = Instant::now();
    let mut step = STEP_MIN;
    loop {
        let left = find(&target.mark());
        if left.is_empty() {
            if let Some(leader) = target.leader() {
                waited(leader, WaitIdOptions::empty());
            }
            return Ok(());
        }
        let passed = began.elapsed();
        for stat in &left {
            if passed >= grace {
                send(stat, Signal::KILL);
            } else if !told.contains(&stat.id) {
                // One signal each: a second one means "at once" to some programs.
                send(stat, Signal::TERM);
                told.push(stat.id);
            }
        }
        if passed >= grace.saturating_add(GONE) {
            let numbers: Vec<String> = left.iter().map(|stat| stat.id.pid.to_string()).collect();
            return Err(format!("process {} does not end", numbers.join(", ")));
        }
        let until_force = grace.saturating_sub(passed);
        sleep(if until_force.is_zero() {
            step
        } else {
            step.min(until_force)
        })
        .await;
        step = (step * 2).min(STEP_MAX);
    }
}

/// Signals exactly this process, never a later one with its number. One that has ended meanwhile is
/// found gone by the next look; one that is not ours to signal is in the end reported.
fn send(stat: &Stat, signal: Signal) {
    let Some(pid) = Pid::from_raw(stat.id.pid) else {
        return;
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) if stat.id.is_alive() => {
            let _ = pidfd_send_signal(descriptor, signal);
        }
        Err(Errno::NOSYS) if stat.id.is_alive() => {
            let _ = kill_process(pid, signal);
        }
        Ok(_) | Err(_) => {}
    }
}
