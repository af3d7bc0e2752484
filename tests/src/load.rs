//! A load generator: so many requests a second, each at its time whether or not those before it were
//! answered (an open loop), on new connections or on kept ones. It is deliberately simple: what it
//! calls a failure is what a customer would call one.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::http::Head;

/// So many requests may be on their way at once.
const WORKERS: usize = 64;
/// An answer that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// Failures whose words are kept.
const WORDS_MAX: usize = 20;

/// How connections are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new one for each request.
    Fresh,
    /// Kept open; a request whose connection is closed before the first byte of its answer is made
    /// once more (RFC 9110, 9.2.2 allows it for GET).
    Kept,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were made.
    pub sent: u64,
    /// Those without a whole answer with status 200.
    pub failed: u64,
    /// Those that were made once more.
    pub retried: u64,
    /// The longest time to a whole answer.
    pub slowest: Duration,
    /// What the first failures were, with the time since the start.
    pub words: Vec<String>,
}

/// A load that is on.
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    path: String,
    mode: Mode,
    pause: Duration,
    began: Instant,
    next: AtomicU64,
    is_over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Load {
    /// Begins.
    #[must_use]
    pub fn start(port: u16, path: &str, mode: Mode, per_second: u32) -> Self {
        let shared = Arc::new(Shared {
            to: SocketAddr::from(([127, 0, 0, 1], port)),
            path: path.to_owned(),
            mode,
            pause: Duration::from_secs(1) / per_second,
            began: Instant::now(),
            next: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            tally: Mutex::default(),
        });
        let workers = (0..WORKERS)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.work())
            })
            .collect();
        Self { shared, workers }
    }

    /// Ends, and says what came of it.
    ///
    /// # Errors
    /// When a worker broke.
    pub fn finish(self) -> Result<Tally> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for worker in self.workers {
            worker
                .join()
                .map_err(|_| anyhow!("a worker of the load broke"))?;
        }
        let tally = self.shared.tally.lock();
        Ok(tally.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Shared {
    fn work(&self) {
        let mut kept = None;
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let at = self.pause * u32::try_from(number).unwrap_or(u32::MAX);
            std::thread::sleep(at.saturating_sub(self.began.elapsed()));
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let started = Instant::now();
            let (result, retried) = self.request(&mut kept);
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.sent += 1;
            tally.retried += u64::from(retried);
            tally.slowest = tally.slowest.max(started.elapsed());
            if let Err(problem) = result {
                tally.failed += 1;
                if tally.words.len() < WORDS_MAX {
                    let at = self.began.elapsed().as_secs_f64();
                    tally.words.push(format!("after {at:.3} s: {problem}"));
                }
            }
        }
    }

    fn request(&self, kept: &mut Option<TcpStream>) -> (Result<(), String>, bool) {
        match self.mode {
            Mode::Fresh => (self.once(&mut None).map_err(Broken::words), false),
            Mode::Kept => match self.once(kept) {
                Ok(()) => (Ok(()), false),
                Err(Broken::BeforeAnswer(_)) => {
                    *kept = None;
                    (self.once(kept).map_err(Broken::words), true)
                }
                Err(broken) => {
                    *kept = None;
                    (Err(broken.words()), false)
                }
            },
        }
    }

    /// One request; the connection stays if both sides keep it.
    fn once(&self, kept: &mut Option<TcpStream>) -> Result<(), Broken> {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => self
                .connect()
                .map_err(|error| Broken::Other(format!("connect: {error}")))?,
        };
        let connection = match self.mode {
            Mode::Fresh => "close",
            Mode::Kept => "keep-alive",
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: {connection}\r\n\r\n",
            self.path, self.to
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|error| Broken::BeforeAnswer(format!("write: {error}")))?;
        let stays = answer(&mut stream)?;
        if stays && self.mode == Mode::Kept {
            *kept = Some(stream);
        }
        Ok(())
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Why a request has no answer.
enum Broken {
    /// The connection was closed before the first byte.
    BeforeAnswer(String),
    /// Anything else.
    Other(String),
}

impl Broken {
    fn words(self) -> String {
        match self {
            Self::BeforeAnswer(words) => format!("closed before an answer: {words}"),
            Self::Other(words) => words,
        }
    }
}

/// Reads a whole answer with status 200; whether the connection stays.
fn answer(stream: &mut TcpStream) -> Result<bool, Broken> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    let (head, mut body) = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            break (bytes, body);
        }
        let is_first = bytes.is_empty();
        let broken = |words: String| {
            if is_first {
                Broken::BeforeAnswer(words)
            } else {
                Broken::Other(words)
            }
        };
        match stream.read(&mut buffer) {
            Ok(0) => return Err(broken("closed".to_owned())),
            Ok(count) => bytes.extend(buffer.iter().take(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Silence is no closed connection: it is not asked again.
            Err(error) if is_silence(&error) => return Err(Broken::Other("no answer".to_owned())),
            Err(error) => return Err(broken(error.to_string())),
        }
    };
    let head = Head::parse(&head).map_err(|error| Broken::Other(format!("{error:#}")))?;
    if !head.start.contains(" 200 ") {
        return Err(Broken::Other(head.start));
    }
    let value = |name: &str| crate::http::header(&head.headers, name);
    let length = value("content-length").and_then(|text| text.parse::<usize>().ok());
    let length = length.ok_or_else(|| Broken::Other("an answer without a length".to_owned()))?;
    while body.len() < length {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(Broken::Other("half an answer".to_owned())),
            Ok(count) => body.extend(buffer.iter().take(count)),
            Err(error) => return Err(Broken::Other(format!("half an answer: {error}"))),
        }
    }
    Ok(value("connection") != Some("close"))
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// A server that answers so many requests of each connection with these words, then closes it.
    fn serve(answers: &'static [&'static str]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    for answer in answers {
                        let mut line = String::new();
                        while line != "\r\n" {
                            line.clear();
                            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        port
    }

    fn tally(port: u16, mode: Mode) -> Tally {
        let load = Load::start(port, "/", mode, 200);
        std::thread::sleep(Duration::from_millis(600));
        load.finish().unwrap()
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    #[test]
    fn whole_answers_are_no_failures_and_come_at_their_rate() {
        for mode in [Mode::Fresh, Mode::Kept] {
            let found = tally(serve(&[GOOD, GOOD, GOOD]), mode);
            assert_eq!(found.failed, 0, "{:?}", found.words);
            assert!((60..=140).contains(&found.sent), "{}", found.sent);
            // Every connection ends after three answers, which is seen and made good.
            assert_eq!(found.retried > 0, mode == Mode::Kept && found.sent > 3 * 64);
        }
    }

    #[test]
    fn what_a_customer_would_call_a_failure_is_one() {
        let refused = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = refused.local_addr().unwrap().port();
        drop(refused);
        for mode in [Mode::Fresh, Mode::Kept] {
            for port in [
                port,
                serve(&[""]),
                serve(&["HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n"]),
                serve(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"]),
            ] {
                let found = tally(port, mode);
                assert!(found.sent > 0 && found.failed == found.sent, "{found:?}");
            }
        }
    }
}
