//! How long to wait before a crashed process is started again. Pure.

use std::time::Duration;

/// The pause after the n-th crash in a row (from 1): it doubles from `min` to `max`, less up to a
/// half by chance, so that apps that died together do not come back together.
///
/// `chance` is any random number.
#[must_use]
pub fn pause(crashes_in_row: u32, min: Duration, max: Duration, chance: u64) -> Duration {
    let doublings = crashes_in_row.saturating_sub(1).min(31);
    let whole = min.saturating_mul(1_u32 << doublings).min(max.max(min));
    let half = whole / 2;
    let part = u32::try_from(chance % 1_000).unwrap_or(0);
    half + half / 1_000 * part
}

/// Crashes in a row after one more: a run longer than the longest pause breaks the row.
#[must_use]
pub fn crashes_in_row(before: u32, ran: Duration, max: Duration) -> u32 {
    if ran > max {
        1
    } else {
        before.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    #[test]
    fn doubles_up_to_the_longest() {
        let all: Vec<u64> = (1..=8)
            .map(|n| pause(n, MIN, MAX, 999).as_millis().try_into().unwrap())
            .collect();
        assert_eq!(all, [999, 1999, 3998, 7996, 15992, 31984, 59970, 59970]);
        assert_eq!(pause(1, MIN, MAX, 0), MIN / 2);
    }

    #[test]
    fn a_long_run_breaks_the_row() {
        assert_eq!(crashes_in_row(7, Duration::from_secs(61), MAX), 1);
        assert_eq!(crashes_in_row(7, Duration::from_secs(60), MAX), 8);
        assert_eq!(crashes_in_row(u32::MAX, Duration::ZERO, MAX), u32::MAX);
    }

    proptest! {
        #[test]
        fn stays_in_bounds(n: u32, chance: u64, min_s in 1_u64..600, max_s in 1_u64..3600) {
            let (min, max) = (Duration::from_secs(min_s), Duration::from_secs(max_s));
            let found = pause(n, min, max, chance);
            prop_assert!(found >= min / 2 && found <= max.max(min));
        }
    }
}
