//! One connection: two directions, each a reader that stamps what it took with its time of arrival
//! and a writer that lets it out then. A cut ends both, wherever they are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::plan::{CutMode, Direction};
use super::shared::{End, Flow, Shared, Weather};

/// How long a dead connection is held in [`CutMode::Silent`]; its ends give up long before.
const SILENCE: Duration = Duration::from_secs(900);

/// How long the last bytes before a cut may take to be written to a receiver that does not read.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Turns a client away.
pub(super) async fn refuse(client: TcpStream, mode: CutMode) {
    match mode {
        CutMode::Reset => reset(&client),
        CutMode::Silent => tokio::time::sleep(SILENCE).await,
    }
}

/// Makes the coming close a reset, which also drops what the kernel has not sent yet.
fn reset(stream: &TcpStream) {
    let _closed = stream.set_zero_linger();
}

/// One end of a connection failed.
struct Gone;

/// Carries one connection until both sides have closed or the link is cut.
pub(super) async fn run(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let _delay = (client.set_nodelay(true), server.set_nodelay(true));
    let weather = shared.watch();
    let epoch = weather.borrow().epoch;
    let number = shared.open();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = Pipe::new(&shared, number, Direction::Up, &weather);
    let down = Pipe::new(&shared, number, Direction::Down, &weather);

    let mut cut = weather.clone();
    let mut ends = Ends {
        from_client,
        to_client,
        from_server,
        to_server,
    };
    let both = async {
        tokio::try_join!(
            up.carry(&mut ends.from_client, &mut ends.to_server),
            down.carry(&mut ends.from_server, &mut ends.to_client),
        )
    };
    let end = tokio::select! {
        // Looked at first: once it is cut, not one byte more.
        biased;
        _ = cut.wait_for(|weather| weather.epoch != epoch) => Ok(End::Cut),
        done = both => done.map(|_| End::Closed),
    };
    up.drop_rest();
    down.drop_rest();
    match end {
        Ok(End::Cut) => {
            shared.close(number, End::Cut);
            ends.end(shared.cut_mode()).await;
        }
        Ok(End::Closed | End::Open) => shared.close(number, End::Closed),
        Err(Gone) => {
            shared.close(number, End::Closed);
            ends.end(CutMode::Reset).await;
        }
    }
}

struct Ends {
    from_client: OwnedReadHalf,
    to_client: OwnedWriteHalf,
    from_server: OwnedReadHalf,
    to_server: OwnedWriteHalf,
}

impl Ends {
    async fn end(self, mode: CutMode) {
        let client = self.from_client.reunite(self.to_client);
        let server = self.from_server.reunite(self.to_server);
        let (Ok(client), Ok(server)) = (client, server) else {
            return;
        };
        match mode {
            CutMode::Reset => {
                reset(&client);
                reset(&server);
            }
            CutMode::Silent => {
                tokio::time::sleep(SILENCE).await;
                drop((client, server));
            }
        }
    }
}

/// What crosses the link.
enum Parcel {
    Bytes(Vec<u8>),
    /// The sender has no more to say.
    Fin,
    /// The sender is gone.
    Reset,
}

struct Pipe {
    shared: Arc<Shared>,
    connection: usize,
    direction: Direction,
    weather: watch::Receiver<Weather>,
    /// What is on the way, with its time of arrival.
    queue: Mutex<VecDeque<(Instant, Parcel)>>,
    /// Taken from the sender and not yet granted to the receiver.
    queued_bytes: AtomicU64,
    /// Granted, and not yet written.
    in_hand_bytes: AtomicU64,
    /// Something came into the queue.
    came: Notify,
    /// Something left it.
    left: Notify,
}

impl Pipe {
    fn new(
        shared: &Arc<Shared>,
        connection: usize,
        direction: Direction,
        weather: &watch::Receiver<Weather>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection,
            direction,
            weather: weather.clone(),
            queue: Mutex::new(VecDeque::new()),
            queued_bytes: AtomicU64::new(0),
            in_hand_bytes: AtomicU64::new(0),
            came: Notify::new(),
            left: Notify::new(),
        }
    }

    /// Ends well when the sender has closed and everything is delivered.
    async fn carry(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<(), Gone> {
        let reading = async {
            self.read(from).await;
            std::future::pending::<()>().await;
        };
        let written = tokio::select! {
            () = reading => Ok(()),
            written = self.write(to) => written,
        };
        let _closed = to.shutdown().await;
        written
    }

    async fn read(&self, from: &mut OwnedReadHalf) {
        let mut last = Instant::now();
        loop {
            let (chunk_max, queue_max) = self.shared.sizes(self.direction);
            if self.queued_bytes.load(Ordering::Acquire) >= queue_max {
                self.left.notified().await;
                continue;
            }
            let mut chunk = vec![0; chunk_max];
            let outcome = from.read(&mut chunk).await;
            let read = *outcome.as_ref().unwrap_or(&0);
            chunk.truncate(read);
            let taken = Flow {
                taken: read as u64,
                ..Flow::default()
            };
            self.shared.count(self.connection, self.direction, taken);
            // Jitter never puts a byte before its predecessor: TCP would not show it either.
            last = last.max(self.shared.arrival(self.direction, read));
            self.queued_bytes.fetch_add(read as u64, Ordering::AcqRel);
            let (parcel, more) = match outcome {
                Ok(0) => (Parcel::Fin, false),
                Ok(_) => (Parcel::Bytes(chunk), true),
                Err(_) => (Parcel::Reset, false),
            };
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back((last, parcel));
            self.came.notify_one();
            if !more {
                return;
            }
        }
    }

    async fn write(&self, to: &mut OwnedWriteHalf) -> Result<(), Gone> {
        loop {
            let next = self
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some((at, parcel)) = next else {
                self.came.notified().await;
                continue;
            };
            // The timer counts whole milliseconds, which would slow a fast link down.
            if at > Instant::now() {
                tokio::time::sleep_until(at).await;
            }
            self.thawed().await;
            match parcel {
                Parcel::Bytes(bytes) => self.deliver(to, &bytes).await?,
                Parcel::Fin => return Ok(()),
                Parcel::Reset => return Err(Gone),
            }
        }
    }

    async fn thawed(&self) {
        let mut weather = self.weather.clone();
        drop(weather.wait_for(|weather| !weather.frozen).await);
    }

    /// Writes a chunk, in as many pieces as cuts and pauses make of it.
    async fn deliver(&self, to: &mut OwnedWriteHalf, chunk: &[u8]) -> Result<(), Gone> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let grant = self
                .shared
                .grant(self.connection, self.direction, rest.len());
            let (piece, later) = rest.split_at(grant.bytes.min(rest.len()));
            // From here the piece is no longer the queue's, whatever happens.
            self.in_hand_bytes
                .store(piece.len() as u64, Ordering::Release);
            self.queued_bytes
                .fetch_sub(piece.len() as u64, Ordering::AcqRel);
            self.left.notify_one();
            if grant.then_cut {
                let _late = tokio::time::timeout(LAST_BYTES, self.write_piece(to, piece)).await;
                self.shared.cut();
            }
            if grant.wait_for_cut {
                // Seen by the select around everything, which never comes back here.
                std::future::pending::<()>().await;
            }
            self.write_piece(to, piece).await?;
            if let Some(pause) = grant.then_pause {
                tokio::time::sleep(pause).await;
            }
            rest = later;
        }
        Ok(())
    }

    async fn write_piece(&self, to: &mut OwnedWriteHalf, piece: &[u8]) -> Result<(), Gone> {
        let mut rest = piece;
        while !rest.is_empty() {
            match to.write(rest).await {
                Ok(written @ 1..) => {
                    self.in_hand_bytes
                        .fetch_sub(written as u64, Ordering::AcqRel);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Ok(0) | Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }

    /// Counts what never arrived.
    fn drop_rest(&self) {
        let unwritten = self.in_hand_bytes.swap(0, Ordering::AcqRel);
        self.shared
            .take_back(self.connection, self.direction, unwritten);
        let dropped = self.queued_bytes.swap(0, Ordering::AcqRel);
        let lost = Flow {
            dropped,
            ..Flow::default()
        };
        self.shared.count(self.connection, self.direction, lost);
    }
}
