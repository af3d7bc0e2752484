//! How long to wait after a failure: growing, with full jitter, and remembered across restarts, so
//! that a thousand nodes whose power comes back together do not call together.

use std::time::Duration;

use backoff::{BackoffBuilder, ExponentialBuilder};

/// The bounds of a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first pause is at most this, seconds.
    pub min_s: u64,
    /// No pause is longer, seconds.
    pub max_s: u64,
}

/// The pause after so many failures in a row (1 after the first). `random` is uniform in 0..1.
/// Full jitter: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
#[must_use]
pub fn pause(policy: RetryPolicy, failures: u32, random: f64, asked_s: Option<u64>) -> Duration {
    let ceiling = ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(policy.min_s.max(1)))
        .with_max_delay(Duration::from_secs(policy.max_s.max(policy.min_s).max(1)))
        .with_factor(2.0)
        .without_max_times()
        .build()
        .nth(failures.saturating_sub(1).min(64) as usize)
        .unwrap_or(Duration::from_secs(policy.max_s));
    let jittered = ceiling.mul_f64(random.clamp(0.0, 1.0));
    // A host that names a pause gets at least that one, but never a day.
    asked_s.map_or(jittered, |asked| {
        Duration::from_secs(asked.min(86_400)) + jittered
    })
}

/// Which hosts are worth a try: a breaker for each content URL with half-open probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// Closed until then, in seconds of uptime.
    pub until_uptime_s: u64,
}

impl Breaker {
    /// Whether a request may go out: always while closed, and once each pause when open.
    #[must_use]
    pub fn allows(&self, uptime_s: u64) -> bool {
        self.failures == 0 || uptime_s >= self.until_uptime_s
    }

    /// Counts a failure.
    pub fn failed(&mut self, pause: Duration, uptime_s: u64) {
        self.failures = self.failures.saturating_add(1);
        self.until_uptime_s = uptime_s.saturating_add(pause.as_secs().max(1));
    }

    /// Counts a success: what moves is never given up.
    pub fn moved(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        min_s: 2,
        max_s: 600,
    };

    #[test]
    fn pauses_grow_to_their_bound_and_jitter_from_zero() {
        let whole: Vec<u64> = (1..12)
            .map(|failures| pause(POLICY, failures, 1.0, None).as_secs())
            .collect();
        assert_eq!(whole, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(pause(POLICY, u32::MAX, 1.0, None).as_secs(), 600);
        assert_eq!(pause(POLICY, 5, 0.0, None), Duration::ZERO);
        assert_eq!(pause(POLICY, 5, 0.5, None).as_secs(), 16);
    }

    #[test]
    fn a_host_that_asks_for_a_pause_gets_it() {
        assert!(pause(POLICY, 1, 0.0, Some(120)).as_secs() >= 120);
        assert!(pause(POLICY, 1, 0.0, Some(u64::MAX)).as_secs() <= 86_400);
    }

    #[test]
    fn a_breaker_opens_lets_one_through_and_closes() {
        let mut breaker = Breaker::default();
        assert!(breaker.allows(0));
        breaker.failed(Duration::from_secs(30), 100);
        assert!(!breaker.allows(129));
        assert!(breaker.allows(130));
        breaker.moved();
        assert!(breaker.allows(0));
    }
}
