//! The data budget around a transfer: what it leaves, how long it waits, and what was read.

use std::time::Duration;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::wire::offer::Offer;
use tokio::time::sleep;

use super::node::{App, Node};
use crate::fetch::budget::{self, Allowance, Limits};
use crate::store::state;
use crate::update::Phase;

/// A spent budget is looked at again so often, in case what is known of the time has moved.
const LOOK: Duration = Duration::from_secs(60);
/// A transfer under way is written into the ledger each time that it has brought so much, bytes.
const NOTE_BYTES: u64 = 1 << 20;

/// What one transfer may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// As much as there is.
    Unlimited,
    /// So many bytes.
    AtMost(u64),
    /// Nothing now.
    Nothing,
}

impl Node {
    /// What an app's next transfer may bring; [`Room::Nothing`] after a wait, when the budget has
    /// nothing left.
    ///
    /// # Errors
    /// A fault of the disk.
    pub async fn room(&self, app: &App, offer: &Offer) -> Result<Room, Failure> {
        let bytes_max = match self.allowance(app, offer)? {
            Allowance::Unlimited => None,
            // Apps that fetch at once share what is left.
            Allowance::AtMost { bytes } => Some((bytes / self.fetching()).max(1)),
            Allowance::Spent {
                window,
                bytes_max,
                until_s,
            } => {
                let wait_s = until_s.saturating_sub(self.known_s());
                let spent = Failure::new(code::BUDGET_SPENT)
                    .arg("limit", megabytes(bytes_max))
                    .arg("window", window.as_str())
                    .arg("wait", hours(wait_s));
                tracing::info!(app = %app.name, %spent, wait_s, "fetching waits");
                *app.failure.borrow_mut() = Some(spent);
                self.tell();
                sleep(LOOK.min(Duration::from_secs(wait_s.max(1)))).await;
                return Ok(Room::Nothing);
            }
        };
        app.failure
            .borrow_mut()
            .take_if(|failure| failure.code() == code::BUDGET_SPENT);
        Ok(bytes_max.map_or(Room::Unlimited, Room::AtMost))
    }

    /// Whether nothing may be read for an offer now.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn is_spent(&self, app: &App, offer: &Offer) -> Result<bool, Failure> {
        let left = self.allowance(app, offer)?;
        Ok(matches!(left, Allowance::Spent { .. }))
    }

    fn allowance(&self, app: &App, offer: &Offer) -> Result<Allowance, Failure> {
        let fetch = &self.config.fetch;
        let limits = Limits {
            day_bytes_max: fetch.day_bytes_max,
            month_bytes_max: fetch.month_bytes_max,
        };
        if limits == Limits::default() || *app.past_budget.borrow() == Some(offer.root) {
            return Ok(Allowance::Unlimited);
        }
        let ledger = self.helper.store().read(state::spent)?;
        Ok(budget::allowance(&ledger, limits, self.known_s()))
    }

    fn fetching(&self) -> u64 {
        let apps = self.apps.borrow();
        let fetching = apps.values().filter(|app| app.phase() == Phase::Fetching);
        fetching.count().max(1) as u64
    }

    /// Takes note of what a transfer under way has brought so far, so that a power cut loses little of
    /// the ledger.
    pub fn note_spent(&self, app: &App, bytes: u64) {
        let fresh = bytes.saturating_sub(app.noted.get());
        if fresh < NOTE_BYTES {
            return;
        }
        let now_s = self.known_s();
        let store = self.helper.store();
        match store.write(|db| state::add_spent(db, now_s, fresh)) {
            Ok(()) => app.noted.set(bytes),
            Err(failure) => tracing::warn!(%failure, "the ledger of the budget is short"),
        }
    }
}

/// Millions of bytes, as data plans count them, with as many digits as needed.
fn megabytes(bytes: u64) -> String {
    let text = format!("{:.2}", bytes as f64 / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `3 h 20 min`; the same in both languages.
fn hours(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60).max(1);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_as_on_a_data_plan() {
        let cases = [
            (20_000_000, "20"),
            (1_500_000, "1.5"),
            (100, "0"),
            (12_340_000, "12.34"),
        ];
        for (bytes, text) in cases {
            assert_eq!(megabytes(bytes), text);
        }
        let cases = [
            (0, "1 min"),
            (61, "2 min"),
            (3_600, "1 h"),
            (12_000, "3 h 20 min"),
        ];
        for (seconds, text) in cases {
            assert_eq!(hours(seconds), text);
        }
    }
}
