//! Databases and floors that are lost for real, and what is still known then.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sanaga_proto::ids::Digest;
use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};
use sanaga_proto::trust::{Allowance, Clock, Floors, KeySet, Moment};
use sanaga_proto::wire::receipt::Event;

use super::*;
use crate::helper::Incoming;
use crate::identity::{Identity, IdentityFiles, NodeKey};
use crate::slot::{AppFolder, Sidecar, Staging};
use crate::store::shared::SharedStore;
use crate::update::Release;

const NOW: Reading = Reading {
    wall_s: 1_800_000_000,
    sure: false,
    uptime_s: 10,
    boot: [1; 16],
};

/// What a sidecar carries as the root that its release was verified by.
const ROOT_7: &[u8] = br#"{"signed": {"version": 7}}"#;

struct Place(tempfile::TempDir);

impl Place {
    /// An enrolled node that never ran.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let files = place.files();
        NodeKey::load_or_make(&files).unwrap();
        identity::write(&files.root(), b"the first root", 0o644).unwrap();
        place.identity().save(&files).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self) -> IdentityFiles {
        IdentityFiles::new(self.0.path(), &self.0.path().join("worker"))
    }

    fn identity(&self) -> Identity {
        Identity {
            version: 1,
            url: "https://127.0.0.1:1".to_owned(),
            repository: Digest::of(b"the first root"),
            environment: "dev".parse().unwrap(),
            node: "akwa-1".parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
        }
    }

    fn open(&self) -> Helper {
        let (store, lost) =
            SharedStore::open(&self.path("agent.db"), &self.path("floors")).unwrap();
        let (store, apps) = (Arc::new(store), self.path("apps"));
        Helper::open(store, lost, self.identity(), self.files(), apps, NOW).unwrap()
    }

    /// A node that has accepted generation 9.
    fn with_generation_9() -> (Self, u64) {
        let place = Self::new();
        let helper = place.open();
        helper.store.keep(&generation_9(), &[]).unwrap();
        let epoch = epoch_of(&helper);
        (place, epoch)
    }

    /// A slot whose sidecar carries these floors.
    fn slot(&self, floors: &Floors) {
        let app = AppFolder::new(&self.path("apps"), &"shop".parse().unwrap());
        let kind = Kind::File {
            mode: 0o644,
            size: 0,
        };
        let path = "notes.txt".to_owned();
        let list = TreeList::new(vec![Entry { path, kind }]).unwrap();
        let tree = HashedTree::new(list.clone(), vec![Digest::of(b"")]).unwrap();
        let release = Release {
            version: "1".parse().unwrap(),
            root: tree.root(),
            manifest: Digest::of(b"manifest"),
            counter: 1,
            generation: 9,
            settings: Digest::of(b""),
        };
        let mut staging = Staging::begin(&app, 1, &release.root, list, 0).unwrap();
        staging.begin_file(0).unwrap();
        staging.end_file().unwrap();
        let floors = floors.to_bytes().unwrap();
        let sidecar = |tree| Sidecar {
            release,
            manifest: b"manifest".to_vec(),
            tree,
            documents: vec![(ROOT.to_owned(), ROOT_7.to_vec())],
            floors: Some(floors),
        };
        staging.finish(sidecar).unwrap();
    }

    fn lose(&self, names: &[&str]) {
        for name in names {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(self.path(&format!("{name}{end}")));
            }
        }
    }
}

fn generation_9() -> Floors {
    let mut floors = Floors::default();
    floors.accept_generation(&KeySet::default(), 9);
    floors
}

fn epoch_of(helper: &Helper) -> u64 {
    helper.store.read(state::epoch).unwrap().unwrap()
}

fn events(helper: &Helper) -> Vec<Event> {
    helper
        .store
        .read(|db| state::events_from(db, 1, 99))
        .unwrap()
}

/// The numbers of the alarms of the chain.
fn alarms(helper: &Helper) -> Vec<u64> {
    let alarms = events(helper).into_iter();
    let alarms = alarms.filter(|event| event.kind == EventKind::Alarm);
    alarms.filter_map(|event| event.code).collect()
}

fn refusal(helper: &Helper) -> code::Code {
    let clock = Clock {
        wall_s: NOW.wall_s,
        sure: false,
        now: Moment {
            boot: NOW.boot,
            uptime_s: NOW.uptime_s,
        },
    };
    let refused = helper.adopt(&Incoming::default(), clock, Allowance::default());
    refused.unwrap_err().code()
}

#[test]
fn trust_begins_once() {
    let place = Place::new();
    let first = place.open();
    let epoch = epoch_of(&first);
    drop(first);
    let second = place.open();
    assert_eq!((epoch_of(&second), alarms(&second)), (epoch, vec![]));
    assert!(place.files().epoch().exists());
    // An agent of before did not keep the number.
    fs::remove_file(place.files().epoch()).unwrap();
    drop(second);
    let third = place.open();
    assert_eq!((epoch_of(&third), alarms(&third)), (epoch, vec![]));
    assert!(place.files().epoch().exists());
}

#[test]
fn a_database_that_is_lost_in_any_way_begins_a_new_chain_and_keeps_its_floors() {
    let zero = |path: &Path| fs::write(path, b"").unwrap();
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    let garbage = |path: &Path| fs::write(path, vec![0xa5; 40_000]).unwrap();
    type Loss = fn(&Path);
    let losses: [(&str, Loss); 3] = [("zero", zero), ("gone", gone), ("garbage", garbage)];
    for (what, lose) in losses {
        let (place, epoch) = Place::with_generation_9();
        lose(&place.path("agent.db"));
        place.lose(&["agent.db-none"]);
        let helper = place.open();
        let newer = epoch_of(&helper);
        assert!(newer > epoch, "{what}: {newer} after {epoch}");
        assert_eq!(
            alarms(&helper),
            [u64::from(code::DATABASE_DAMAGED.number)],
            "{what}"
        );
        let (_, floors, _) = helper.load_trust().unwrap();
        assert_eq!(floors, generation_9(), "{what}");
        assert!(!helper.is_held().unwrap());
        drop(helper);
        // It is said once, and the next start is like any other.
        let again = place.open();
        assert_eq!(
            (epoch_of(&again), alarms(&again).len()),
            (newer, 1),
            "{what}"
        );
        drop(again);
        lose(&place.path("agent.db"));
        assert!(epoch_of(&place.open()) > newer, "{what}");
    }
}

#[test]
fn floors_come_from_sidecars_when_both_other_copies_are_lost() {
    let (place, _) = Place::with_generation_9();
    place.slot(&generation_9());
    place.lose(&["agent.db", "floors"]);
    let helper = place.open();
    let (_, floors, _) = helper.load_trust().unwrap();
    assert_eq!(floors, generation_9());
    assert_eq!(helper.load_trust().unwrap().0.root, ROOT_7);
    assert_eq!(alarms(&helper), [u64::from(code::DATABASE_DAMAGED.number)]);
    // They are in both other places again.
    fs::remove_dir_all(place.path("apps")).unwrap();
    place.lose(&["floors"]);
    assert_eq!(helper.load_trust().unwrap().1, generation_9());
}

#[test]
fn without_any_floors_nothing_new_is_accepted_and_it_is_never_a_first_run() {
    let (place, _) = Place::with_generation_9();
    place.lose(&["agent.db", "floors"]);
    for _ in 0..2 {
        let helper = place.open();
        assert_eq!(helper.load_trust().unwrap_err().code(), code::FLOORS_LOST);
        assert!(helper.is_held().unwrap(), "nothing new may begin");
        assert_eq!(refusal(&helper), code::FLOORS_LOST);
        let expected = [code::DATABASE_DAMAGED, code::FLOORS_LOST];
        assert_eq!(alarms(&helper), expected.map(|code| u64::from(code.number)));
    }
    // A person with a new token begins anew: enrolling removes this file.
    fs::remove_file(place.files().epoch()).unwrap();
    place.lose(&["agent.db", "floors"]);
    let helper = place.open();
    assert_eq!(helper.load_trust().unwrap().1, Floors::default());
    assert_eq!(alarms(&helper), Vec::<u64>::new());
}

#[test]
fn an_alarm_that_stands_is_said_once_and_one_that_comes_back_again() {
    let place = Place::new();
    let helper = place.open();
    let alarm = |what: &str| Alarm {
        what: what.to_owned(),
        problem: "is damaged".to_owned(),
    };
    let raise = |alarms: &[Alarm]| helper.raise(alarms, code::STORE_DAMAGED, NOW).unwrap();
    let said = || {
        let events = events(&helper).into_iter();
        events.filter_map(|event| event.detail).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        raise(&[alarm("targets.json"), alarm("snapshot.json")]);
    }
    let first = "snapshot.json: is damaged; targets.json: is damaged";
    assert_eq!(said(), [first]);
    raise(&[alarm("targets.json")]);
    raise(&[alarm("targets.json"), alarm("root.json")]);
    assert_eq!(said(), [first, "root.json: is damaged"]);
    raise(&[]);
    raise(&[alarm("targets.json")]);
    assert_eq!(said().last().unwrap(), "targets.json: is damaged");
}
