//! Stored files that are torn, empty, changed or old, followed by an old repository.

use std::collections::BTreeMap;

use sanaga_proto::trust::{Floors, TrustError};

use crate::repository::{DAY_S, Node, Repository, Served};

const DOCUMENTS: [&str; 4] = [
    "timestamp.json",
    "snapshot.json",
    "targets.json",
    "production.json",
];

/// An old repository, whole and not expired, and a node that has seen a newer one.
fn story() -> (Repository, Served, Node) {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let old = repository.served.clone();
    let mut node = Node::new(&repository);
    node.install(&old, "shop@1.0").unwrap();
    repository.pass_days(1);
    repository.publish("production", "shop@1.1", 2);
    node.install(&repository.served, "shop@1.1").unwrap();
    (repository, old, node)
}

/// Ways in which power cuts and bad disks leave a file.
fn damages(bytes: &[u8]) -> BTreeMap<&'static str, Vec<u8>> {
    let middle = bytes.len() / 2;
    let mut zeroed = bytes.to_vec();
    zeroed[middle..].fill(0);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let changed = text
        .replacen("\"version\":", "\"version\": 1", 1)
        .into_bytes();
    BTreeMap::from([
        ("empty", Vec::new()),
        ("torn", bytes[..middle].to_vec()),
        ("zeroed", zeroed),
        ("changed", changed),
    ])
}

#[test]
fn a_damaged_document_then_the_old_repository() {
    let (repository, old, node) = story();
    for document in DOCUMENTS {
        for (how, bytes) in damages(&node.stored.documents[document]) {
            let mut victim = Node::new(&repository);
            victim.stored = node.stored.clone();
            victim.floors = node.floors.clone();
            victim.stored.documents.insert(document.to_owned(), bytes);
            let refused = victim.refresh(&old);
            assert!(
                refused.is_err(),
                "{document} {how}: the old repository was accepted"
            );
            victim.install(&repository.served, "shop@1.1").unwrap();
            let names: Vec<_> = victim
                .alarms
                .iter()
                .map(|alarm| alarm.what.as_str())
                .collect();
            assert_eq!(names, [document], "{how}");
            // It healed, and says so no more.
            victim.refresh(&repository.served).unwrap();
            assert_eq!(victim.alarms, []);
        }
    }
}

#[test]
fn all_documents_gone_then_the_old_repository() {
    let (repository, old, mut node) = story();
    node.stored.documents.clear();
    assert!(node.refresh(&old).is_err());
    node.refresh(&repository.served).unwrap();
    assert_eq!(node.alarms.len(), 1, "never a first run");
}

#[test]
fn the_timestamp_gone_then_an_older_one_of_the_same_snapshot() {
    let (mut repository, _, mut node) = story();
    let old = repository.served.clone();
    repository.write_timestamp();
    node.refresh(&repository.served).unwrap();
    node.stored.documents.remove("timestamp.json");
    let refused = node.refresh(&old).unwrap_err();
    assert!(
        matches!(&refused, TrustError::Rollback { what, .. } if what == "timestamp"),
        "{refused:?}"
    );
    node.refresh(&repository.served).unwrap();
}

#[test]
fn a_sidecar_from_before_a_rotation_does_not_bring_its_numbers_back() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    let now_s = repository.now_s;
    repository.write_timestamp_at(now_s + 80 * DAY_S, now_s + 110 * DAY_S);
    node.refresh(&repository.served).unwrap();
    let sidecar = node.floors();
    repository.replace_keys("timestamp");
    repository.write_root_again();
    repository.write_timestamp();
    node.refresh(&repository.served).unwrap();
    // Floors are put together from all copies again; the thief's date is in the oldest.
    let floors = Floors::recover([node.floors(), sidecar]).unwrap();
    node.floors = floors.to_bytes().unwrap();
    node.refresh(&repository.served).unwrap();
    let lower_s = node.floors().lower_s(0, &node.clock.now);
    assert!(lower_s <= repository.now_s + 60);
}

#[test]
fn the_walk_from_a_pinned_root_keeps_the_floors_of_newer_keys() {
    let (mut repository, _, mut node) = story();
    repository.replace_keys("timestamp");
    repository.replace_keys("snapshot");
    repository.write_root_again();
    repository.write_online();
    let old = repository.served.clone();
    repository.publish("production", "shop@1.2", 3);
    node.install(&repository.served, "shop@1.2").unwrap();
    // All documents are torn: the walk begins at the pinned root, under other online keys.
    node.stored.root = b"torn".to_vec();
    node.stored.documents.clear();
    let refused = node.refresh(&old).unwrap_err();
    assert!(
        matches!(refused, TrustError::Rollback { .. }),
        "{refused:?}"
    );
    node.install(&repository.served, "shop@1.2").unwrap();
}

#[test]
fn the_root_damaged_or_old_then_the_old_repository() {
    let (repository, old, node) = story();
    let mut cases = damages(&node.stored.root);
    cases.insert("old", repository.id());
    for (how, bytes) in cases {
        let mut victim = Node::new(&repository);
        victim.stored = node.stored.clone();
        victim.floors = node.floors.clone();
        victim.stored.root = bytes;
        let refused = victim.refresh(&old).unwrap_err();
        assert!(
            matches!(refused, TrustError::Rollback { .. }),
            "{how}: {refused:?}"
        );
        victim.install(&repository.served, "shop@1.1").unwrap();
        assert!(
            victim.alarms.iter().any(|alarm| alarm.what == "root.json"),
            "{how}"
        );
        victim.stored.root = b"torn".to_vec();
        victim.stored.pinned_root = None;
        let refused = victim.refresh(&repository.served).map(|_| ()).unwrap_err();
        assert!(matches!(refused, TrustError::StoreDamaged { .. }));
    }
}

#[test]
fn the_database_from_a_backup_then_the_old_repository() {
    let (repository, old, node) = story();
    let mut restored = Node::new(&repository);
    restored.install(&old, "shop@1.0").unwrap();
    // The second copy of the floors was not in the backup.
    let copies = [restored.floors(), node.floors()];
    restored.floors = Floors::recover(copies).unwrap().to_bytes().unwrap();
    let refused = restored.refresh(&old).unwrap_err();
    assert!(
        matches!(refused, TrustError::Rollback { .. }),
        "{refused:?}"
    );
    restored.install(&repository.served, "shop@1.1").unwrap();
    let refused = restored
        .install(&repository.served, "shop@1.0")
        .unwrap_err();
    assert!(
        matches!(refused, TrustError::Rollback { .. }),
        "{refused:?}"
    );
}

#[test]
fn damaged_floors_are_no_floors_and_all_lost_is_refused() {
    let (_, _, node) = story();
    for (how, bytes) in [
        ("empty", &b""[..]),
        ("torn", &node.floors[..40]),
        ("zeroed", &[0; 200]),
    ] {
        let refused = Floors::from_bytes(bytes).unwrap_err();
        assert!(matches!(refused, TrustError::StoreDamaged { .. }), "{how}");
    }
    assert_eq!(Floors::recover([]), Err(TrustError::FloorsLost));
}

#[test]
fn nothing_is_fetched_twice() {
    let (mut repository, _, mut node) = story();
    node.refresh(&repository.served).unwrap();
    assert_eq!(node.fetched, ["3.root.json", "timestamp.json"]);
    assert_eq!(node.persisted, 0);
    repository.write_timestamp();
    node.refresh(&repository.served).unwrap();
    assert_eq!(node.fetched, ["3.root.json", "timestamp.json"]);
    assert_eq!(node.persisted, 1);
    repository.write_environment("dev");
    repository.write_online();
    node.refresh(&repository.served).unwrap();
    let snapshot = format!("{}.snapshot.json", repository.versions["snapshot"]);
    assert_eq!(node.fetched, ["3.root.json", "timestamp.json", &snapshot]);
}
