//! The command line's side of the local socket. Blocking: a command has nothing else to do.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;

use super::{Order, Reply};

/// A reply is at most so long, bytes; a history of 100,000 events is shorter.
const REPLY_BYTES_MAX: u64 = 32 << 20;
/// The daemon answers what needs no work within this time.
const STATUS_PATIENCE: Duration = Duration::from_secs(30);

/// A conversation with the daemon.
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Calls the daemon.
    ///
    /// # Errors
    /// [`code::DAEMON_ABSENT`] when nobody answers, [`code::NOT_WRITABLE`] without the right to ask.
    pub fn connect(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| fault(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            stream: BufReader::new(stream),
        })
    }

    /// Sends one order.
    ///
    /// # Errors
    /// [`code::DAEMON_ABSENT`] when the daemon has gone.
    pub fn send(&mut self, order: &Order) -> Result<(), Failure> {
        let patience = match order {
            Order::Status | Order::Enrolled | Order::History { .. } => Some(STATUS_PATIENCE),
            // These take as long as the link or the disk takes, or wait for something to happen.
            Order::Watch
            | Order::Pull { .. }
            | Order::Stage { .. }
            | Order::Activate { .. }
            | Order::Install { .. }
            | Order::Rollback { .. }
            | Order::Verify { .. } => None,
        };
        let mut line = serde_json::to_vec(order).map_err(|error| {
            Failure::new(code::INTERNAL)
                .arg("problem", &error)
                .because(error)
        })?;
        line.push(b'\n');
        let stream = self.stream.get_mut();
        let sent = stream
            .set_read_timeout(patience)
            .and_then(|()| stream.write_all(&line));
        sent.map_err(|error| fault(&self.path, error))
    }

    /// The next reply; none when the daemon has ended the conversation.
    ///
    /// # Errors
    /// The daemon's refusal, or a fault of the conversation.
    pub fn receive(&mut self) -> Result<Option<Reply>, Failure> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(REPLY_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line);
        read.map_err(|error| fault(&self.path, error))?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(absent(&self.path));
        }
        let reply: Reply = serde_json::from_slice(&line).map_err(|error| self.other(error))?;
        reply.into_result().map(Some)
    }

    /// A handle that ends the conversation from another thread.
    ///
    /// # Errors
    /// [`code::DISK_FAULT`] when the system has no descriptor left.
    pub fn ender(&self) -> Result<Ender, Failure> {
        let stream = self.stream.get_ref().try_clone();
        stream.map(Ender).map_err(|error| fault(&self.path, error))
    }

    fn other(&self, error: serde_json::Error) -> Failure {
        Failure::new(code::BAD_ANSWER)
            .arg("host", self.path.display())
            .arg("problem", &error)
            .because(error)
    }
}

/// Ends a conversation.
pub struct Ender(UnixStream);

impl Ender {
    /// The other side sees the end, and so does a thread that waits for a reply.
    pub fn end(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Sends one order and waits for its reply.
///
/// # Errors
/// The daemon's refusal, or [`code::DAEMON_ABSENT`].
pub fn ask(path: &Path, order: &Order) -> Result<Reply, Failure> {
    let mut client = Client::connect(path)?;
    client.send(order)?;
    client.receive()?.ok_or_else(|| absent(path))
}

/// The failure for a reply of a kind that does not belong to the order.
#[must_use]
pub fn out_of_place(path: &Path) -> Failure {
    Failure::new(code::BAD_ANSWER)
        .arg("host", path.display())
        .arg("problem", "the reply does not belong to the order")
}

/// The failure for a daemon that does not answer, or no longer.
#[must_use]
pub fn absent(path: &Path) -> Failure {
    Failure::new(code::DAEMON_ABSENT).arg("path", path.display())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the system's list of errors is open"
)]
fn fault(path: &Path, error: io::Error) -> Failure {
    let failure = match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::NotADirectory => absent(path),
        // A read that ends by its time limit says either, depending on the system.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::new(code::STALLED)
            .arg("host", path.display())
            .arg("seconds", STATUS_PATIENCE.as_secs()),
        ErrorKind::PermissionDenied => Failure::new(code::NOT_WRITABLE)
            .arg("path", path.display())
            .arg("problem", &error),
        _ => Failure::new(code::DISK_FAULT)
            .arg("path", path.display())
            .arg("problem", &error),
    };
    failure.because(error)
}
