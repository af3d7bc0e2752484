//! What a link is like: plain data, put together by the caller.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::seed::Rng;

/// One of the two directions, seen from the client (the agent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One direction of a link. All connections share its rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Bits per second; `None` is as fast as the machine.
    pub rate_bps: Option<u64>,
    /// The time that every byte needs, in milliseconds.
    pub delay_ms: u64,
    /// At most this much more, drawn for each chunk, in milliseconds. Order is kept.
    pub jitter_ms: u64,
    /// How many bytes wait before the sender is held back; a cut loses them, and what is on the way.
    pub queue_bytes_max: u64,
    /// Pauses at random points.
    pub stall: Option<Stall>,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            rate_bps: None,
            delay_ms: 0,
            jitter_ms: 0,
            queue_bytes_max: 32 * 1024,
            stall: None,
        }
    }
}

/// Pauses that lose nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// How many bytes pass between two pauses.
    pub gap_bytes: RangeInclusive<u64>,
    /// How long a pause is, in milliseconds.
    pub pause_ms: RangeInclusive<u64>,
}

/// Where a link cuts all its connections by itself. Points are counts of bytes delivered to the
/// client over the whole life of the link, repetitions included, and are hit exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cuts {
    /// Never.
    Never,
    /// After exactly these totals, in rising order.
    At(Vec<u64>),
    /// Again and again, after so many bytes, drawn each time.
    Gap(RangeInclusive<u64>),
}

impl Cuts {
    /// `count` points drawn from the first `total` bytes; fewer only if there are not so many.
    #[must_use]
    pub fn random(seed: u64, count: usize, total: u64) -> Self {
        let mut rng = Rng::stream(seed, "cut points");
        let count = count.min(usize::try_from(total).unwrap_or(usize::MAX));
        let mut points = BTreeSet::new();
        while points.len() < count {
            points.insert(rng.within(&(1..=total)));
        }
        Self::At(points.into_iter().collect())
    }
}

/// What a cut looks like to both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutMode {
    /// Both ends get a reset at once, and so does who connects while it is down. Quick.
    Reset,
    /// Nothing: the connection stands and never carries a byte again, as when a mast loses power.
    /// Only the ends' own time-outs notice.
    Silent,
}

/// Everything about a link.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// From the client to the server.
    pub up: Path,
    /// From the server to the client.
    pub down: Path,
    /// Where it cuts by itself.
    pub cuts: Cuts,
    /// What a cut looks like.
    pub cut_mode: CutMode,
    /// How long nothing gets through after a cut, in milliseconds, drawn each time.
    pub outage_ms: RangeInclusive<u64>,
    /// So long up, so long down, in milliseconds, drawn each time.
    pub schedule: Option<(RangeInclusive<u64>, RangeInclusive<u64>)>,
}

impl Plan {
    /// A perfect link.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            up: Path::default(),
            down: Path::default(),
            cuts: Cuts::Never,
            cut_mode: CutMode::Reset,
            outage_ms: 0..=0,
            schedule: None,
        }
    }

    /// The rate of both directions, in bit/s.
    #[must_use]
    pub fn rate(mut self, bits_per_s: u64) -> Self {
        self.up.rate_bps = Some(bits_per_s);
        self.down.rate_bps = Some(bits_per_s);
        self
    }

    /// The delay of both directions, in milliseconds: half the round trip.
    #[must_use]
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.up.delay_ms = delay_ms;
        self.down.delay_ms = delay_ms;
        self
    }

    /// The jitter of both directions, in milliseconds.
    #[must_use]
    pub fn jitter_ms(mut self, jitter_ms: u64) -> Self {
        self.up.jitter_ms = jitter_ms;
        self.down.jitter_ms = jitter_ms;
        self
    }

    /// Pauses on the way to the client.
    #[must_use]
    pub fn stall(mut self, gap_bytes: RangeInclusive<u64>, pause_ms: RangeInclusive<u64>) -> Self {
        self.down.stall = Some(Stall {
            gap_bytes,
            pause_ms,
        });
        self
    }

    /// Where it cuts.
    #[must_use]
    pub fn cuts(mut self, cuts: Cuts) -> Self {
        self.cuts = cuts;
        self
    }

    /// What a cut looks like.
    #[must_use]
    pub fn cut_mode(mut self, mode: CutMode) -> Self {
        self.cut_mode = mode;
        self
    }

    /// How long nothing gets through after a cut, in milliseconds.
    #[must_use]
    pub fn outage_ms(mut self, outage_ms: RangeInclusive<u64>) -> Self {
        self.outage_ms = outage_ms;
        self
    }

    /// Up and down by the clock, in milliseconds.
    #[must_use]
    pub fn schedule(mut self, up_ms: RangeInclusive<u64>, down_ms: RangeInclusive<u64>) -> Self {
        self.schedule = Some((up_ms, down_ms));
        self
    }
}
