//! When the power went off: learned from boots that no shutdown came before. Pure.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// Outages that are remembered.
const OUTAGES_MAX: usize = 64;
const DAY_S: u64 = 86_400;
/// How many days count.
const DAYS: u64 = 14;

/// The beginnings of outages, oldest first, seconds since 1970; each as well as it is known: the last
/// time that the agent noted that it lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outages {
    began_s: VecDeque<u64>,
}

impl Outages {
    /// Takes note of one.
    pub fn note(&mut self, began_s: u64) {
        self.began_s.push_back(began_s);
        while self.began_s.len() > OUTAGES_MAX {
            self.began_s.pop_front();
        }
    }

    /// On how many of the last 14 days the power went off between this time of day and `ahead_s` later.
    #[must_use]
    pub fn days_at(&self, now_s: u64, ahead_s: u64) -> u64 {
        let recent = self
            .began_s
            .iter()
            .filter(|began_s| (**began_s..**began_s + DAYS * DAY_S).contains(&now_s));
        let at_this_time = recent.filter(|began_s| {
            let since_s = (**began_s % DAY_S + DAY_S - now_s % DAY_S) % DAY_S;
            since_s <= ahead_s
        });
        let days: BTreeSet<u64> = at_this_time.map(|began_s| began_s / DAY_S).collect();
        days.len() as u64
    }
}

/// That the agent lives, as it notes it from time to time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// In which life of the machine.
    pub boot: [u8; 16],
    /// When, where the clock was sure, seconds since 1970.
    pub at_s: Option<u64>,
}

impl Alive {
    /// When the outage began that lies between this note and the life of the machine that is now; none
    /// when it is the same life, or the time is not known.
    #[must_use]
    pub fn outage(&self, boot: [u8; 16]) -> Option<u64> {
        self.at_s.filter(|_| self.boot != boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_once_and_for_a_fortnight() {
        let mut outages = Outages::default();
        let noon_s = 20_500 * DAY_S + 12 * 3_600;
        outages.note(noon_s - 15 * DAY_S);
        outages.note(noon_s - DAY_S);
        outages.note(noon_s - DAY_S + 60);
        outages.note(noon_s - 2 * DAY_S + 600);
        assert_eq!(outages.days_at(noon_s, 900), 2);
        assert_eq!(outages.days_at(noon_s, 59), 1);
        assert_eq!(outages.days_at(noon_s - 2 * DAY_S - 1, 900), 1);
        // What lies ahead of the clock was noted by one that was wrong.
        let mut ahead = Outages::default();
        ahead.note(noon_s + 1);
        assert_eq!(ahead.days_at(noon_s, 900), 0);
    }

    #[test]
    fn around_midnight_it_is_the_same_hour() {
        let mut outages = Outages::default();
        let midnight_s = 20_500 * DAY_S;
        outages.note(midnight_s - DAY_S + 300);
        assert_eq!(outages.days_at(midnight_s - 300, 900), 1);
    }

    #[test]
    fn few_are_kept_and_a_restart_is_none() {
        let mut outages = Outages::default();
        (0..1_000).for_each(|day| outages.note(day * DAY_S));
        assert_eq!(outages.began_s.len(), OUTAGES_MAX);
        let alive = Alive {
            boot: [1; 16],
            at_s: Some(5),
        };
        assert_eq!(alive.outage([1; 16]), None);
        assert_eq!(alive.outage([2; 16]), Some(5));
    }
}
