//! How long an app did not answer while one release took the place of another. Pure.

use std::time::Duration;

/// The time without an answer of the last switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outage {
    since: Option<Duration>,
    lasted: Option<Duration>,
}

impl Outage {
    /// What answered stops now (time since boot).
    #[must_use]
    pub fn begin(now: Duration) -> Self {
        Self {
            since: Some(now),
            lasted: None,
        }
    }

    /// One instance took over from another that still answered.
    #[must_use]
    pub fn none() -> Self {
        Self {
            since: None,
            lasted: Some(Duration::ZERO),
        }
    }

    /// Something was seen to answer at this time since boot.
    #[must_use]
    pub fn end(self, now: Duration) -> Self {
        match self.since {
            Some(since) if now >= since => Self {
                since: None,
                lasted: Some(now - since),
            },
            Some(_) | None => self,
        }
    }

    /// The length of the last one, milliseconds; none while it lasts, or when it is not known.
    #[must_use]
    pub fn lasted_ms(self) -> Option<u64> {
        u64::try_from(self.lasted?.as_millis()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_stop_to_the_first_answer() {
        let ms = Duration::from_millis;
        let down = Outage::begin(ms(1_000));
        assert_eq!(down.lasted_ms(), None);
        assert_eq!(down.end(ms(900)), down, "an answer of before");
        let up = down.end(ms(1_250));
        assert_eq!(up.lasted_ms(), Some(250));
        assert_eq!(up.end(ms(9_000)), up, "the first answer counts");
        assert_eq!(Outage::none().lasted_ms(), Some(0));
        assert_eq!(Outage::default().end(ms(5)).lasted_ms(), None);
    }
}
