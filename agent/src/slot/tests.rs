//! Staging and verifying real folders: whole, torn, taken over, drifted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sanaga_proto::ids::Digest;
use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};

use sanaga_proto::pack::Base as _;

use super::*;
use crate::update::{Release, Seal, SlotNumber};

fn file(path: &str, mode: u16, size: u64) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: Kind::File { mode, size },
    }
}

fn folder(path: &str, mode: u16) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: Kind::Directory { mode },
    }
}

fn link(path: &str, target: &str) -> Entry {
    Entry {
        path: path.to_owned(),
        kind: Kind::Symlink {
            target: target.to_owned(),
        },
    }
}

/// The entries of a small release and the contents of its regular files.
fn release_one() -> (Vec<Entry>, Vec<&'static [u8]>) {
    let entries = vec![
        folder("bin", 0o555),
        file("bin/app", 0o755, 7),
        link("bin/start", "app"),
        folder("empty", 0o700),
        file("notes.txt", 0o640, 0),
    ];
    (entries, vec![b"program", b""])
}

fn named(entries: &[Entry], contents: &[&[u8]]) -> Release {
    let list = TreeList::new(entries.to_vec()).unwrap();
    let hashes = contents.iter().map(|bytes| Digest::of(bytes)).collect();
    let root = HashedTree::new(list, hashes).unwrap().root();
    Release {
        version: "1.0".parse().unwrap(),
        root,
        manifest: Digest::of(b"manifest"),
        counter: 1,
        generation: 1,
        settings: Digest::of(b"settings"),
    }
}

fn sidecar(release: &Release) -> impl FnOnce(HashedTree) -> Sidecar + use<> {
    let release = release.clone();
    move |tree| Sidecar {
        release,
        manifest: b"manifest".to_vec(),
        tree,
        documents: vec![],
        floors: None,
    }
}

fn stage(app: &AppFolder, number: SlotNumber, entries: &[Entry], contents: &[&[u8]]) -> Release {
    let release = named(entries, contents);
    let list = TreeList::new(entries.to_vec()).unwrap();
    let mut staging = Staging::begin(app, number, &release.root, list, 0).unwrap();
    for (number, bytes) in contents.iter().enumerate() {
        staging.begin_file(number as u32).unwrap();
        staging.data(bytes).unwrap();
        staging.end_file().unwrap();
    }
    staging.finish(sidecar(&release)).unwrap();
    release
}

fn app(home: &Path) -> AppFolder {
    AppFolder::new(home, &"shop".parse().unwrap())
}

#[test]
fn a_staged_slot_is_the_tree_and_counts_only_when_sealed() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    let release = stage(&app, 1, &entries, &contents);
    let slot = app.find_slot(1).unwrap();
    assert_eq!(fs::read(slot.join("bin/app")).unwrap(), b"program");
    assert_eq!(
        fs::metadata(slot.join("bin/app"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o755
    );
    assert_eq!(
        fs::metadata(slot.join("bin")).unwrap().permissions().mode() & 0o7777,
        0o555
    );
    assert_eq!(
        fs::read_link(slot.join("bin/start")).unwrap(),
        Path::new("app")
    );
    let verified = verify(&slot).unwrap();
    assert_eq!(
        (verified.files, verified.bytes, verified.drift.len()),
        (2, 7, 0)
    );
    let observed = observe(&app, &BTreeMap::new()).unwrap();
    assert_eq!(observed.slots, BTreeMap::from([(1, Seal::Sealed(release))]));

    fs::remove_file(
        app.slots()
            .join(format!("{}.release", slot.file_name().unwrap().display())),
    )
    .unwrap();
    assert_eq!(
        observe(&app, &observed.slots).unwrap().slots,
        BTreeMap::from([(1, Seal::Unsealed)])
    );
    stage(&app, 1, &entries, &contents);
    assert!(matches!(
        observe(&app, &BTreeMap::new()).unwrap().slots.get(&1),
        Some(Seal::Sealed(_))
    ));
}

#[test]
fn half_a_staging_leaves_nothing_that_counts() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    let release = named(&entries, &contents);
    let list = || TreeList::new(entries.clone()).unwrap();
    let mut staging = Staging::begin(&app, 3, &release.root, list(), 0).unwrap();
    staging.begin_file(0).unwrap();
    staging.data(b"pro").unwrap();
    // As after a kill: nothing is cleaned up.
    std::mem::forget(staging);
    assert!(observe(&app, &BTreeMap::new()).unwrap().slots.is_empty());
    let mut staging = Staging::begin(&app, 3, &release.root, list(), 0).unwrap();
    staging.begin_file(0).unwrap();
    assert!(staging.data(b"more than seven").is_err());
    drop(staging);
    let staging = Staging::begin(&app, 3, &release.root, list(), 0).unwrap();
    assert!(matches!(
        staging.finish(sidecar(&release)),
        Err(SlotError::Unfitting { .. })
    ));
    assert_eq!(fs::read_dir(app.slots()).unwrap().count(), 0);
}

#[test]
fn another_content_is_never_put_in_place() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    let release = named(&entries, &contents);
    let list = TreeList::new(entries).unwrap();
    let mut staging = Staging::begin(&app, 1, &release.root, list, 0).unwrap();
    for bytes in [b"Program".as_slice(), b""] {
        let number = u32::from(bytes.is_empty());
        staging.begin_file(number).unwrap();
        staging.data(bytes).unwrap();
        staging.end_file().unwrap();
    }
    assert!(matches!(
        staging.finish(sidecar(&release)),
        Err(SlotError::Mismatch { .. })
    ));
    assert!(app.find_slot(1).is_none());
}

#[test]
fn files_are_taken_over_from_a_base_that_is_whole_and_from_no_other() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    stage(&app, 1, &entries, &contents);
    let base = Base::open(&app.find_slot(1).unwrap()).unwrap();
    let mut bytes = [0; 3];
    base.read_at(0, 2, &mut bytes).unwrap();
    assert_eq!(&bytes, b"ogr");

    let two = vec![file("app", 0o700, 7), file("empty", 0o600, 0)];
    let release = named(&two, &contents);
    let begin = || {
        Staging::begin(
            &app,
            2,
            &release.root,
            TreeList::new(two.clone()).unwrap(),
            0,
        )
        .unwrap()
    };
    let mut staging = begin();
    staging.reuse(0, &base, 0).unwrap();
    staging.reuse(1, &base, 1).unwrap();
    staging.finish(sidecar(&release)).unwrap();
    assert_eq!(
        fs::read(app.find_slot(2).unwrap().join("app")).unwrap(),
        b"program"
    );

    assert_eq!(base.damaged(), None);
    let victim = app.find_slot(1).unwrap().join("bin/app");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).unwrap();
    for damage in [b"progrem".as_slice(), b"prog", b"programs"] {
        fs::write(&victim, damage).unwrap();
        assert!(
            matches!(begin().reuse(0, &base, 0), Err(SlotError::BaseDamaged { path }) if path == "bin/app")
        );
        assert_eq!(base.damaged().as_deref(), Some("bin/app"));
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes what durability would refuse"
)]
fn links_are_replaced_and_what_they_name_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    for number in 1..=3 {
        stage(&app, number, &entries, &contents);
    }
    app.swap_current(2).unwrap();
    app.swap_current(3).unwrap();
    app.rewrite_previous(Some(2)).unwrap();
    assert!(app.swap_current(9).is_err());
    let observed = observe(&app, &BTreeMap::new()).unwrap();
    assert_eq!((observed.current, observed.previous), (Some(3), Some(2)));
    assert!(matches!(
        app.prune(&[1, 2]),
        Err(SlotError::InUse { slot: 2 })
    ));
    assert!(app.find_slot(1).is_some());
    app.prune(&[1]).unwrap();
    app.rewrite_previous(None).unwrap();
    app.remove_current().unwrap();
    let observed = observe(&app, &BTreeMap::new()).unwrap();
    assert_eq!(observed.slots.keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert_eq!((observed.current, observed.previous), (None, None));
    std::os::unix::fs::symlink("/etc", app.current()).unwrap();
    assert_eq!(observe(&app, &BTreeMap::new()).unwrap().current, None);
}

#[test]
fn drift_is_found_file_by_file() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    stage(&app, 1, &entries, &contents);
    let slot = app.find_slot(1).unwrap();
    fs::set_permissions(slot.join("bin"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(slot.join("bin/app"), b"PROGRAM").unwrap();
    fs::remove_file(slot.join("bin/start")).unwrap();
    fs::write(slot.join("more"), b"").unwrap();
    let drift: Vec<String> = verify(&slot)
        .unwrap()
        .drift
        .iter()
        .map(|drift| format!("{} {}", drift.path, drift.how))
        .collect();
    assert_eq!(
        drift,
        [
            "bin mode",
            "bin/app changed",
            "bin/start missing",
            "more extra"
        ]
    );
}

#[test]
fn a_disk_without_room_is_told_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let entries = vec![file("big", 0o600, 1 << 30)];
    let root = Digest::of(b"root");
    let list = TreeList::new(entries).unwrap();
    let full = Staging::begin(&app, 1, &root, list, u64::MAX >> 1);
    assert!(matches!(full, Err(SlotError::Full { .. })));
    assert_eq!(fs::read_dir(app.slots()).unwrap().count(), 0);
}

#[test]
fn a_slot_is_never_its_own_base() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let (entries, contents) = release_one();
    let release = stage(&app, 1, &entries, &contents);
    let none = Base::find(&app, &release.root, 1).unwrap_err();
    assert!(matches!(none, SlotError::BaseDamaged { .. }), "{none}");
    stage(&app, 2, &entries, &contents);
    for but in [1, 2] {
        let base = Base::find(&app, &release.root, but).unwrap();
        // With its own folder gone, as staging leaves it, the base is still there.
        sanaga_durable::remove_tree(&app.find_slot(but).unwrap()).unwrap();
        assert_eq!(base.damaged(), None);
        stage(&app, but, &entries, &contents);
    }
    let other = Digest::of(b"another tree");
    assert!(Base::find(&app, &other, 9).is_err());
}
