//! What fetching may cost: so many bytes of packs in a day and in a month, and so many a second. Pure:
//! the ledger and the time come in as arguments.

use std::time::Duration;

/// The ledger adds up what was read within so long, seconds.
pub const STEP_S: u64 = 3_600;
/// A day, seconds.
const DAY_S: u64 = 86_400;
/// What is called a month, seconds.
pub const MONTH_S: u64 = 30 * DAY_S;
/// So much may be read at once before a pause.
const BURST: Duration = Duration::from_millis(500);

/// One line of the ledger: bytes of packs that were read within [`STEP_S`] from `from_s` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The beginning of the step, seconds since 1970 as far as is known.
    pub from_s: u64,
    /// The bytes.
    pub bytes: u64,
}

/// The limits of `agent.toml`; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// In any 24 hours, bytes.
    pub day_bytes_max: u64,
    /// In any 30 days, bytes.
    pub month_bytes_max: u64,
}

/// Which limit is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 24 hours.
    Day,
    /// 30 days.
    Month,
}

/// What may be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Nothing limits it.
    Unlimited,
    /// At most so much; never 0.
    AtMost {
        /// Bytes.
        bytes: u64,
    },
    /// Nothing for now.
    Spent {
        /// Which limit ends last.
        window: Window,
        /// The limit, bytes.
        bytes_max: u64,
        /// When some of it is free again, seconds since 1970 as far as is known.
        until_s: u64,
    },
}

impl Window {
    /// Its length, seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Day => DAY_S,
            Self::Month => MONTH_S,
        }
    }

    /// The word for it in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// The step of the ledger that a moment belongs to.
#[must_use]
pub const fn step(now_s: u64) -> u64 {
    now_s - now_s % STEP_S
}

/// What may be read now. A line counts from its end on for the whole window, so that no window of
/// that length ever holds more than its limit; lines of a time that has not come yet (what is known of
/// the time may fall back at a boot) count as well.
#[must_use]
pub fn allowance(ledger: &[Spent], limits: Limits, now_s: u64) -> Allowance {
    let windows = [
        (Window::Day, limits.day_bytes_max),
        (Window::Month, limits.month_bytes_max),
    ];
    let mut left = None;
    let mut spent: Option<(u64, Window, u64)> = None;
    for (window, bytes_max) in windows.into_iter().filter(|(_, max)| *max > 0) {
        let counted = |line: &&Spent| free_at(line, window) > now_s;
        let sum: u64 = ledger
            .iter()
            .filter(counted)
            .map(|line| line.bytes)
            .fold(0, u64::saturating_add);
        let free = bytes_max.saturating_sub(sum);
        left = Some(left.unwrap_or(u64::MAX).min(free));
        if free == 0 {
            let until_s = free_again(ledger, window, bytes_max, now_s);
            if spent.is_none_or(|(later_s, _, _)| until_s > later_s) {
                spent = Some((until_s, window, bytes_max));
            }
        }
    }
    match (spent, left) {
        (Some((until_s, window, bytes_max)), _) => Allowance::Spent {
            window,
            bytes_max,
            until_s,
        },
        (None, Some(bytes)) => Allowance::AtMost { bytes },
        (None, None) => Allowance::Unlimited,
    }
}

/// When a line leaves a window.
const fn free_at(line: &Spent, window: Window) -> u64 {
    line.from_s
        .saturating_add(STEP_S)
        .saturating_add(window.seconds())
}

/// When so much has left the window that its limit is no longer reached.
fn free_again(ledger: &[Spent], window: Window, bytes_max: u64, now_s: u64) -> u64 {
    let mut lines: Vec<(u64, u64)> = ledger
        .iter()
        .map(|line| (free_at(line, window), line.bytes))
        .filter(|(free_s, _)| *free_s > now_s)
        .collect();
    lines.sort_unstable();
    let mut sum = lines
        .iter()
        .map(|(_, bytes)| *bytes)
        .fold(0, u64::saturating_add);
    for (free_s, bytes) in lines {
        sum = sum.saturating_sub(bytes);
        if sum < bytes_max {
            return free_s;
        }
    }
    now_s
}

/// A token bucket on the reading side: after each piece it says how long to wait, so that in the long
/// run no more than so many bytes a second are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    second_bytes_max: u64,
    /// When all that was read is paid for.
    paid_at: Duration,
}

impl Pace {
    /// So many bytes a second; 0 is no limit.
    #[must_use]
    pub const fn new(second_bytes_max: u64) -> Self {
        Self {
            second_bytes_max,
            paid_at: Duration::ZERO,
        }
    }

    /// Takes note of a piece that was read at `now` (from any fixed start) and gives the pause before
    /// the next.
    pub fn read(&mut self, bytes: u64, now: Duration) -> Duration {
        if self.second_bytes_max == 0 {
            return Duration::ZERO;
        }
        let cost = Duration::from_secs_f64(bytes as f64 / self.second_bytes_max as f64);
        self.paid_at = self.paid_at.max(now).saturating_add(cost);
        self.paid_at.saturating_sub(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW_S: u64 = 500_000 * STEP_S;

    fn spent(hours_ago: u64, bytes: u64) -> Spent {
        Spent {
            from_s: NOW_S - hours_ago * STEP_S,
            bytes,
        }
    }

    fn day(day_bytes_max: u64) -> Limits {
        Limits {
            day_bytes_max,
            month_bytes_max: 0,
        }
    }

    #[test]
    fn without_a_limit_nothing_is_limited() {
        let ledger = [spent(1, u64::MAX), spent(2, u64::MAX)];
        let free = allowance(&ledger, Limits::default(), NOW_S);
        assert_eq!(free, Allowance::Unlimited);
    }

    #[test]
    fn a_day_rolls_by_the_hour() {
        let ledger = [spent(30, 900), spent(20, 60), spent(2, 30)];
        let at_most = |bytes| Allowance::AtMost { bytes };
        assert_eq!(allowance(&ledger, day(100), NOW_S), at_most(10));
        let full = [ledger.as_slice(), &[spent(0, 10)]].concat();
        let spent_now = Allowance::Spent {
            window: Window::Day,
            bytes_max: 100,
            until_s: NOW_S + 5 * STEP_S,
        };
        assert_eq!(allowance(&full, day(100), NOW_S), spent_now);
        assert_eq!(allowance(&full, day(100), NOW_S + 5 * STEP_S), at_most(60));
    }

    #[test]
    fn the_limit_that_ends_last_is_told() {
        let limits = Limits {
            day_bytes_max: 10,
            month_bytes_max: 100,
        };
        let ledger = [spent(24 * 20, 95), spent(3, 10)];
        let told = allowance(&ledger, limits, NOW_S);
        let until_s = NOW_S + (24 * 10 + 1) * STEP_S;
        let (window, bytes_max) = (Window::Month, 100);
        assert_eq!(
            told,
            Allowance::Spent {
                window,
                bytes_max,
                until_s
            }
        );
    }

    #[test]
    fn a_clock_that_falls_back_frees_nothing() {
        let ledger = [Spent {
            from_s: NOW_S + 90 * DAY_S,
            bytes: 100,
        }];
        assert!(matches!(
            allowance(&ledger, day(100), NOW_S),
            Allowance::Spent { .. }
        ));
    }

    /// Reads whenever something is allowed, as much as is wanted; gives the ledger.
    fn lived(limits: Limits, wishes: &[(u64, u64)]) -> Vec<Spent> {
        let (mut ledger, mut now_s) = (Vec::<Spent>::new(), NOW_S);
        for (pause_s, wish) in wishes {
            now_s += pause_s;
            let bytes = match allowance(&ledger, limits, now_s) {
                Allowance::Unlimited => *wish,
                Allowance::AtMost { bytes } => bytes.min(*wish),
                Allowance::Spent { until_s, .. } => {
                    assert!(until_s > now_s, "it would wait for ever");
                    continue;
                }
            };
            let from_s = step(now_s);
            match ledger.last_mut().filter(|line| line.from_s == from_s) {
                Some(line) => line.bytes += bytes,
                None => ledger.push(Spent { from_s, bytes }),
            }
        }
        ledger
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_limit(
            day_bytes_max in 1u64..1_000,
            month_bytes_max in 1u64..5_000,
            wishes in proptest::collection::vec((0u64..100_000, 1u64..2_000), 1..200),
        ) {
            let limits = Limits { day_bytes_max, month_bytes_max };
            let ledger = lived(limits, &wishes);
            for first in &ledger {
                for (seconds, max) in [(DAY_S, day_bytes_max), (MONTH_S, month_bytes_max)] {
                    // Lines that may lie in one window of that length.
                    let within = |line: &&Spent| {
                        line.from_s >= first.from_s && line.from_s < first.from_s + seconds + STEP_S
                    };
                    let sum: u64 = ledger.iter().filter(within).map(|line| line.bytes).sum();
                    prop_assert!(sum <= max, "{sum} of {max} in {seconds} s");
                }
            }
        }

        #[test]
        fn when_it_is_said_to_go_on_it_does(
            day_bytes_max in 1u64..500,
            lines in proptest::collection::vec((0u64..60, 1u64..300), 1..40),
        ) {
            let ledger: Vec<Spent> = lines.iter().map(|(ago, bytes)| spent(*ago, *bytes)).collect();
            if let Allowance::Spent { until_s, .. } = allowance(&ledger, day(day_bytes_max), NOW_S) {
                let then = allowance(&ledger, day(day_bytes_max), until_s);
                prop_assert!(matches!(then, Allowance::AtMost { .. }), "{then:?}");
                let before = allowance(&ledger, day(day_bytes_max), until_s - 1);
                prop_assert!(matches!(before, Allowance::Spent { .. }), "{before:?}");
            }
        }

        #[test]
        fn a_pace_is_kept_whatever_the_pieces(
            rate in 1_000u64..10_000_000,
            pieces in proptest::collection::vec((1u64..65_536, 0u64..2_000), 1..200),
        ) {
            let (mut pace, mut now, mut sum) = (Pace::new(rate), Duration::ZERO, 0);
            let mut last = 0;
            for (bytes, wait_ms) in pieces {
                now += Duration::from_millis(wait_ms);
                let pause = pace.read(bytes, now);
                sum += bytes;
                last = last.max(bytes);
                let allowed = (now + BURST).as_secs_f64() * rate as f64 + last as f64;
                now += pause;
                prop_assert!(sum as f64 <= allowed + 1.0, "{sum} bytes after {now:?} at {rate}");
            }
        }
    }

    #[test]
    fn an_unlimited_pace_never_waits() {
        assert_eq!(Pace::new(0).read(u64::MAX, Duration::ZERO), Duration::ZERO);
    }
}
