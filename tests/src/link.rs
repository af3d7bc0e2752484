//! A bad link inside the process: a TCP proxy with rate, delay, jitter, stalls and cuts, seeded so
//! that the same seed cuts at the same bytes, and exact about what it carried.
//!
//! It emulates above TCP: what it delivers was delivered, in order, and what it still queued when
//! it was cut is lost. Loss of packets and reordering need a packet device and live elsewhere.
//!
//! ```no_run
//! use std::time::Duration;
//! use sanaga_tests::link::{Cuts, Link, Plan};
//!
//! fn two_g(server: std::net::SocketAddr) -> anyhow::Result<()> {
//!     let plan = Plan::new(7).rate(64_000).delay_ms(300).jitter_ms(80).cuts(Cuts::Gap(8_000..=40_000));
//!     let link = Link::start(server, plan)?;
//!     // … point the agent at link.address() …
//!     link.down();
//!     link.up();
//!     link.set_rate(2_000_000);
//!     link.wait("three cuts", Duration::from_secs(60), |counts| counts.cuts >= 3)?;
//!     println!("{} bytes reached the agent", link.counts().down.delivered);
//!     Ok(())
//! }
//! ```

mod pipe;
mod plan;
mod shared;

pub use plan::{CutMode, Cuts, Direction, Path, Plan, Stall};
pub use shared::{ConnectionCounts, Counts, End, Flow};

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use crate::world::{Step, eventually};
use shared::Shared;

/// Kernel buffers of both sides, in bytes: small, so that little of what was sent is out of the
/// emulated link's sight.
const SOCKET_BUFFER_BYTES: u32 = 32 * 1024;

/// A running link. Dropping it cuts everything and frees the port.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Listens on a free port of 127.0.0.1 and forwards every connection to `upstream`.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(upstream: SocketAddr, plan: Plan) -> Result<Self> {
        let shared = Arc::new(Shared::new(plan, upstream));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("a runtime for the link")?;
        let listener = runtime.block_on(listen()).context("a port for the link")?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(&listener, &inner) => {}
                        () = shared::follow_schedule(&inner) => {}
                        _ = stopped => {}
                    }
                });
            })
            .context("a thread for the link")?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The seed, to be printed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed()
    }

    /// Changes the rate of both directions, in bit/s.
    pub fn set_rate(&self, bits_per_s: u64) {
        self.set_path(Direction::Up, |path| path.rate_bps = Some(bits_per_s));
        self.set_path(Direction::Down, |path| path.rate_bps = Some(bits_per_s));
    }

    /// Takes the limit of the rate away, in both directions.
    pub fn set_rate_unlimited(&self) {
        self.set_path(Direction::Up, |path| path.rate_bps = None);
        self.set_path(Direction::Down, |path| path.rate_bps = None);
    }

    /// Changes the delay of both directions, in milliseconds.
    pub fn set_delay_ms(&self, delay_ms: u64) {
        self.set_path(Direction::Up, |path| path.delay_ms = delay_ms);
        self.set_path(Direction::Down, |path| path.delay_ms = delay_ms);
    }

    /// Changes one direction.
    pub fn set_path(&self, direction: Direction, change: impl FnOnce(&mut Path)) {
        self.shared.set_path(direction, change);
    }

    /// Forwards connections that are made from now on to another place.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.set_upstream(upstream);
    }

    /// Changes where it cuts by itself. [`Cuts::At`] counts from the link's start.
    pub fn set_cuts(&self, cuts: Cuts) {
        self.shared.set_cuts(cuts);
    }

    /// Cuts every connection now; what was queued is lost. New connections are let through again
    /// (after the plan's outage, if it has one).
    pub fn cut_now(&self) {
        self.shared.cut();
    }

    /// Takes the link down: everything is cut, and nothing new gets through.
    pub fn down(&self) {
        self.shared.set_up(false);
    }

    /// Takes the link up again.
    pub fn up(&self) {
        self.shared.set_up(true);
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Holds all bytes back, in both directions, without losing any, until [`Link::thaw`].
    pub fn freeze(&self) {
        self.shared.set_frozen(true);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.shared.set_frozen(false);
    }

    /// Everything that it counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// The counts of each connection, in order of arrival.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionCounts> {
        self.shared.connections()
    }

    /// Waits until the counts are as wished.
    ///
    /// # Errors
    /// When no count has changed for `patience`.
    pub fn wait(
        &self,
        what: &str,
        patience: Duration,
        wish: impl Fn(&Counts) -> bool,
    ) -> Result<Counts> {
        eventually(what, patience, || {
            let counts = self.counts();
            Ok(if wish(&counts) {
                Step::Done(counts)
            } else {
                Step::Waiting(format!("{counts:?}"))
            })
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Accepted sockets inherit both.
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(1024)
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Too many open files, most likely: it passes when connections end.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            if !shared.lets_in() {
                shared.count_refused();
                pipe::refuse(client, shared.cut_mode()).await;
                return;
            }
            match connect(shared.upstream()).await {
                Ok(server) => pipe::run(client, server, shared).await,
                // The server is down: the client sees what it would see without a link between.
                Err(_) => pipe::refuse(client, CutMode::Reset).await,
            }
        });
    }
}

async fn connect(upstream: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if upstream.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.connect(upstream).await
}

#[cfg(test)]
mod tests;
