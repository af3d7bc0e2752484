//! Roots, rotations and replaced keys.

use sanaga_proto::trust::{HoldFloor, TrustError};

use crate::repository::{Node, Repository, name, sign};

fn bad_root(node: &mut Node, repository: &Repository) {
    let refused = node.refresh(&repository.served).unwrap_err();
    assert!(
        matches!(&refused, TrustError::BadSignature { role, .. } if role == "root"),
        "{refused:?}"
    );
}

#[test]
fn a_root_signed_by_the_new_keys_only() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let old = repository.replace_keys("root");
    let object = repository.root_object();
    let version = repository.versions["root"];
    let file = sign(&object, &repository.quorum("root"));
    repository
        .served
        .insert(format!("{version}.root.json"), file.clone());
    bad_root(&mut node, &repository);
    // Old keys only, or one old key of the two that are needed, is no better.
    let olds: Vec<_> = old.iter().collect();
    let file = sign(&object, &olds);
    repository
        .served
        .insert(format!("{version}.root.json"), file);
    bad_root(&mut node, &repository);
    let mut some = repository.quorum("root");
    some.push(&old[0]);
    let file = sign(&object, &some);
    repository
        .served
        .insert(format!("{version}.root.json"), file);
    bad_root(&mut node, &repository);
    let mut all = repository.quorum("root");
    all.extend(&old);
    let file = sign(&object, &all);
    repository
        .served
        .insert(format!("{version}.root.json"), file);
    node.refresh(&repository.served).unwrap();
}

#[test]
fn a_root_that_skips_a_version_or_stands_still() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    repository.write_root_again();
    let two = repository.served["2.root.json"].clone();
    repository.write_root_again();
    let three = repository.served["3.root.json"].clone();
    let honest = repository.served.clone();
    repository.served.insert("2.root.json".to_owned(), three);
    assert!(node.refresh(&repository.served).is_err());
    repository
        .served
        .insert("2.root.json".to_owned(), repository.id());
    let refused = node.refresh(&repository.served).unwrap_err();
    assert!(
        matches!(refused, TrustError::Rollback { .. }),
        "{refused:?}"
    );
    repository
        .served
        .insert("2.root.json".to_owned(), two.clone());
    repository.served.insert("3.root.json".to_owned(), two);
    assert!(node.refresh(&repository.served).is_err());
    assert_eq!(node.floors().root, 2, "the good step was kept");
    node.refresh(&honest).unwrap();
    assert_eq!(node.floors().root, 3);
}

#[test]
fn a_mirror_that_hides_newer_roots_from_a_node_that_saw_them() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    repository.write_root_again();
    repository.write_online();
    node.refresh(&repository.served).unwrap();
    // The store falls back to the pinned root; the mirror says that there is no newer one.
    node.stored.root = Vec::new();
    let mut hidden = repository.served.clone();
    hidden.remove("2.root.json");
    let refused = node.refresh(&hidden).unwrap_err();
    assert!(
        matches!(
            refused,
            TrustError::Rollback {
                trusted: 2,
                offered: 1,
                ..
            }
        ),
        "{refused:?}"
    );
    node.refresh(&repository.served).unwrap();
    assert_eq!(node.alarms.len(), 1);
}

#[test]
fn a_chain_of_roots_without_end() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    for _ in 0..1_030 {
        repository.write_root_again();
    }
    repository.write_online();
    let refused = node.refresh(&repository.served).unwrap_err();
    assert!(matches!(refused, TrustError::TooManyRoots { limit: 1_024 }));
    assert_eq!(node.floors().root, 1_025, "every step was kept");
    node.refresh(&repository.served).unwrap();
    assert_eq!(node.floors().root, 1_031);
}

#[test]
fn the_keys_of_every_role_are_replaced_at_once_and_the_old_ones_are_worth_nothing() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.0").unwrap();
    let before = repository.served.clone();
    let old_root = repository.replace_keys("root");
    let mut old = std::collections::BTreeMap::new();
    for role in ["targets", "production", "snapshot", "timestamp", "director"] {
        old.insert(role, repository.replace_keys(role));
    }
    repository.write_root(&old_root);
    repository.write_targets();
    repository.publish("production", "shop@1.1", 2);
    node.install(&repository.served, "shop@1.1").unwrap();
    assert_eq!(node.alarms, [], "replaced keys are no damage");
    // With the old keys nothing more can be signed; with the new ones all goes on.
    for role in ["timestamp", "snapshot", "production", "targets"] {
        let stolen = old.remove(role).unwrap();
        let new = repository.keys.insert(role, stolen).unwrap();
        write(&mut repository, role);
        let refused = node.refresh(&repository.served).unwrap_err();
        assert!(
            matches!(&refused, TrustError::BadSignature { role: whose, .. } if whose == role),
            "{role}: {refused:?}"
        );
        repository.keys.insert(role, new);
        write(&mut repository, role);
        node.refresh(&repository.served).unwrap();
    }
    assert!(node.refresh(&before).is_err());
}

/// A new version of a role, and of all that names it.
fn write(repository: &mut Repository, role: &str) {
    match role {
        "production" => repository.write_environment("production"),
        "targets" => repository.write_targets(),
        _ => {}
    }
    if role != "timestamp" {
        repository.write_snapshot();
    }
    repository.write_timestamp();
}

#[test]
fn the_director_is_replaced() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    let trusted = node.refresh(&repository.served).unwrap();
    let thief = trusted.director().unwrap();
    let mut floors = node.floors();
    floors.accept_generation(&thief.set, u64::MAX);
    let hold = HoldFloor {
        number: u64::MAX,
        on: true,
    };
    floors.accept_hold(&thief.set, "all", hold);
    node.floors = floors.to_bytes().unwrap();
    assert!(node.floors().held("all"));
    // With the same keys there is no way on.
    repository.pass_days(1);
    let trusted = node.refresh(&repository.served).unwrap();
    let floors = node.floors();
    assert!(
        floors
            .check_generation(&trusted.director().unwrap().set, 8)
            .is_err()
    );
    // Two people sign new targets with another director.
    repository.replace_keys("director");
    repository.write_targets();
    repository.write_online();
    let trusted = node.refresh(&repository.served).unwrap();
    let director = trusted.director().unwrap();
    assert_ne!(director.keys, thief.keys);
    let floors = node.floors();
    assert!(!floors.held("all"));
    // A sidecar of a release that was staged under the thief brings his hold back, for nothing.
    let mut sidecar = sanaga_proto::trust::Floors::default();
    sidecar.accept_hold(&thief.set, "all", hold);
    let merged = floors.clone().merge(sidecar);
    assert!(merged.held("all") && !merged.held_under(&director.set, "all"));
    floors.check_generation(&director.set, 1).unwrap();
    floors.check_hold(&director.set, "all", 1).unwrap();
}

#[test]
fn a_production_key_is_replaced_after_it_signed_an_absurd_counter() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", u64::MAX);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.0").unwrap();
    repository.publish("production", "shop@1.1", 2);
    assert!(node.install(&repository.served, "shop@1.1").is_err());
    repository.replace_keys("production");
    repository.add_release("production", "shop@1.0", 1);
    repository.write_targets();
    repository.publish("production", "shop@1.1", 2);
    node.install(&repository.served, "shop@1.1").unwrap();
    assert_eq!(node.floors().counter(&name("production"), &name("shop")), 2);
}

#[test]
fn only_an_explicit_absence_ends_the_walk() {
    use sanaga_proto::trust::{Answer, Policy, Refresh, run};
    #[derive(Debug, PartialEq)]
    enum Failed {
        Silence,
        Refused(TrustError),
    }
    impl From<TrustError> for Failed {
        fn from(error: TrustError) -> Self {
            Self::Refused(error)
        }
    }
    let mut repository = Repository::new();
    repository.write_root_again();
    repository.write_online();
    let node = Node::new(&repository);
    let mut refresh = Refresh::new(
        node.stored.clone(),
        node.floors(),
        node.clock,
        Policy::default(),
    )
    .unwrap();
    let mut asked = Vec::new();
    let result = run(
        &mut refresh,
        |name, _| {
            asked.push(name.to_owned());
            match name {
                "2.root.json" => Ok(Answer::Found(repository.served[name].clone())),
                _ => Err(Failed::Silence),
            }
        },
        |_| Ok(()),
    );
    assert_eq!(result.unwrap_err(), Failed::Silence);
    assert_eq!(asked, ["2.root.json", "3.root.json"]);
}
