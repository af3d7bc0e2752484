//! TLS session tickets. A ticket is 16 random bytes that name a session kept here: a stateless one
//! would carry the node's whole certificate up and down the link at every poll. Each is good once,
//! for three days, so that a node that polls twice a day never pays for a full handshake.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use rustls::server::ProducesTickets;

/// How long a ticket is good.
const LIFETIME: Duration = Duration::from_secs(3 * 86_400);
/// Sessions that are kept; beyond, the oldest go. Each is about a kilobyte.
const SESSIONS_MAX: usize = 65_536;

type Name = [u8; 16];

#[derive(Default)]
struct Table {
    sessions: BTreeMap<Name, Vec<u8>>,
    /// In order of making; may name sessions that are used up.
    order: VecDeque<(Instant, Name)>,
}

impl Table {
    /// Forgets what is too old, used up, or too much.
    fn trim(&mut self, now: Instant) {
        while let Some((made, name)) = self.order.front() {
            let old = now.saturating_duration_since(*made) > LIFETIME;
            let full = self.sessions.len() >= SESSIONS_MAX;
            if !old && !full && self.sessions.contains_key(name) {
                break;
            }
            self.sessions.remove(name);
            self.order.pop_front();
        }
    }
}

/// The tickets of one server.
#[derive(Default)]
pub(super) struct Tickets(Mutex<Table>);

impl Tickets {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, session: &[u8], now: Instant) -> Option<Vec<u8>> {
        let mut name = Name::default();
        rand::fill(&mut name).ok()?;
        let mut table = self.table();
        table.trim(now);
        table.sessions.insert(name, session.to_vec());
        table.order.push_back((now, name));
        Some(name.to_vec())
    }

    fn take(&self, ticket: &[u8], now: Instant) -> Option<Vec<u8>> {
        let name = Name::try_from(ticket).ok()?;
        let mut table = self.table();
        table.trim(now);
        table.sessions.remove(&name)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({})", self.table().sessions.len())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.put(plain, Instant::now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.take(cipher, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_for_three_days() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let first = tickets.put(b"first", now).unwrap();
        let second = tickets.put(b"second", now).unwrap();
        assert_eq!(tickets.take(&first, now), Some(b"first".to_vec()));
        assert_eq!(tickets.take(&first, now), None);
        assert_eq!(tickets.take(b"forged", now), None);
        let later = now + LIFETIME + Duration::from_secs(1);
        assert_eq!(tickets.take(&second, later), None);
        assert!(tickets.table().order.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_go() {
        let tickets = Tickets::default();
        let now = Instant::now();
        let made: Vec<_> = (0..SESSIONS_MAX + 10)
            .map(|_| tickets.put(b"", now).unwrap())
            .collect();
        assert!(tickets.table().sessions.len() <= SESSIONS_MAX);
        assert_eq!(tickets.take(&made[0], now), None);
        assert!(tickets.take(&made[SESSIONS_MAX + 9], now).is_some());
    }
}
