//! What a row of looks means. Pure: looks and the time come in as arguments.

use std::time::Duration;

use super::ProbeSpec;

/// Before a service has been seen healthy, and while failures do not count yet, it is looked at
/// again after an eighth of the time since its start, within these bounds: a good start is seen at
/// once, and a slow one is not asked to death.
const EAGER_PART: u32 = 8;
const EAGER_MIN: Duration = Duration::from_millis(20);
const EAGER_MAX: Duration = Duration::from_secs(1);

/// One look that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it ended, since boot.
    pub at: Duration,
    /// What was wrong; none is success.
    pub problem: Option<String>,
}

/// What is remembered of the looks at one service since it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeHistory {
    started: Duration,
    successes_in_row: u64,
    failures_in_row: u64,
    side: Side,
    first_success: Option<Duration>,
    last: Option<Look>,
}

/// The last threshold that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Unknown,
    Healthy,
    Unhealthy,
}

/// What the looks say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Too few looks yet, or none of late.
    Pending,
    /// Healthy.
    Passing,
    /// Unhealthy.
    Failing {
        /// So many counted failures in a row; 0 while it recovers.
        failures: u64,
        /// What was wrong the last time that something was.
        problem: String,
    },
}

impl ProbeHistory {
    /// Nothing was looked at since the service was started at this time since boot.
    #[must_use]
    pub fn new(started: Duration) -> Self {
        Self {
            started,
            successes_in_row: 0,
            failures_in_row: 0,
            side: Side::Unknown,
            first_success: None,
            last: None,
        }
    }

    /// When the service was started, since boot.
    #[must_use]
    pub fn started(&self) -> Duration {
        self.started
    }

    /// When it was first seen well since it was started, since boot.
    #[must_use]
    pub fn first_success(&self) -> Option<Duration> {
        self.first_success
    }

    /// Takes in a look. Successes count always; failures only after the start period.
    pub fn record(&mut self, spec: &ProbeSpec, look: Look) {
        if look.problem.is_none() {
            self.first_success.get_or_insert(look.at);
            self.failures_in_row = 0;
            self.successes_in_row = self.successes_in_row.saturating_add(1);
            if self.successes_in_row >= spec.successes_min {
                self.side = Side::Healthy;
            }
        } else {
            self.successes_in_row = 0;
            if look.at >= self.counts_from(spec) {
                self.failures_in_row = self.failures_in_row.saturating_add(1);
            }
            if self.failures_in_row >= spec.failures_max {
                self.side = Side::Unhealthy;
            }
        }
        // The problem outlives the successes of a recovery.
        let before = self.last.take().and_then(|look| look.problem);
        let keep = self.side == Side::Unhealthy;
        self.last = Some(Look {
            at: look.at,
            problem: look.problem.or(before.filter(|_| keep)),
        });
    }

    /// When the next look is due, since boot.
    #[must_use]
    pub fn next(&self, spec: &ProbeSpec) -> Duration {
        let Some(last) = &self.last else {
            return self.started;
        };
        let interval = Duration::from_secs(spec.interval_s);
        let is_eager = self.side == Side::Unknown && last.at < self.counts_from(spec);
        let pause = if is_eager {
            let since = last.at.saturating_sub(self.started);
            (since / EAGER_PART)
                .clamp(EAGER_MIN, EAGER_MAX)
                .min(interval)
        } else {
            interval
        };
        last.at.saturating_add(pause)
    }

    fn counts_from(&self, spec: &ProbeSpec) -> Duration {
        self.started
            .saturating_add(Duration::from_secs(spec.start_period_s))
    }
}

/// What one probe says now. It changes sides only at its thresholds; after twice the time in which
/// a look was due without one, it says nothing.
#[must_use]
pub fn verdict(history: &ProbeHistory, spec: &ProbeSpec, now: Duration) -> Verdict {
    let Some(last) = &history.last else {
        return Verdict::Pending;
    };
    let stale_s = spec
        .interval_s
        .saturating_add(spec.timeout_s)
        .saturating_mul(2);
    if now.saturating_sub(last.at) > Duration::from_secs(stale_s) {
        return Verdict::Pending;
    }
    match history.side {
        Side::Unknown => Verdict::Pending,
        Side::Healthy => Verdict::Passing,
        Side::Unhealthy => Verdict::Failing {
            failures: history.failures_in_row,
            problem: last.problem.clone().unwrap_or_default(),
        },
    }
}

/// What all probes of an app say together: the first that fails, else whether all pass. Without
/// probes that is a pass; whether the service runs at all is another question.
pub fn together<'a>(
    verdicts: impl IntoIterator<Item = (&'a str, Verdict)>,
) -> (Option<&'a str>, Verdict) {
    let mut all = Verdict::Passing;
    for (name, verdict) in verdicts {
        match verdict {
            Verdict::Failing { .. } => return (Some(name), verdict),
            Verdict::Pending => all = Verdict::Pending,
            Verdict::Passing => {}
        }
    }
    (None, all)
}
