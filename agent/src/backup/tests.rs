//! Sets on a real disk: taken, brought back, cut in between.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sanaga_proto::manifest::DataSection;

use super::*;

struct Place {
    home: tempfile::TempDir,
    sets: Sets,
    items: Vec<Item>,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let section = DataSection {
            sqlite: vec!["shop.db".to_owned()],
            folders: vec!["uploads".to_owned()],
            schema: None,
        };
        let data = home.path().join("data");
        fs::create_dir_all(data.join("uploads/deep")).unwrap();
        let items = items(&[&section], &data, &BTreeSet::new()).unwrap();
        let sets = Sets::new(&home.path().join("snapshots"), &"shop".parse().unwrap());
        Self { home, sets, items }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("data").join(name)
    }

    /// A connection that stays, so that rows stay in the write-ahead log.
    fn open(&self) -> Connection {
        let database = Connection::open(self.path("shop.db")).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        database
            .execute_batch("CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, what TEXT)")
            .unwrap();
        database
    }

    fn sell(&self, what: &str) {
        let database = self.open();
        database
            .execute("INSERT INTO sale (what) VALUES (?1)", [what])
            .unwrap();
    }

    fn sales(&self) -> Vec<String> {
        sales(&self.path("shop.db"))
    }

    fn take(&self, number: u32) {
        self.sets.take(number, about(), &self.items, 0).unwrap();
    }
}

fn about() -> About {
    About {
        app: "shop".parse().unwrap(),
        from: Some(("1.0.0".parse().unwrap(), 1)),
        to: Some(("1.1.0".parse().unwrap(), 2)),
    }
}

fn sales(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut statement = database
        .prepare("SELECT what FROM sale ORDER BY id")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_set_holds_what_is_in_the_log_and_comes_back_exactly() {
    let place = Place::new();
    place.sell("one");
    // Rows that are in the log alone, as a service leaves them that is killed.
    let open = place.open();
    open.execute("INSERT INTO sale (what) VALUES ('two')", [])
        .unwrap();
    let (db, wal) = (place.path("shop.db"), place.path("shop.db-wal"));
    let killed = [fs::read(&db).unwrap(), fs::read(&wal).unwrap()];
    drop(open);
    fs::write(&db, &killed[0]).unwrap();
    fs::write(&wal, &killed[1]).unwrap();
    fs::set_permissions(&db, fs::Permissions::from_mode(0o640)).unwrap();
    let note = place.path("uploads/deep/note");
    fs::write(&note, "before").unwrap();
    fs::set_permissions(&note, fs::Permissions::from_mode(0o604)).unwrap();
    let when = fs::metadata(&note).unwrap().mtime();
    place.take(1);
    assert_eq!(place.sets.list(), BTreeSet::from([1]));
    assert_eq!(sales(&place.sets.item(1, 0)), ["one", "two"]);

    place.sell("three");
    fs::write(&note, "after").unwrap();
    fs::write(place.path("uploads/new"), "new").unwrap();
    place.sets.restore(1, Some((2, about()))).unwrap();
    assert_eq!(place.sales(), ["one", "two"]);
    assert_eq!(fs::metadata(&db).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(&note).unwrap(), "before");
    assert_eq!(fs::metadata(&note).unwrap().mode() & 0o777, 0o604);
    assert_eq!(fs::metadata(&note).unwrap().mtime(), when);
    assert!(!place.path("uploads/new").exists());
    // What was there is kept beside, and goes back in the same way.
    assert_eq!(sales(&place.sets.item(2, 0)), ["one", "two", "three"]);
    place.sets.restore(2, Some((3, about()))).unwrap();
    assert_eq!(place.sales(), ["one", "two", "three"]);
    assert!(place.path("uploads/new").exists());
    place.sets.prune(&[1, 2, 7]).unwrap();
    assert_eq!(place.sets.list(), BTreeSet::from([3]));
}

#[test]
fn what_was_not_there_is_not_there_again() {
    let place = Place::new();
    fs::remove_dir_all(place.path("uploads")).unwrap();
    place.take(1);
    place.sell("one");
    place.sets.restore(1, Some((2, about()))).unwrap();
    assert!(!place.path("shop.db").exists() && !place.path("uploads").exists());
    assert_eq!(sales(&place.sets.item(2, 0)), ["one"]);
}

#[test]
fn a_way_back_that_was_cut_goes_on_where_it_stood() {
    let place = Place::new();
    place.sell("one");
    place.take(1);
    let _open = place.open();
    place.sell("two");
    // Cut after the log was moved, then after all was moved, then after half was put back.
    let moving = place.sets.folder().join("0002.moving");
    fs::create_dir_all(&moving).unwrap();
    let wal = place.path("shop.db-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    sanaga_durable::rename(&wal, &moving.join("0-wal")).unwrap();
    place.sets.restore(1, Some((2, about()))).unwrap();
    assert_eq!(place.sales(), ["one"]);
    fs::remove_file(place.path("shop.db")).unwrap();
    place.sets.restore(1, Some((2, about()))).unwrap();
    assert_eq!(place.sales(), ["one"]);
    assert_eq!(sales(&place.sets.item(2, 0)), ["one", "two"]);
}

#[test]
fn a_damaged_set_moves_nothing() {
    let place = Place::new();
    place.sell("one");
    place.take(1);
    place.sell("two");
    let path = place.sets.item(1, 0);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = place.sets.restore(1, Some((2, about()))).unwrap_err();
    assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    assert_eq!(place.sales(), ["one", "two"]);
    assert_eq!(place.sets.list(), BTreeSet::from([1]));
    let descriptor = place.sets.path(1).join("set");
    let text = fs::read_to_string(&descriptor).unwrap();
    fs::write(&descriptor, text.replace("1.0.0", "1.0.1")).unwrap();
    assert!(place.sets.read(1).is_err());
}

#[test]
fn without_room_nothing_is_written() {
    let place = Place::new();
    place.sell("one");
    let error = place
        .sets
        .take(1, about(), &place.items, u64::MAX / 2)
        .unwrap_err();
    assert!(error.is_full(), "{error}");
    assert!(place.sets.list().is_empty());
}

#[test]
fn a_database_that_is_none_or_a_link_is_refused() {
    let place = Place::new();
    fs::write(place.path("shop.db"), "no database at all, but long enough").unwrap();
    assert!(place.sets.take(1, about(), &place.items, 0).is_err());
    fs::remove_file(place.path("shop.db")).unwrap();
    let elsewhere = place.home.path().join("elsewhere.db");
    Connection::open(&elsewhere)
        .unwrap()
        .execute_batch("CREATE TABLE secret (x)")
        .unwrap();
    sanaga_durable::replace_symlink(&place.path("shop.db"), &elsewhere).unwrap();
    assert!(place.sets.take(1, about(), &place.items, 0).is_err());
    assert!(schema_of(&place.path("shop.db")).is_err());
    assert_eq!(schema_of(&elsewhere).unwrap(), 0);
}

#[test]
fn only_what_may_be_declared_is_found() {
    let section = |path: &str| DataSection {
        sqlite: vec![path.to_owned()],
        folders: vec!["uploads".to_owned()],
        schema: None,
    };
    let data = Path::new("/apps/shop/data");
    let roots = BTreeSet::from([PathBuf::from("/srv/shop")]);
    let of = |path: &str| items(&[&section(path)], data, &roots);
    assert_eq!(of("a/b.db").unwrap()[0].path, data.join("a/b.db"));
    assert_eq!(
        of("/srv/shop/x.db").unwrap()[1].path,
        Path::new("/srv/shop/x.db")
    );
    for bad in [
        "/srv/shop",
        "/etc/passwd",
        "../x",
        "/srv/shop/../x",
        "uploads/x.db",
        "",
    ] {
        assert!(of(bad).is_err(), "{bad}");
    }
}
