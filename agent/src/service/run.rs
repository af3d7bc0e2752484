//! Runs a program to its end, within a time, in a group of its own, keeping little of what it says.
//! Services of kinds `command` and `systemd` and probes of kind `exec` use it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::launch::Launch;
use super::{spawn, user};

/// Of each stream the last so many bytes are kept.
const TAIL_BYTES: usize = 2_048;
/// After the end of the program its output may take so long; a child that lives on holds the pipe.
const DRAIN: Duration = Duration::from_millis(100);

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output<'a> {
    /// Its end into the result.
    Tail,
    /// Into the app's file: whatever goes on running keeps it.
    Log(&'a Path),
}

/// A program that is to be run to its end.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Where it runs.
    pub folder: &'a Path,
    /// Its whole environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// The user; none is our own.
    pub account: Option<user::Account>,
    /// Where its output goes.
    pub output: Output<'a>,
}

impl<'a> Program<'a> {
    /// A program of a release, as the release's user and in its environment.
    ///
    /// # Errors
    /// Why not, in English words.
    pub(super) fn of_release(
        launch: &'a Launch,
        command: &'a [String],
        instance: &str,
        output: Output<'a>,
    ) -> Result<Self, String> {
        let (path, arguments) = spawn::program(&launch.slot, command)?;
        Ok(Self {
            path,
            arguments,
            folder: &launch.slot,
            environment: spawn::environment(launch, instance),
            account: user::account(launch.spec.user.as_deref())?,
            output,
        })
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code; 128 and the signal if a signal ended it, as a shell says it.
    pub code: i32,
    /// The end of its standard output; empty if that went to a file.
    pub output: String,
    /// The end of its standard error; empty if that went to a file.
    pub errors: String,
}

/// Why a program has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be started.
    #[error("{program} cannot be started: {problem}")]
    NotStarted {
        /// The program.
        program: String,
        /// Why.
        problem: String,
    },
    /// It took too long, and was ended with its group.
    #[error("no end after {} s", limit.as_secs_f64())]
    TooLong {
        /// The limit.
        limit: Duration,
    },
}

/// Runs a program of the release as [`run`] does: for probes.
///
/// # Errors
/// See [`RunError`].
pub async fn run_in_release(
    launch: &Launch,
    command: &[String],
    limit: Duration,
) -> Result<Outcome, RunError> {
    // Without the name of the start: a probe is no part of the service.
    let program = Program::of_release(launch, command, "", Output::Tail).map_err(|problem| {
        let program = command.first().cloned().unwrap_or_default();
        RunError::NotStarted { program, problem }
    })?;
    run(program, limit).await
}

/// Runs a program to its end. When this future is dropped, the program is ended with its group.
///
/// # Errors
/// See [`RunError`].
pub(super) async fn run(program: Program<'_>, limit: Duration) -> Result<Outcome, RunError> {
    let failed = |problem: std::io::Error| RunError::NotStarted {
        program: program.path.display().to_string(),
        problem: problem.to_string(),
    };
    let mut command = Command::new(&program.path);
    command
        .args(program.arguments)
        .current_dir(program.folder)
        .env_clear()
        .envs(&program.environment)
        .process_group(0)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match program.output {
        Output::Tail => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        Output::Log(path) => command
            .stdout(spawn::to_log(path))
            .stderr(spawn::to_log(path)),
    };
    if let Some(account) = program.account {
        command.uid(account.uid).gid(account.gid);
    }
    let mut child = command.spawn().map_err(failed)?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let (mut output, mut errors) = (Tail::default(), Tail::default());
    let (mut out_pipe, mut err_pipe) = (child.stdout.take(), child.stderr.take());
    let all = async {
        let both = async {
            tokio::join!(
                output.read(out_pipe.as_mut()),
                errors.read(err_pipe.as_mut())
            );
        };
        tokio::pin!(both);
        let mut drained = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = &mut both, if !drained => drained = true,
            }
        };
        // It has ended by itself: what it has left running is meant to run.
        group.0 = None;
        if !drained {
            // What is not there by then belongs to somebody who lives on.
            let _ = timeout(DRAIN, both).await;
        }
        status
    };
    let status = timeout(limit, all)
        .await
        .map_err(|_| RunError::TooLong { limit })?
        .map_err(failed)?;
    Ok(Outcome {
        code: code_of(status),
        output: output.text(),
        errors: errors.text(),
    })
}

fn code_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let by_signal = || status.signal().map_or(-1, |signal| 128 + signal);
    status.code().unwrap_or_else(by_signal)
}

/// A group that ends with its guard. Its leader is not reaped before, so the number is still its own.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended at this very moment.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    async fn read(&mut self, from: Option<&mut (impl AsyncRead + Unpin)>) {
        let Some(from) = from else { return };
        let mut buffer = [0; 1_024];
        // A pipe that cannot be read has nothing more to say.
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.0.extend(buffer.iter().take(count));
            let over = self.0.len().saturating_sub(TAIL_BYTES);
            self.0.drain(..over);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).trim().to_owned()
    }
}
