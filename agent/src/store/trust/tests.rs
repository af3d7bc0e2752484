//! What the trust store keeps, refuses and finds again.

use sanaga_proto::code;
use sanaga_proto::failure::Coded as _;
use sanaga_proto::trust::{KeySet, PublicKey};

use super::*;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with<T>(&self, act: impl FnOnce(&mut TrustStore<'_>) -> T) -> T {
        let mut store = Store::open(&self.path("agent.db")).unwrap();
        act(&mut TrustStore::new(&mut store, &self.path("floors")))
    }

    fn sql(&self, sql: &str) {
        let mut store = Store::open(&self.path("agent.db")).unwrap();
        store.write("test", |t| t.execute_batch(sql)).unwrap();
    }
}

fn floors(generation: u64) -> Floors {
    let mut floors = Floors::default();
    floors.accept_generation(&KeySet::of([&PublicKey::Ed25519([1; 32])], 1), generation);
    floors
}

fn change(name: &str, bytes: &[u8], forget: &[&str], generation: u64) -> Change {
    Change {
        write: Some((name.to_owned(), bytes.to_vec())),
        forget: forget.iter().map(|name| (*name).to_owned()).collect(),
        floors: floors(generation),
    }
}

#[test]
fn what_is_applied_is_loaded_byte_for_byte() {
    let place = Place::new();
    place.with(|trust| {
        assert!(!trust.is_begun().unwrap());
        trust.begin(b"root 1").unwrap();
        assert!(trust.is_begun().unwrap());
        trust
            .apply(&change("timestamp.json", b"old", &[], 1))
            .unwrap();
        trust
            .apply(&change("timestamp.json", b"new ", &[], 2))
            .unwrap();
        trust.apply(&change("targets.json", b"t", &[], 3)).unwrap();
        trust
            .apply(&change(
                "root.json",
                b"root 2",
                &["timestamp.json", "absent.json"],
                4,
            ))
            .unwrap();
    });
    let loaded = place
        .with(|trust| trust.load([], Some(b"pinned".to_vec())))
        .unwrap();
    assert_eq!(loaded.stored.root, b"root 2");
    assert_eq!(loaded.stored.pinned_root, Some(b"pinned".to_vec()));
    let names: Vec<_> = loaded.stored.documents.into_iter().collect();
    assert_eq!(names, [("targets.json".to_owned(), b"t".to_vec())]);
    assert_eq!(loaded.floors, floors(4));
    assert_eq!(loaded.alarms, []);
}

#[test]
fn the_highest_of_all_copies_holds_and_the_others_are_alarms() {
    let place = Place::new();
    place.with(|trust| trust.begin(b"root").unwrap());
    place.with(|trust| trust.apply_floors(&floors(5)).unwrap());
    // Power failed between the database and the copy.
    std::fs::write(place.path("floors"), floors(4).to_bytes().unwrap()).unwrap();
    let loaded = place.with(|trust| trust.load([], None)).unwrap();
    assert_eq!(loaded.floors, floors(5));
    // A torn copy.
    std::fs::write(place.path("floors"), b"SNGFLRS1").unwrap();
    let loaded = place.with(|trust| trust.load([floors(7)], None)).unwrap();
    assert_eq!(loaded.floors, floors(7));
    assert_eq!(loaded.alarms.len(), 1);
    // The database lost its row, or an old one came back from a backup.
    std::fs::write(place.path("floors"), floors(9).to_bytes().unwrap()).unwrap();
    let loaded = place.with(|trust| trust.load([], None)).unwrap();
    assert_eq!(loaded.floors, floors(9));
    place.sql("DELETE FROM floors");
    let loaded = place.with(|trust| trust.load([], None)).unwrap();
    assert_eq!((loaded.floors, loaded.alarms.len()), (floors(9), 1));
}

#[test]
fn all_floors_lost_is_never_a_first_run() {
    let place = Place::new();
    place.with(|trust| trust.begin(b"root").unwrap());
    std::fs::remove_file(place.path("floors")).unwrap();
    place.sql("UPDATE floors SET bytes = x'00'");
    let refused = place.with(|trust| trust.load([], None)).unwrap_err();
    assert_eq!(refused.code(), code::FLOORS_LOST);
    let recovered = place.with(|trust| trust.load([floors(3)], None)).unwrap();
    assert_eq!(recovered.floors, floors(3), "a sidecar has them");
}

#[test]
fn a_changed_document_is_an_alarm_and_has_no_bytes() {
    let place = Place::new();
    place.with(|trust| {
        trust.begin(b"root").unwrap();
        trust
            .apply(&change("timestamp.json", b"bytes", &[], 1))
            .unwrap();
    });
    place.sql("UPDATE tuf_document SET bytes = x'00' WHERE name = 'timestamp.json'");
    let loaded = place.with(|trust| trust.load([], None)).unwrap();
    assert_eq!(
        loaded.stored.documents.get("timestamp.json"),
        Some(&Vec::new())
    );
    assert_eq!(loaded.stored.root, b"root");
    assert_eq!(loaded.alarms.len(), 1);
}

#[test]
fn a_change_is_all_or_nothing() {
    let place = Place::new();
    place.with(|trust| trust.begin(b"root").unwrap());
    place.sql("CREATE TRIGGER cut BEFORE INSERT ON floors BEGIN SELECT RAISE(ABORT, 'power'); END");
    let failed = place.with(|trust| trust.apply(&change("targets.json", b"t", &["root.json"], 1)));
    assert_eq!(failed.unwrap_err().code(), code::DISK_FAULT);
    let loaded = place.with(|trust| trust.load([], None)).unwrap();
    assert_eq!(loaded.stored.root, b"root");
    assert!(loaded.stored.documents.is_empty());
    assert_eq!(loaded.floors, Floors::default());
}

#[test]
fn a_copy_of_the_floors_that_cannot_be_read_is_an_alarm_and_no_end() {
    let place = Place::new();
    place.with(|trust| {
        trust.begin(b"root 1").unwrap();
        trust
            .apply(&change("timestamp.json", b"one", &[], 7))
            .unwrap();
    });
    std::fs::remove_file(place.path("floors")).unwrap();
    // Reading a folder fails, as reading a bad sector does.
    std::fs::create_dir(place.path("floors")).unwrap();
    let loaded = place.with(|trust| trust.load([], None).unwrap());
    assert_eq!(loaded.floors, floors(7));
    let of_the_copy = loaded
        .alarms
        .iter()
        .filter(|alarm| alarm.what == "the copy of the floors");
    assert_eq!(of_the_copy.count(), 1);
}
