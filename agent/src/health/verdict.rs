//! What a row of looks means. Pure: looks and the time come in as arguments.

use super::ProbeSpec;

/// Before a service has been seen healthy, and while failures do not count yet, it is looked at so
/// often, seconds: a good start should be seen soon.
const EAGER_S: u64 = 1;

/// One look that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it ended, seconds since boot.
    pub at_s: u64,
    /// What was wrong; none is success.
    pub problem: Option<String>,
}

/// What is remembered of the looks at one service since it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeHistory {
    started_s: u64,
    successes_in_row: u64,
    failures_in_row: u64,
    side: Side,
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
    /// Nothing was looked at since the service was started at this time, seconds since boot.
    #[must_use]
    pub fn new(started_s: u64) -> Self {
        Self {
            started_s,
            successes_in_row: 0,
            failures_in_row: 0,
            side: Side::Unknown,
            last: None,
        }
    }

    /// When the service was started, seconds since boot.
    #[must_use]
    pub fn started_s(&self) -> u64 {
        self.started_s
    }

    /// Takes in a look. Successes count always; failures only after the start period.
    pub fn record(&mut self, spec: &ProbeSpec, look: Look) {
        if look.problem.is_none() {
            self.failures_in_row = 0;
            self.successes_in_row = self.successes_in_row.saturating_add(1);
            if self.successes_in_row >= spec.successes_min {
                self.side = Side::Healthy;
            }
        } else {
            self.successes_in_row = 0;
            if look.at_s >= self.counts_from_s(spec) {
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
            at_s: look.at_s,
            problem: look.problem.or(before.filter(|_| keep)),
        });
    }

    /// When the next look is due, seconds since boot.
    #[must_use]
    pub fn next_s(&self, spec: &ProbeSpec) -> u64 {
        let Some(last) = &self.last else {
            return self.started_s;
        };
        let eager = self.side == Side::Unknown && last.at_s < self.counts_from_s(spec);
        let pause_s = if eager { EAGER_S } else { spec.interval_s };
        last.at_s.saturating_add(pause_s.min(spec.interval_s))
    }

    fn counts_from_s(&self, spec: &ProbeSpec) -> u64 {
        self.started_s.saturating_add(spec.start_period_s)
    }
}

/// What one probe says now. It changes sides only at its thresholds; after twice the time in which
/// a look was due without one, it says nothing.
#[must_use]
pub fn verdict(history: &ProbeHistory, spec: &ProbeSpec, now_s: u64) -> Verdict {
    let Some(last) = &history.last else {
        return Verdict::Pending;
    };
    let stale_s = spec
        .interval_s
        .saturating_add(spec.timeout_s)
        .saturating_mul(2);
    if now_s.saturating_sub(last.at_s) > stale_s {
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
