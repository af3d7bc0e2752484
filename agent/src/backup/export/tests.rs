//! Exports, applied to the database from before, give the rows from after: for any tables and rows.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusqlite::types::Value;

use super::*;

/// Tables of many kinds. Each row is `(table, key, value, other)`.
const TABLES: &str = "
    CREATE TABLE plain (k INTEGER PRIMARY KEY, v, w TEXT);
    CREATE TABLE counted (k INTEGER PRIMARY KEY AUTOINCREMENT, v, w TEXT);
    CREATE TABLE \"odd \"\"name\" (k TEXT PRIMARY KEY COLLATE NOCASE, v, w TEXT COLLATE NOCASE);
    CREATE TABLE without (k, w TEXT, v, PRIMARY KEY (k, w)) WITHOUT ROWID;
    CREATE TABLE keyless (k, v, w TEXT);
    CREATE TABLE null_key (k TEXT PRIMARY KEY, v, w TEXT);
    CREATE TABLE other_key (k INTEGER PRIMARY KEY, v, w TEXT UNIQUE);
    CREATE TABLE made (k INTEGER PRIMARY KEY, v, w TEXT, g AS (k + 1) STORED);
    CREATE TABLE heard (n INTEGER PRIMARY KEY);
    CREATE TRIGGER hears AFTER INSERT ON plain BEGIN INSERT INTO heard VALUES (NULL); END;
";
const NAMES: [&str; 8] = [
    "plain",
    "counted",
    "odd \"name",
    "without",
    "keyless",
    "null_key",
    "other_key",
    "made",
];

type Change = (usize, bool, u8, Value, Option<String>);

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(Value::Real),
        "[a'\"\u{0}é\n;]{0,6}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Value::Blob),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let word = proptest::option::of("[aAbB']{0,2}");
    let change = (0..NAMES.len(), any::<bool>(), 0..6_u8, value(), word);
    proptest::collection::vec(change, 0..40)
}

/// Applies changes; those that a rule of a table forbids are left out, as an app's would be.
fn apply(database: &Connection, changes: &[Change]) {
    database.execute_batch("BEGIN").unwrap();
    for (table, is_delete, key, value, word) in changes {
        let name = quoted(NAMES[*table]);
        let key: Value = match (NAMES[*table], key) {
            ("null_key", 0) => Value::Null,
            ("odd \"name" | "null_key", key) => {
                let letter = char::from(b'a' + key / 2);
                let is_upper = key % 2 == 1;
                Value::Text(
                    if is_upper {
                        letter.to_ascii_uppercase()
                    } else {
                        letter
                    }
                    .into(),
                )
            }
            (_, key) => Value::Integer(i64::from(*key)),
        };
        let _refused = if *is_delete {
            database.execute(&format!("DELETE FROM {name} WHERE k IS ?1"), [key])
        } else {
            let sql = format!("INSERT OR REPLACE INTO {name} (k, v, w) VALUES (?1, ?2, ?3)");
            database.execute(&sql, rusqlite::params![key, value, word])
        };
    }
    database.execute_batch("COMMIT").unwrap();
}

/// Every row of every table, to the bit.
fn rows(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let found = tables(&database, "main").unwrap();
    let names = found.keys().cloned().chain(sequence(&database));
    let mut all = Vec::new();
    for name in names {
        let mut statement = database
            .prepare(&format!("SELECT * FROM {}", quoted(&name)))
            .unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|at| {
                let value = row.get_ref(at).unwrap();
                let bits = value.as_f64().map(f64::to_bits);
                bits.map_or_else(|_| format!("{value:?}"), |bits| format!("r{bits:x}"))
            });
            lines.push(format!("{name}: {}", values.collect::<Vec<_>>().join(" ")));
        }
        lines.sort();
        all.extend(lines);
    }
    all
}

fn sequence(database: &Connection) -> Option<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    database.query_row(sql, [], |row| row.get(0)).ok()
}

fn export(folder: &Path, before: &Path, after: &Path) -> BTreeMap<String, Counts> {
    database(after, Some(before), folder, "shop").unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(format!("shop.{name}.sql"))).unwrap()
}

fn two(encoding: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (before, after) = (home.path().join("before"), home.path().join("after"));
    let database = Connection::open(&before).unwrap();
    database.pragma_update(None, "encoding", encoding).unwrap();
    database.execute_batch(TABLES).unwrap();
    (home, before, after)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_export_gives_the_later_rows(first in changes(), then in changes(), is_wide in any::<bool>()) {
        let (home, before, after) = two(if is_wide { "UTF-16le" } else { "UTF-8" });
        apply(&Connection::open(&before).unwrap(), &first);
        std::fs::copy(&before, &after).unwrap();
        apply(&Connection::open(&after).unwrap(), &then);
        export(home.path(), &before, &after);
        let database = Connection::open(&before).unwrap();
        database.execute_batch(&read(home.path(), "changes")).unwrap();
        drop(database);
        prop_assert_eq!(rows(&before), rows(&after));
    }
}

#[test]
fn rows_are_counted_and_little_is_written() {
    let (home, before, after) = two("UTF-8");
    let database = Connection::open(&before).unwrap();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO plain SELECT i, 'row', i FROM n";
    database.execute_batch(fill).unwrap();
    drop(database);
    std::fs::copy(&before, &after).unwrap();
    let database = Connection::open(&after).unwrap();
    database
        .execute_batch(
            "DROP TRIGGER hears; DELETE FROM plain WHERE k IN (3, 4);
             UPDATE plain SET v = 'changed' WHERE k = 5; INSERT INTO plain VALUES (2000, 1, 2);
             CREATE TABLE later (x); INSERT INTO later VALUES (1), (2);
             ALTER TABLE other_key ADD COLUMN z; INSERT INTO other_key VALUES (1, 2, 3, 4)",
        )
        .unwrap();
    drop(database);
    let counts = export(home.path(), &before, &after);
    let plain = Counts {
        inserted: 1,
        updated: 1,
        deleted: 2,
        ..Counts::default()
    };
    assert_eq!(counts["plain"], plain);
    assert_eq!(
        (counts["later"].whole_rows, counts["other_key"].whole_rows),
        (2, 1)
    );
    assert!(read(home.path(), "changes").len() < 1_000);
    let fresh = Connection::open_in_memory().unwrap();
    fresh.execute_batch(&read(home.path(), "tables")).unwrap();
    let sum: u64 = fresh
        .query_row("SELECT sum(x) FROM later", [], |row| row.get(0))
        .unwrap();
    let z: u64 = fresh
        .query_row("SELECT z FROM other_key", [], |row| row.get(0))
        .unwrap();
    assert_eq!((sum, z), (3, 4));
}
