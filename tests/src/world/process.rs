//! A process in the background. It is killed with its group when its guard is dropped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::patience::{PATIENCE, Step, eventually};
use super::{Cmd, sweep};

/// How long a process may take to end after it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(30);

/// A running process and its log.
#[derive(Debug)]
pub struct Proc {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Proc {
    pub(super) fn start(name: &str, cmd: Cmd, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .context("log file")?;
        let shown = cmd.shown();
        let child = cmd
            .into_command()
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start `{shown}`"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            ended: None,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of its log: stdout and stderr, of all processes that had this name.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it has said so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits until a line of its log contains these words, and gives that line.
    ///
    /// # Errors
    /// When the process ends first, or says nothing new for [`PATIENCE`].
    pub fn wait_for_line(&mut self, words: &str) -> Result<String> {
        let what = format!("`{words}` from {}", self.name);
        eventually(&what, PATIENCE, || {
            // Asked before the log is read, so that last words are not missed.
            let ended = self.ended()?;
            let text = self.text();
            if let Some(line) = text.lines().find(|line| line.contains(words)) {
                return Ok(Step::Done(line.to_owned()));
            }
            if let Some(status) = ended {
                bail!(
                    "{} ended ({status}) before it said `{words}`:\n{text}",
                    self.name
                );
            }
            Ok(Step::Waiting(text))
        })
    }

    /// The peak of its resident memory so far (`VmHWM`), in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory_peak_bytes(&self) -> Result<u64> {
        sweep::status_kib(self.pid(), "VmHWM:").map(|kib| kib * 1024)
    }

    /// Its resident memory now (`VmRSS`), in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory_bytes(&self) -> Result<u64> {
        sweep::status_kib(self.pid(), "VmRSS:").map(|kib| kib * 1024)
    }

    /// Kills it with SIGKILL: this process only, not what it started, as a power cut of one program.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.child
            .kill()
            .with_context(|| format!("kill {}", self.name))?;
        let status = self.child.wait()?;
        self.ended = Some(status);
        Ok(status)
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// When it does not end within 30 s.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).with_context(|| format!("terminate {}", self.name))?;
        }
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it says and computes nothing for 30 s and does not end either.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        eventually(&what, END_PATIENCE, || {
            if let Some(status) = self.ended()? {
                return Ok(Step::Done(status));
            }
            Ok(Step::Waiting(self.text()))
        })
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // After it was waited for, its number may belong to somebody else.
        if !matches!(self.ended(), Ok(Some(_))) {
            sweep::kill_group(self.child.id());
            let _status = self.child.wait();
        }
    }
}
