//! Power cuts: right before every single persist of a refresh, nested, on the way to the same end.

use sanaga_proto::trust::Policy;

use crate::repository::{Node, Repository};

fn story() -> (Repository, Node) {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.0").unwrap();
    // Two roots, one of which replaces the online keys, then new targets, director and release.
    repository.write_root_again();
    repository.replace_keys("timestamp");
    repository.replace_keys("snapshot");
    repository.write_root_again();
    repository.replace_keys("production");
    repository.replace_keys("director");
    repository.write_targets();
    repository.versions.insert("timestamp".to_owned(), 0);
    repository.publish("production", "shop@1.1", 2);
    (repository, node)
}

fn copy(node: &Node, repository: &Repository) -> Node {
    Node {
        stored: node.stored.clone(),
        floors: node.floors.clone(),
        ..Node::new(repository)
    }
}

#[test]
fn a_cut_before_every_persist_ends_where_no_cut_ends() {
    let (repository, node) = story();
    let mut straight = copy(&node, &repository);
    straight.refresh(&repository.served).unwrap();
    let persists = straight.persisted;
    assert!(persists >= 6, "{persists}");
    for first in 0..persists {
        for second in 0..=persists {
            let mut cut = copy(&node, &repository);
            let policy = Policy::default;
            assert!(
                cut.refresh_as(&repository.served, policy(), first)
                    .unwrap()
                    .is_none()
            );
            let _ = cut
                .refresh_as(&repository.served, policy(), second)
                .unwrap();
            cut.refresh(&repository.served).unwrap();
            assert_eq!(cut.alarms, [], "cuts before {first} and {second}");
            assert_eq!(cut.stored.root, straight.stored.root);
            assert_eq!(cut.stored.documents, straight.stored.documents);
            assert_eq!(cut.floors(), straight.floors());
            cut.install(&repository.served, "shop@1.1").unwrap();
        }
    }
}

#[test]
fn what_was_persisted_before_a_cut_holds_against_an_old_repository() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let old = repository.served.clone();
    let mut node = Node::new(&repository);
    node.refresh(&old).unwrap();
    repository.publish("production", "shop@1.1", 2);
    // The timestamp was persisted, the snapshot was not.
    assert!(
        node.refresh_as(&repository.served, Policy::default(), 1)
            .unwrap()
            .is_none()
    );
    assert!(node.refresh(&old).is_err());
    node.install(&repository.served, "shop@1.1").unwrap();
    assert_eq!(node.alarms, []);
}
