//! A content host that misbehaves: a plain HTTP/1.1 proxy that does wrong what it is told to do
//! wrong, and counts every request. Heads and bodies that no fault touches pass byte for byte.
//!
//! ```no_run
//! use sanaga_tests::fault::{Fault, FaultProxy, Rule};
//!
//! fn flipped(host: std::net::SocketAddr) -> anyhow::Result<()> {
//!     let proxy = FaultProxy::start(host)?;
//!     proxy.add(Rule::on("/v1/pack/", Fault::FlipBit { offset: 70_000, bit: 3 }).times(1));
//!     // … let the agent fetch from proxy.url() …
//!     assert_eq!(proxy.totals().requests, 2);
//!     Ok(())
//! }
//! ```

mod body;
mod serve;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

/// What is done wrong. Offsets in a *body* count from the first byte of that answer; an offset in a
/// *file* is the same byte whatever range was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset after so many bytes of the body.
    CutAt {
        /// Bytes of the body that are still sent.
        bytes: u64,
    },
    /// The answer ends well after so many bytes, with a `Content-Length` that says just that.
    Truncate {
        /// Bytes of the body that are sent.
        bytes: u64,
    },
    /// Another range is answered than was asked for.
    WrongRange {
        /// So many bytes later (or earlier), as far as the file goes.
        shift: i64,
        /// Whether `Content-Range` still claims that it is the right one.
        lies: bool,
    },
    /// 200 and the whole file, although a range was asked for.
    WholeForRange,
    /// Nothing comes any more after so many bytes; the connection stays open.
    Stall {
        /// Bytes of the body that are still sent.
        bytes: u64,
        /// How long; `None` is until the client gives up.
        pause: Option<Duration>,
    },
    /// One bit is wrong.
    FlipBit {
        /// Which byte of the file.
        offset: u64,
        /// Which bit of it, 0–7.
        bit: u8,
    },
    /// 200 and a page of HTML, whatever was asked for.
    CaptivePortal,
    /// 503.
    Unavailable {
        /// `Retry-After`, in seconds.
        retry_after_s: u64,
    },
}

/// A fault, and when it happens.
#[derive(Debug, Clone)]
pub struct Rule {
    path: String,
    fault: Fault,
    skip: u64,
    times: Option<u64>,
}

impl Rule {
    /// Every request whose path contains this (all, if it is empty).
    #[must_use]
    pub fn on(path: &str, fault: Fault) -> Self {
        Self {
            path: path.to_owned(),
            fault,
            skip: 0,
            times: None,
        }
    }

    /// So many times, and then never again.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Not the first ones.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }
}

/// One request and its answer, as the client saw them. Sizes are in bytes on the wire before TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `GET`, `POST` …
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The `Range` that was asked for.
    pub range: Option<String>,
    /// The status that was answered; 0 if there was none.
    pub status: u16,
    /// Request line and headers.
    pub request_head: u64,
    /// The request's body.
    pub request_body: u64,
    /// Status line and headers.
    pub response_head: u64,
    /// The answer's body, as far as it was sent; of a chunked one, with its framing.
    pub response_body: u64,
    /// What was done wrong.
    pub fault: Option<Fault>,
}

/// The sums of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many requests.
    pub requests: u64,
    /// Bytes of requests' heads and bodies.
    pub sent: u64,
    /// Bytes of answers' heads and bodies.
    pub received: u64,
    /// Bytes of answers' bodies alone.
    pub bodies: u64,
}

impl Totals {
    /// Heads and bodies, both ways.
    #[must_use]
    pub fn wire(&self) -> u64 {
        self.sent + self.received
    }
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    log: Vec<Entry>,
    /// Clients' connections that are open, to end them with the proxy.
    open: Vec<TcpStream>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    stopped: AtomicBool,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that is due for this request, which uses it up.
    fn due(&self, path: &str, has_range: bool) -> Option<Fault> {
        let mut state = self.lock();
        for rule in &mut state.rules {
            let fits = path.contains(&rule.path);
            // Only a request with a range can be answered with a wrong one.
            let needs_range = matches!(rule.fault, Fault::WrongRange { .. } | Fault::WholeForRange);
            if !fits || rule.times == Some(0) || (needs_range && !has_range) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            return Some(rule.fault.clone());
        }
        None
    }
}

/// A running proxy. Dropping it ends its connections and frees the port.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 before the host at `upstream`.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for the fault proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            stopped: AtomicBool::new(false),
            state: Mutex::default(),
        });
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || accept(&listener, &inner))
            .context("a thread for the fault proxy")?;
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a rule. Of several that fit, the first that is not used up counts.
    pub fn add(&self, rule: Rule) {
        self.shared.lock().rules.push(rule);
    }

    /// Forgets all rules.
    pub fn heal(&self) {
        self.shared.lock().rules.clear();
    }

    /// All finished requests, in order of their ends.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.shared.lock().log.clone()
    }

    /// Forgets the log, to count from here.
    pub fn clear_log(&self) {
        self.shared.lock().log.clear();
    }

    /// The sums of the log.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for entry in &self.shared.lock().log {
            totals.requests += 1;
            totals.sent += entry.request_head + entry.request_body;
            totals.received += entry.response_head + entry.response_body;
            totals.bodies += entry.response_body;
        }
        totals
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        for stream in self.shared.lock().open.drain(..) {
            let _closed = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the thread that waits for clients.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        if let Ok(handle) = stream.try_clone() {
            shared.lock().open.push(handle);
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || serve::connection(&shared, &stream));
    }
}

#[cfg(test)]
mod tests;
