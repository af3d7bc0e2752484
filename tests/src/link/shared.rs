//! The state that the handle and all connections of a link share: its plan, its clock of free
//! capacity, its cut points and its counts. One short lock; nothing is awaited under it.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::plan::{CutMode, Cuts, Direction, Path, Plan};
use crate::seed::Rng;

/// The bytes of one direction. `taken = delivered + dropped + still on the way`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Read from the sender.
    pub taken: u64,
    /// Written to the receiver.
    pub delivered: u64,
    /// Lost in a cut.
    pub dropped: u64,
}

impl Flow {
    fn add(&mut self, other: Self) {
        self.taken += other.taken;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
    }
}

/// All that a link has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// From the client to the server.
    pub up: Flow,
    /// From the server to the client.
    pub down: Flow,
    /// Connections that were let in.
    pub connections: u64,
    /// Connections that came while it was down.
    pub refused: u64,
    /// Cuts: by plan, by schedule and on command.
    pub cuts: u64,
    /// Pauses that lost nothing.
    pub stalls: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Open,
    /// Its ends closed it.
    Closed,
    /// The link cut it.
    Cut,
}

/// What one connection carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// From the client to the server.
    pub up: Flow,
    /// From the server to the client.
    pub down: Flow,
    /// How it ended.
    pub end: End,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    weather: watch::Sender<Weather>,
}

/// What every connection watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weather {
    /// Rises with each cut; a connection lives in the epoch that it began in.
    pub epoch: u64,
    /// Whether all bytes are held back.
    pub frozen: bool,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    upstream: SocketAddr,
    up: bool,
    /// Nothing is let in before, because of the outage after a cut.
    closed_until: Instant,
    /// When the shared wire of each direction is free again.
    free_at: [Instant; 2],
    /// The next total of delivered bytes at which it cuts.
    next_cut: Option<u64>,
    /// The cut point was reached; the last bytes before it are being written.
    cutting: bool,
    /// The last cut point that was reached: it is not reached again when bytes are taken back.
    reached: u64,
    /// The total of each direction at which it next pauses.
    next_stall: [Option<u64>; 2],
    chance: Chance,
    counts: Counts,
    connections: Vec<ConnectionCounts>,
}

#[derive(Debug)]
struct Chance {
    cuts: Rng,
    outages: Rng,
    jitter: Rng,
    stalls: Rng,
    schedule: Rng,
}

/// What may be written to the receiver now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    /// So many bytes.
    pub bytes: usize,
    /// After them the link is to be cut, by who holds this grant.
    pub then_cut: bool,
    /// The link is about to be cut: nothing more gets through.
    pub wait_for_cut: bool,
    /// After them it pauses.
    pub then_pause: Option<Duration>,
}

impl Grant {
    const NOTHING: Self = Self {
        bytes: 0,
        then_cut: false,
        wait_for_cut: true,
        then_pause: None,
    };
}

fn slot<T>(pair: &mut [T; 2], direction: Direction) -> &mut T {
    let [up, down] = pair;
    match direction {
        Direction::Up => up,
        Direction::Down => down,
    }
}

impl Shared {
    pub(super) fn new(plan: Plan, upstream: SocketAddr) -> Self {
        let seed = plan.seed;
        let now = Instant::now();
        let mut state = State {
            plan,
            upstream,
            up: true,
            closed_until: now,
            free_at: [now, now],
            next_cut: None,
            cutting: false,
            reached: 0,
            next_stall: [None, None],
            chance: Chance {
                cuts: Rng::stream(seed, "cuts"),
                outages: Rng::stream(seed, "outages"),
                jitter: Rng::stream(seed, "jitter"),
                stalls: Rng::stream(seed, "stalls"),
                schedule: Rng::stream(seed, "schedule"),
            },
            counts: Counts::default(),
            connections: Vec::new(),
        };
        state.draw_cut();
        state.draw_stall(Direction::Up);
        state.draw_stall(Direction::Down);
        Self {
            state: Mutex::new(state),
            weather: watch::Sender::new(Weather {
                epoch: 0,
                frozen: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seed(&self) -> u64 {
        self.lock().plan.seed
    }

    pub(super) fn upstream(&self) -> SocketAddr {
        self.lock().upstream
    }

    pub(super) fn set_upstream(&self, upstream: SocketAddr) {
        self.lock().upstream = upstream;
    }

    pub(super) fn cut_mode(&self) -> CutMode {
        self.lock().plan.cut_mode
    }

    pub(super) fn watch(&self) -> watch::Receiver<Weather> {
        self.weather.subscribe()
    }

    pub(super) fn set_path(&self, direction: Direction, change: impl FnOnce(&mut Path)) {
        let mut state = self.lock();
        change(state.plan.path_mut(direction));
        *slot(&mut state.free_at, direction) = Instant::now();
        state.draw_stall(direction);
    }

    pub(super) fn set_cuts(&self, cuts: Cuts) {
        let mut state = self.lock();
        state.plan.cuts = cuts;
        state.draw_cut();
    }

    pub(super) fn cut(&self) {
        self.lock().note_cut();
        self.weather.send_modify(|weather| weather.epoch += 1);
    }

    pub(super) fn set_up(&self, up: bool) {
        let was = std::mem::replace(&mut self.lock().up, up);
        if was && !up {
            self.cut();
        }
        if up {
            self.lock().closed_until = Instant::now();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.lock().up
    }

    pub(super) fn set_frozen(&self, frozen: bool) {
        self.weather.send_modify(|weather| weather.frozen = frozen);
    }

    pub(super) fn lets_in(&self) -> bool {
        let state = self.lock();
        state.up && Instant::now() >= state.closed_until
    }

    pub(super) fn count_refused(&self) {
        self.lock().counts.refused += 1;
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    pub(super) fn connections(&self) -> Vec<ConnectionCounts> {
        self.lock().connections.clone()
    }

    /// Enters a new connection and gives its number.
    pub(super) fn open(&self) -> usize {
        let mut state = self.lock();
        state.counts.connections += 1;
        state.connections.push(ConnectionCounts {
            up: Flow::default(),
            down: Flow::default(),
            end: End::Open,
        });
        state.connections.len() - 1
    }

    pub(super) fn close(&self, connection: usize, end: End) {
        if let Some(entry) = self.lock().connections.get_mut(connection) {
            entry.end = end;
        }
    }

    pub(super) fn count(&self, connection: usize, direction: Direction, flow: Flow) {
        self.lock().count(connection, direction, flow);
    }

    /// How much one read may take, and how much may be on the way, in bytes.
    pub(super) fn sizes(&self, direction: Direction) -> (usize, u64) {
        let state = self.lock();
        let path = state.plan.path(direction);
        match path.rate_bps {
            None => (16 * 1024, path.queue_bytes_max.max(256 * 1024)),
            // Chunks of a packet, so that a slow link is even; and beyond its queue a link holds
            // what is on the way.
            Some(bits) => (1400, path.queue_bytes_max + bits / 8 * path.delay_ms / 1000),
        }
    }

    /// When bytes that were read now will have crossed the link.
    pub(super) fn arrival(&self, direction: Direction, bytes: usize) -> Instant {
        let mut guard = self.lock();
        let state = &mut *guard;
        let path = state.plan.path(direction);
        let (rate, delay_ms, jitter_ms) = (path.rate_bps, path.delay_ms, path.jitter_ms);
        let free_at = slot(&mut state.free_at, direction);
        let start = (*free_at).max(Instant::now());
        let on_wire = rate.map_or(Duration::ZERO, |bits| {
            let nanos = (bytes as u128 * 8 * 1_000_000_000) / u128::from(bits.max(1));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        *free_at = start + on_wire;
        let jitter = if jitter_ms == 0 {
            0
        } else {
            state.chance.jitter.within(&(0..=jitter_ms))
        };
        start + on_wire + Duration::from_millis(delay_ms + jitter)
    }

    /// Grants up to `wanted` bytes to a connection of this epoch and counts them as delivered.
    /// Exact at cut points: the total never passes one.
    pub(super) fn grant(&self, connection: usize, direction: Direction, wanted: usize) -> Grant {
        let mut state = self.lock();
        let total = match direction {
            Direction::Up => state.counts.up.delivered,
            Direction::Down => state.counts.down.delivered,
        };
        if state.cutting {
            return Grant::NOTHING;
        }
        let cut_in = match direction {
            Direction::Up => None,
            Direction::Down => state.next_cut.map(|at| at.saturating_sub(total)),
        };
        let stall_in = slot(&mut state.next_stall, direction).map(|at| at.saturating_sub(total));
        let wanted = wanted as u64;
        let bytes = wanted
            .min(cut_in.unwrap_or(wanted))
            .min(stall_in.unwrap_or(wanted));
        let delivered = Flow {
            delivered: bytes,
            ..Flow::default()
        };
        state.count(connection, direction, delivered);
        let then_cut = cut_in == Some(bytes);
        if then_cut {
            state.cutting = true;
            state.reached = total + bytes;
        }
        let then_pause = if stall_in == Some(bytes) {
            state.pause(direction)
        } else {
            None
        };
        Grant {
            bytes: usize::try_from(bytes).unwrap_or(0),
            then_cut,
            wait_for_cut: then_cut,
            then_pause,
        }
    }

    /// Takes back what was granted but could not be written.
    pub(super) fn take_back(&self, connection: usize, direction: Direction, bytes: u64) {
        let mut state = self.lock();
        for flow in state.flows(connection, direction) {
            flow.delivered = flow.delivered.saturating_sub(bytes);
            flow.dropped += bytes;
        }
    }
}

impl State {
    fn flows(
        &mut self,
        connection: usize,
        direction: Direction,
    ) -> impl Iterator<Item = &mut Flow> {
        let entry = self.connections.get_mut(connection);
        let (total, own) = match direction {
            Direction::Up => (&mut self.counts.up, entry.map(|entry| &mut entry.up)),
            Direction::Down => (&mut self.counts.down, entry.map(|entry| &mut entry.down)),
        };
        std::iter::once(total).chain(own)
    }

    fn count(&mut self, connection: usize, direction: Direction, flow: Flow) {
        for counted in self.flows(connection, direction) {
            counted.add(flow);
        }
    }

    fn draw_cut(&mut self) {
        let total = self.counts.down.delivered.max(self.reached);
        self.next_cut = match &self.plan.cuts {
            Cuts::Never => None,
            Cuts::At(points) => points.iter().copied().find(|point| *point > total),
            Cuts::Gap(range) => Some(total + self.chance.cuts.within(range).max(1)),
        };
    }

    fn draw_stall(&mut self, direction: Direction) {
        let total = match direction {
            Direction::Up => self.counts.up.delivered,
            Direction::Down => self.counts.down.delivered,
        };
        let gap = self
            .plan
            .path(direction)
            .stall
            .as_ref()
            .map(|stall| stall.gap_bytes.clone());
        let next = gap.map(|range| total + self.chance.stalls.within(&range).max(1));
        *slot(&mut self.next_stall, direction) = next;
    }

    fn pause(&mut self, direction: Direction) -> Option<Duration> {
        let range = self.plan.path(direction).stall.as_ref()?.pause_ms.clone();
        let pause = Duration::from_millis(self.chance.stalls.within(&range));
        self.counts.stalls += 1;
        self.draw_stall(direction);
        Some(pause)
    }

    fn note_cut(&mut self) {
        self.counts.cuts += 1;
        self.cutting = false;
        let outage = self.chance.outages.within(&self.plan.outage_ms);
        let now = Instant::now();
        self.closed_until = now + Duration::from_millis(outage);
        self.free_at = [now, now];
        self.draw_cut();
    }
}

impl Plan {
    fn path(&self, direction: Direction) -> &Path {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    fn path_mut(&mut self, direction: Direction) -> &mut Path {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

/// Takes the link up and down by the clock; never ends.
pub(super) async fn follow_schedule(shared: &Shared) {
    loop {
        let times = {
            let mut guard = shared.lock();
            let state = &mut *guard;
            state.plan.schedule.as_ref().map(|(up_ms, down_ms)| {
                let chance = &mut state.chance.schedule;
                (chance.within(up_ms), chance.within(down_ms))
            })
        };
        let Some((up_ms, down_ms)) = times else {
            return std::future::pending().await;
        };
        tokio::time::sleep(Duration::from_millis(up_ms)).await;
        shared.set_up(false);
        tokio::time::sleep(Duration::from_millis(down_ms)).await;
        shared.set_up(true);
    }
}
