//! Services as they really run: processes of this machine, ended without warning. The agent's own
//! sudden end is played by dropping the [`Service`], which leaves everything as SIGKILL would.

mod adoption;
mod beside;
mod kinds;
mod life;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::ServiceKind;

use super::procfs::{Mark, find};
use super::*;
use crate::clock::{ClockTrust, SystemClock};

/// A folder with slots of the app `shop`; whatever runs out of it ends with it.
struct Site {
    folder: tempfile::TempDir,
    options: ServiceOptions,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["slots/0001-aa", "slots/0002-bb", "data", "state"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self {
            options: ServiceOptions {
                start_timeout: Duration::from_secs(20),
                restart_min: Duration::from_millis(40),
                restart_max: Duration::from_millis(200),
                log_bytes_max: 4_096,
                log_interval: Duration::from_millis(20),
                systemctl: folder.path().join("systemctl"),
                systemd_folder: folder.path().join("systemd"),
                upstream: None,
                ports: (20_000, 20_999),
            },
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Service {
        let clock = Arc::new(SystemClock::new(ClockTrust::Kernel));
        let state = self.path("state");
        Service::open(app(), &state, self.options.clone(), clock).unwrap()
    }

    /// A launch of the slot `0001-aa` that runs this as a shell script.
    fn launch(&self, script: &str) -> Launch {
        let slot = self.path("slots/0001-aa");
        Launch {
            app: app(),
            version: "1.4.1".parse().unwrap(),
            spec: ServiceSpec {
                kind: ServiceKind::Process,
                command: shell(script),
                start: Vec::new(),
                stop: Vec::new(),
                status: Vec::new(),
                units: Vec::new(),
                stop_grace: Duration::from_secs(5),
                user: None,
                beside: None,
                limits: Limits::default(),
            },
            slot,
            settings: self.path("settings.env"),
            settings_digest: Digest::of(b"settings"),
            data: self.path("data"),
            port: None,
        }
    }

    /// Living processes of any start, at this moment: one that just becomes another program shows no
    /// environment, and one that was just killed may still be seen.
    fn count(&self) -> usize {
        let slots = self.path("slots");
        let mark = Mark::App {
            app: "shop",
            slots: &slots,
            beside: None,
        };
        find(&mark).len()
    }

    /// Waits until so many live.
    async fn settles_at(&self, count: usize) {
        until("so many processes", async || self.count() == count).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let slots = self.path("slots");
        let mark = Mark::App {
            app: "shop",
            slots: &slots,
            beside: None,
        };
        while let left @ [_, ..] = find(&mark).as_slice() {
            for stat in left {
                let _ = kill_process(Pid::from_raw(stat.id.pid).unwrap(), Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn app() -> AppName {
    "shop".parse().unwrap()
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The process of a running service.
async fn pid_of(service: &Service) -> i32 {
    let status = service.status().await;
    let ServiceStatus::Running { pid: Some(pid), .. } = status else {
        panic!("not running: {status:?}");
    };
    pid
}

async fn crashes_of(service: &Service) -> u32 {
    match service.status().await {
        ServiceStatus::Running { crashes, .. } => crashes,
        ServiceStatus::Crashed { times, .. } => times,
        ServiceStatus::Absent | ServiceStatus::Starting | ServiceStatus::Exited { .. } => 0,
    }
}

/// Waits for something that must come to be.
async fn until<F: AsyncFnMut() -> bool>(what: &str, mut is_so: F) {
    for _ in 0..3_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came to be: {what}");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
