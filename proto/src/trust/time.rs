//! Time without a trusted clock: floors that only signatures move, carried on by the monotonic
//! clock, and the attempt time of one verification.

use serde::{Deserialize, Serialize};

use super::error::TrustError;

/// Seconds of a day.
pub(super) const DAY_S: i64 = 86_400;
/// A timestamp older than this while polls succeed is a freeze (rule 11).
const FREEZE_S: i64 = 7 * DAY_S;
/// How long the online roles of an offline bundle may be expired (rule 10).
const BUNDLE_GRACE_S: i64 = 90 * DAY_S;

/// A place on the monotonic clock: which boot, and seconds since it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Moment {
    /// The kernel's boot id; all zero if there is none, which makes nothing pass.
    pub boot: [u8; 16],
    /// Seconds since boot, sleep included (`CLOCK_BOOTTIME`).
    pub uptime_s: u64,
}

/// What the machine's clocks say now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The wall clock, seconds since 1970.
    pub wall_s: i64,
    /// Whether the wall clock may be believed: the kernel says that it is synchronised, or the
    /// configuration says so (rule 5).
    pub sure: bool,
    /// The monotonic clock.
    pub now: Moment,
}

/// A signed date, and when on the monotonic clock it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeClaim {
    /// The signed date, seconds since 1970.
    pub at_s: i64,
    /// When it was accepted.
    pub accepted: Moment,
}

impl TimeClaim {
    /// It cannot be earlier than this now: the date plus what the monotonic clock counted since it
    /// was accepted, or since this boot if it was accepted before.
    #[must_use]
    pub fn bound_s(&self, now: &Moment) -> i64 {
        let passed_s = if now.boot == [0; 16] {
            0
        } else if self.accepted.boot == now.boot {
            now.uptime_s.saturating_sub(self.accepted.uptime_s)
        } else {
            now.uptime_s
        };
        self.at_s
            .saturating_add(i64::try_from(passed_s).unwrap_or(i64::MAX))
    }

    /// The later of two claims; of equal ones that which was accepted first.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        let order = |claim: &Self| (claim.at_s, std::cmp::Reverse(claim.accepted));
        if order(&other) > order(&self) {
            other
        } else {
            self
        }
    }
}

/// Rule 5: the later of the floor (carried on by the monotonic clock), the candidate's signed date,
/// and the wall clock if it is sure.
#[must_use]
pub(super) fn attempt_time_s(lower_s: i64, signed_at_s: Option<i64>, clock: &Clock) -> i64 {
    let wall_s = if clock.sure { clock.wall_s } else { i64::MIN };
    lower_s.max(wall_s).max(signed_at_s.unwrap_or(i64::MIN))
}

/// How strictly expiry is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allowance {
    /// Nothing may be expired.
    #[default]
    None,
    /// An offline bundle (rule 10): timestamp and snapshot may be expired by at most 90 days, if a
    /// local operator confirmed it.
    Bundle {
        /// Whether the operator did.
        confirmed: bool,
    },
}

/// Checks one expiry date at the attempt time. `online` says whether the role is timestamp or
/// snapshot, the only ones that an allowance covers.
pub(super) fn check_fresh(
    role: &str,
    expires_s: i64,
    at_s: i64,
    online: bool,
    allowance: Allowance,
) -> Result<(), TrustError> {
    // Specification 5.3.10 and its likes: the expiration must be higher than the fixed time.
    if expires_s > at_s {
        return Ok(());
    }
    let (role, expired_s) = (role.to_owned(), expires_s);
    match allowance {
        Allowance::Bundle { confirmed } if online => {
            if at_s.saturating_sub(expires_s) > BUNDLE_GRACE_S {
                Err(TrustError::BundleTooOld { role, expired_s })
            } else if confirmed {
                Ok(())
            } else {
                Err(TrustError::BundleNeedsConfirmation { role, expired_s })
            }
        }
        Allowance::Bundle { .. } | Allowance::None => Err(TrustError::Expired { role, expired_s }),
    }
}

/// A freeze alarm (rule 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// When the newest timestamp was signed, seconds since 1970.
    pub signed_s: i64,
    /// How old that is at least, seconds.
    pub age_s: i64,
    /// False if only an unsure wall clock says so; such a clock serves alarms, never decisions.
    pub certain: bool,
}

/// Whether a repository that answers has stopped moving: its newest signature is older than
/// 7 days by what is known (`lower_s`, the floor carried on, and a sure wall clock) or by what an
/// unsure clock claims.
#[must_use]
pub fn freeze(signed_s: i64, lower_s: i64, clock: &Clock) -> Option<Freeze> {
    let known_s = attempt_time_s(lower_s, None, clock);
    let at = |now_s: i64, certain| {
        let age_s = now_s.saturating_sub(signed_s);
        (age_s > FREEZE_S).then_some(Freeze {
            signed_s,
            age_s,
            certain,
        })
    };
    at(known_s, true).or_else(|| at(clock.wall_s, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; 16] = [7; 16];

    fn clock(wall_s: i64, sure: bool, uptime_s: u64) -> Clock {
        let now = Moment {
            boot: BOOT,
            uptime_s,
        };
        Clock { wall_s, sure, now }
    }

    #[test]
    fn a_claim_is_carried_by_the_time_since_it_was_accepted() {
        let accepted = Moment {
            boot: BOOT,
            uptime_s: 1_000,
        };
        let claim = TimeClaim {
            at_s: 50_000,
            accepted,
        };
        let at = |boot, uptime_s| claim.bound_s(&Moment { boot, uptime_s });
        assert_eq!(at(BOOT, 1_600), 50_600);
        assert_eq!(at([8; 16], 1_600), 51_600, "another boot: all of it passed");
        assert_eq!(at(BOOT, 10), 50_000, "a clock that went back adds nothing");
        assert_eq!(
            at([0; 16], 1_600),
            50_000,
            "no boot id: nothing is known to pass"
        );
    }

    #[test]
    fn an_unsure_wall_clock_decides_nothing() {
        assert_eq!(attempt_time_s(100, None, &clock(9_999, false, 0)), 100);
        assert_eq!(attempt_time_s(100, None, &clock(9_999, true, 0)), 9_999);
        assert_eq!(attempt_time_s(100, Some(500), &clock(0, true, 0)), 500);
    }

    #[test]
    fn only_online_roles_of_a_confirmed_bundle_may_be_expired() {
        let check = |late_s, online, allowance| {
            check_fresh("timestamp", 1_000, 1_000 + late_s, online, allowance)
        };
        let confirmed = Allowance::Bundle { confirmed: true };
        let asked = Allowance::Bundle { confirmed: false };
        assert!(check(-1, true, Allowance::None).is_ok());
        assert!(matches!(
            check(0, true, Allowance::None),
            Err(TrustError::Expired { .. })
        ));
        assert!(check(90 * DAY_S, true, confirmed).is_ok());
        assert!(matches!(
            check(90 * DAY_S + 1, true, confirmed),
            Err(TrustError::BundleTooOld { .. })
        ));
        assert!(matches!(
            check(0, true, asked),
            Err(TrustError::BundleNeedsConfirmation { .. })
        ));
        assert!(matches!(
            check(0, false, confirmed),
            Err(TrustError::Expired { .. })
        ));
    }

    #[test]
    fn a_freeze_is_seen_with_any_clock() {
        let week = 7 * DAY_S;
        assert_eq!(freeze(1_000, 1_000 + week, &clock(0, false, 0)), None);
        let by_uptime = freeze(1_000, 1_001 + week, &clock(0, false, 0)).unwrap();
        assert!(by_uptime.certain);
        let by_wall = freeze(1_000, 1_000, &clock(1_001 + week, true, 0)).unwrap();
        assert!(by_wall.certain);
        let by_doubtful_wall = freeze(1_000, 1_000, &clock(1_001 + week, false, 0)).unwrap();
        assert!(!by_doubtful_wall.certain);
    }
}
