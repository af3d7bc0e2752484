//! Running one command to its end, with what it said and how it ended.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::patience::{PATIENCE, Step, eventually};
use super::{MARKER, sweep};

/// A command that is being put together. Nothing of the caller's language, colours, `SANAGA_*` or
/// XDG folders reaches it.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    stdin: Option<Vec<u8>>,
    patience: Duration,
}

impl Cmd {
    pub(super) fn new(program: &Path, root: &Path, world: &str) -> Self {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["SANAGA_", "XDG_", "LC_", "CARGO"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(root)
            .env("HOME", root.join("home"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("NO_COLOR", "1")
            .env(MARKER, world)
            .env_remove("LANGUAGE")
            .process_group(0);
        Self {
            command,
            stdin: None,
            patience: PATIENCE,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds the words of a line, split at spaces (no quoting).
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.command.args(line.split_whitespace());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it through another program that takes a command line: `nsenter … PROGRAM ARGS`.
    #[must_use]
    pub fn through(mut self, program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .process_group(0);
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        self.command = command;
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Gives it this on stdin; otherwise stdin is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// How long it may neither say nor compute anything before it counts as stuck.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The command line, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        let program = Path::new(self.command.get_program());
        let program = program.file_name().unwrap_or(program.as_os_str());
        std::iter::once(program)
            .chain(self.command.get_args())
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// When it cannot be started, or stands still; then it is killed, its group with it.
    pub fn run(mut self) -> Result<Output> {
        let shown = self.shown();
        let started = Instant::now();
        self.command
            .stdin(if self.stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("start `{shown}`"))?;
        if let (Some(bytes), Some(mut pipe)) = (self.stdin.take(), child.stdin.take()) {
            // A program that does not read its stdin to the end is not at fault.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let stdout = Reader::start(child.stdout.take());
        let stderr = Reader::start(child.stderr.take());
        let ended = wait(&shown, &mut child, self.patience, &[&stdout, &stderr]);
        if ended.is_err() {
            sweep::kill_group(child.id());
            let _killed = child.wait();
        }
        let output = |status| Output {
            shown: shown.clone(),
            status,
            stdout: stdout.text(),
            stderr: stderr.text(),
            took: started.elapsed(),
        };
        match ended {
            Ok(status) => Ok(output(status)),
            Err(error) => {
                let status = child.wait()?;
                Err(error.context(output(status).transcript()))
            }
        }
    }

    /// Runs it; it must end with 0.
    ///
    /// # Errors
    /// When it does not, with everything that it said.
    pub fn ok(self) -> Result<Output> {
        self.exits(0)
    }

    /// Runs it; it must end with this exit code.
    ///
    /// # Errors
    /// When it does not, with everything that it said.
    pub fn exits(self, code: i32) -> Result<Output> {
        let output = self.run()?;
        if output.code() != Some(code) {
            bail!("expected exit {code}\n{}", output.transcript());
        }
        Ok(output)
    }

    /// The pieces that a background process needs.
    pub(super) fn into_command(self) -> Command {
        self.command
    }
}

/// How a command ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line.
    pub shown: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Output {
    /// The exit code; `None` if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Stdout and stderr must together contain this.
    ///
    /// # Errors
    /// When they do not, with everything that was said.
    pub fn says(&self, words: &str) -> Result<&Self> {
        if !self.stdout.contains(words) && !self.stderr.contains(words) {
            bail!("`{words}` is not said by\n{}", self.transcript());
        }
        Ok(self)
    }

    /// The first line of stdout that starts with `prefix`, without it.
    ///
    /// # Errors
    /// When there is none.
    pub fn after(&self, prefix: &str) -> Result<&str> {
        self.stdout
            .lines()
            .find_map(|line| line.strip_prefix(prefix))
            .with_context(|| format!("no line starts with `{prefix}`\n{}", self.transcript()))
    }

    /// The command as a reader would see it on a screen.
    #[must_use]
    pub fn transcript(&self) -> String {
        let mut text = format!("$ {}\n{}{}", self.shown, self.stdout, self.stderr);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match self.status.code() {
            Some(0) => {}
            Some(code) => text.push_str(&format!("exit {code}\n")),
            None => text.push_str(&format!("{}\n", self.status)),
        }
        text
    }
}

/// Collects a pipe in a thread of its own, so that the child never blocks on it.
struct Reader {
    bytes: Arc<std::sync::Mutex<Vec<u8>>>,
    length: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(std::sync::Mutex::new(Vec::new()));
        let length = Arc::new(AtomicUsize::new(0));
        let thread = pipe.map(|mut pipe| {
            let (bytes, length) = (Arc::clone(&bytes), Arc::clone(&length));
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                    let part = buffer.get(..read).unwrap_or_default();
                    bytes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(part);
                    length.fetch_add(read, Ordering::Relaxed);
                }
            })
        });
        Self {
            bytes,
            length,
            thread,
        }
    }

    fn is_closed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Waits for the end of the child and of what it still has in its pipes. A detached service that
/// inherited the pipes would keep them open for ever, so they get a second and no more.
fn wait(
    shown: &str,
    child: &mut Child,
    patience: Duration,
    readers: &[&Reader],
) -> Result<ExitStatus> {
    let pid = child.id();
    let status = eventually(shown, patience, || {
        if let Some(status) = child.try_wait()? {
            return Ok(Step::Done(status));
        }
        let said: Vec<_> = readers
            .iter()
            .map(|r| r.length.load(Ordering::Relaxed))
            .collect();
        Ok(Step::Waiting(format!(
            "{said:?} bytes said, {} on the processor",
            sweep::cpu_time(pid)
        )))
    })?;
    let ended = Instant::now();
    while !readers.iter().all(|reader| reader.is_closed())
        && ended.elapsed() < Duration::from_secs(1)
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(status)
}
