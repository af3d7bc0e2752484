//! What the agent remembers besides trust: documents as bytes, the journal of each app, the chain of
//! receipts, and how each host behaved. Everything that belongs together is written together.

use rusqlite::{Connection, OptionalExtension, params};
use sanaga_proto::ids::{AppName, Digest};
use sanaga_proto::wire::receipt::{Event, EventKind, chain_start};
use sanaga_proto::wire::{Field, WireError};

use crate::fetch::budget::{self, Spent};

/// The ledger of the data budget; one step of the database's migrations.
pub const SPENT_SCHEMA: &str = "
CREATE TABLE spent (from_s INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
";

/// The tables of this room; one step of the database's migrations.
pub const SCHEMA: &str = "
CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE document (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
CREATE TABLE journal (app TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE receipt (number INTEGER PRIMARY KEY, event BLOB NOT NULL, head BLOB NOT NULL) STRICT;
CREATE TABLE transfer (frame_root BLOB PRIMARY KEY, received INTEGER NOT NULL, twice INTEGER NOT NULL) STRICT;
CREATE TABLE host (url TEXT PRIMARY KEY, failures INTEGER NOT NULL, pause_s INTEGER NOT NULL) STRICT;
";

/// A small named value.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn note(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached("SELECT value FROM note WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// A small named number; 0 when it was never set.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn number(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let bytes = note(db, name)?.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

/// Sets a small named value.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn set_note(db: &Connection, name: &str, value: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    )?
    .execute(params![name, value])?;
    Ok(())
}

/// A document by its name in polls.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn document(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached("SELECT bytes FROM document WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// All documents whose name begins with `prefix`, in order of name.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn documents(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let mut statement = db.prepare_cached(
        "SELECT name, bytes FROM document WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
    )?;
    let rows = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect::<Result<_, _>>()
}

/// Keeps a document under its name.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn set_document(db: &Connection, name: &str, bytes: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO document VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET bytes = ?2",
    )?
    .execute(params![name, bytes])?;
    Ok(())
}

/// Forgets a document.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn forget_document(db: &Connection, name: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM document WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}

/// The journals of all apps, in order of app, as they were written.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn journals(db: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = db.prepare_cached("SELECT app, json FROM journal ORDER BY app")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect::<Result<_, _>>()
}

/// Writes an app's journal.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn set_journal(db: &Connection, app: &AppName, json: &str) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO journal VALUES (?1, ?2) ON CONFLICT (app) DO UPDATE SET json = ?2",
    )?
    .execute(params![app.as_str(), json])?;
    Ok(())
}

/// Names of the notes that belong to the chain of receipts.
mod chain_note {
    pub const EPOCH: &str = "receipts/epoch";
    pub const SENT: &str = "receipts/sent";
    pub const ACKNOWLEDGED: &str = "receipts/acknowledged";
}

/// Where a chain of receipts stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainState {
    /// Which chain; a rebuilt database begins a new one.
    pub epoch: u64,
    /// The number of the last event; 0 for none.
    pub last: u64,
    /// The hash after it.
    pub head: Digest,
    /// The last number that the controller has acknowledged.
    pub acknowledged: u64,
}

/// Begins a chain; its number must be greater than that of any chain before.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn begin_chain(db: &Connection, epoch: u64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM receipt", [])?;
    set_note(db, chain_note::EPOCH, &epoch.to_be_bytes())?;
    set_note(db, chain_note::SENT, &0u64.to_be_bytes())?;
    set_note(db, chain_note::ACKNOWLEDGED, &0u64.to_be_bytes())
}

/// Which chain of receipts this database holds; none before one was begun.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn epoch(db: &Connection) -> rusqlite::Result<Option<u64>> {
    Ok(Some(number(db, chain_note::EPOCH)?).filter(|epoch| *epoch > 0))
}

/// Where the chain of the node with this key stands.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn chain_state(db: &Connection, node_key: &Digest) -> rusqlite::Result<ChainState> {
    let epoch = number(db, chain_note::EPOCH)?;
    let last: Option<(u64, [u8; 32])> = db
        .prepare_cached("SELECT number, head FROM receipt ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last, head) = last.map_or_else(
        || (0, chain_start(node_key, epoch)),
        |(last, head)| (last, Digest(head)),
    );
    Ok(ChainState {
        epoch,
        last,
        head,
        acknowledged: number(db, chain_note::ACKNOWLEDGED)?,
    })
}

/// Adds an event to the chain and gives its number. A boot right after a boot that was never sent
/// adds to its count: months in the dark are one record.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn append(db: &Connection, node_key: &Digest, event: &Event) -> rusqlite::Result<u64> {
    let state = chain_state(db, node_key)?;
    if let Some((mut run, before)) = joinable(db, node_key, &state, event)? {
        run.count = Some(run.count.unwrap_or(1).saturating_add(1));
        run.at_s = event.at_s;
        insert(db, state.last, &run, &run.chain(&before))?;
        return Ok(state.last);
    }
    let number = state.last.saturating_add(1);
    insert(db, number, event, &event.chain(&state.head))?;
    Ok(number)
}

fn insert(db: &Connection, number: u64, event: &Event, head: &Digest) -> rusqlite::Result<()> {
    let mut bytes = Vec::new();
    // Writing to a Vec has no failure of its own.
    let _ = ciborium::into_writer(&event.to_value(), &mut bytes);
    db.prepare_cached("INSERT OR REPLACE INTO receipt VALUES (?1, ?2, ?3)")?
        .execute(params![number, bytes, head.0.as_slice()])?;
    Ok(())
}

fn joinable(
    db: &Connection,
    node_key: &Digest,
    state: &ChainState,
    event: &Event,
) -> rusqlite::Result<Option<(Event, Digest)>> {
    if event.kind != EventKind::Booted
        || state.last == 0
        || state.last <= number(db, chain_note::SENT)?
    {
        return Ok(None);
    }
    let Some(run) = events_from(db, state.last, 1)?.pop() else {
        return Ok(None);
    };
    let before: Option<[u8; 32]> = db
        .prepare_cached("SELECT head FROM receipt WHERE number = ?1")?
        .query_row([state.last - 1], |row| row.get(0))
        .optional()?;
    let before = before.map_or_else(|| chain_start(node_key, state.epoch), Digest);
    // A kept chain may have forgotten what was acknowledged; then there is nothing to join with.
    let known = state.last == 1 || before != chain_start(node_key, state.epoch);
    Ok((run.kind == EventKind::Booted && known).then_some((run, before)))
}

/// At most `most` events from `first` on, in order.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn events_from(db: &Connection, first: u64, most: u64) -> rusqlite::Result<Vec<Event>> {
    let mut statement =
        db.prepare_cached("SELECT event FROM receipt WHERE number >= ?1 ORDER BY number LIMIT ?2")?;
    let rows = statement.query_map(params![first, most], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|bytes| {
        let value = ciborium::from_reader(bytes?.as_slice())
            .map_err(|error| unreadable(WireError::malformed("receipt", error.to_string())))?;
        Event::from_value(value).map_err(unreadable)
    })
    .collect()
}

/// The hash of the chain after event `number`.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn head_at(db: &Connection, number: u64) -> rusqlite::Result<Option<Digest>> {
    let head: Option<[u8; 32]> = db
        .prepare_cached("SELECT head FROM receipt WHERE number = ?1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    Ok(head.map(Digest))
}

/// Remembers, before a delivery is sent, that events up to `number` must never change again.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn mark_sent(db: &Connection, number_sent: u64) -> rusqlite::Result<()> {
    let sent = number(db, chain_note::SENT)?.max(number_sent);
    set_note(db, chain_note::SENT, &sent.to_be_bytes())
}

/// Remembers that the controller keeps the events up to `number` of chain `epoch`. That may be less
/// than it said before, when it was restored from a backup: what it lacks is told again. It is never
/// more than was sent, whatever the worker claims.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn acknowledge(db: &Connection, epoch: u64, acknowledged: u64) -> rusqlite::Result<()> {
    if epoch == number(db, chain_note::EPOCH)? {
        let kept = acknowledged.min(number(db, chain_note::SENT)?);
        set_note(db, chain_note::ACKNOWLEDGED, &kept.to_be_bytes())?;
    }
    Ok(())
}

/// The ledger of a pack: bytes read from the network, and those of them that were read before; none
/// before its transfer began.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn transfer(db: &Connection, frame_root: &Digest) -> rusqlite::Result<Option<(u64, u64)>> {
    let mut statement =
        db.prepare_cached("SELECT received, twice FROM transfer WHERE frame_root = ?1")?;
    statement
        .query_row([frame_root.0.as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Adds to the ledger of a pack.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn add_transfer(
    db: &Connection,
    frame_root: &Digest,
    received: u64,
    twice: u64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO transfer VALUES (?1, ?2, ?3) ON CONFLICT (frame_root)
         DO UPDATE SET received = received + ?2, twice = twice + ?3",
    )?
    .execute(params![frame_root.0.as_slice(), received, twice])?;
    Ok(())
}

/// The ledger of the data budget, oldest first.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn spent(db: &Connection) -> rusqlite::Result<Vec<Spent>> {
    let mut statement = db.prepare_cached("SELECT from_s, bytes FROM spent ORDER BY from_s")?;
    let rows = statement.query_map([], |row| {
        let (from_s, bytes) = (row.get(0)?, row.get(1)?);
        Ok(Spent { from_s, bytes })
    })?;
    rows.collect()
}

/// Adds bytes of packs that were read at `now_s` to the ledger of the data budget, and drops what no
/// budget counts any more.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn add_spent(db: &Connection, now_s: u64, bytes: u64) -> rusqlite::Result<()> {
    let from_s = budget::step(now_s);
    db.prepare_cached(
        "INSERT INTO spent VALUES (?1, ?2) ON CONFLICT (from_s) DO UPDATE SET bytes = bytes + ?2",
    )?
    .execute(params![from_s, bytes])?;
    let oldest_s = from_s.saturating_sub(budget::MONTH_S + budget::STEP_S);
    db.prepare_cached("DELETE FROM spent WHERE from_s < ?1")?
        .execute([oldest_s])?;
    Ok(())
}

/// How a host behaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRecord {
    /// Its URL.
    pub url: String,
    /// Failures in a row.
    pub failures: u32,
    /// The pause after the last one, seconds.
    pub pause_s: u64,
}

/// The hosts that failed the last time, in order of URL.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn failed_hosts(db: &Connection) -> rusqlite::Result<Vec<HostRecord>> {
    let mut statement = db.prepare_cached(
        "SELECT url, failures, pause_s FROM host WHERE failures > 0 ORDER BY url",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(HostRecord {
            url: row.get(0)?,
            failures: row.get(1)?,
            pause_s: row.get(2)?,
        })
    })?;
    rows.collect()
}

/// Keeps how a host behaved.
///
/// # Errors
/// [`rusqlite::Error`] for a fault of the database.
pub fn set_host(db: &Connection, url: &str, failures: u32, pause_s: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO host VALUES (?1, ?2, ?3) ON CONFLICT (url) DO UPDATE SET failures = ?2, pause_s = ?3",
    )?
    .execute(params![url, failures, pause_s])?;
    Ok(())
}

/// Something in the database is not what we wrote.
fn unreadable(error: WireError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn every_host_that_failed_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.db");
        let mut store = Store::open(&path).unwrap();
        let (one, two) = ("https://controller:8443", "http://mirror");
        let set = |db: &Connection, url, failures| set_host(db, url, failures, 60);
        store
            .write("test", |db| set(db, one, 3).and_then(|()| set(db, two, 2)))
            .unwrap();
        drop(store);
        let mut store = Store::open(&path).unwrap();
        let failed = |store: &Store| {
            let hosts = store.read("test", failed_hosts).unwrap();
            hosts
                .into_iter()
                .map(|host| (host.url, host.failures, host.pause_s))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            failed(&store),
            [(two.to_owned(), 2, 60), (one.to_owned(), 3, 60)]
        );
        store.write("test", |db| set(db, one, 0)).unwrap();
        assert_eq!(failed(&store).len(), 1);
    }

    #[test]
    fn the_budget_survives_a_restart_and_forgets_what_is_older_than_a_month() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.db");
        let mut store = Store::open(&path).unwrap();
        let now_s = 1_795_219_200;
        for (after_s, bytes) in [(0, 10), (10, 5), (budget::STEP_S, 7)] {
            store
                .write("test", |db| add_spent(db, now_s + after_s, bytes))
                .unwrap();
        }
        drop(store);
        let mut store = Store::open(&path).unwrap();
        let ledger = |store: &Store| -> Vec<u64> {
            let lines = store.read("test", spent).unwrap();
            lines.into_iter().map(|line| line.bytes).collect()
        };
        assert_eq!(ledger(&store), [15, 7]);
        let later_s = now_s + budget::MONTH_S + 2 * budget::STEP_S;
        store.write("test", |db| add_spent(db, later_s, 1)).unwrap();
        assert_eq!(ledger(&store), [7, 1]);
    }
}
