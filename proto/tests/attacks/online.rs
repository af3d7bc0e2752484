//! What a thief of the online keys, or a mirror, tries: rollback, freeze, fast-forward, false dates.

use sanaga_proto::trust::{Allowance, Policy, TrustError};

use crate::repository::{DAY_S, Node, Repository, name};

fn rolled_back(result: Result<impl Sized, TrustError>) {
    match result.map(|_| ()) {
        Err(TrustError::Rollback { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn rollback_the_whole_old_repository_again() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    let old = repository.served.clone();
    node.install(&old, "shop@1.0").unwrap();
    repository.publish("production", "shop@1.1", 2);
    node.install(&repository.served, "shop@1.1").unwrap();
    rolled_back(node.install(&old, "shop@1.0"));
    rolled_back(node.refresh(&old));
}

#[test]
fn rollback_an_old_snapshot_freshly_signed() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    repository.publish("production", "shop@1.0", 1);
    repository.publish("production", "shop@1.1", 2);
    node.refresh(&repository.served).unwrap();
    *repository.versions.get_mut("snapshot").unwrap() -= 1;
    repository.write_timestamp();
    rolled_back(node.refresh(&repository.served));
    // Not even the timestamp is kept, whether or not the node still has its own.
    node.stored.documents.clear();
    rolled_back(node.refresh(&repository.served));
    assert_eq!(node.persisted, 0);
}

#[test]
fn rollback_an_old_production_file_under_a_new_snapshot() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    repository.publish("production", "shop@1.0", 1);
    repository.publish("production", "shop@1.1", 2);
    node.refresh(&repository.served).unwrap();
    *repository.versions.get_mut("production").unwrap() -= 1;
    repository.write_online();
    rolled_back(node.refresh(&repository.served));
}

#[test]
fn rollback_an_old_release_that_is_still_listed() {
    let mut repository = Repository::new();
    repository.add_release("production", "shop@1.0", 1);
    repository.add_release_from("production", "shop@0.9-lts", 2, Some(3));
    repository.publish("production", "shop@1.1", 3);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.1").unwrap();
    // The director may choose, but not below the counter without the release keys' permission.
    rolled_back(node.install(&repository.served, "shop@1.0"));
    node.install(&repository.served, "shop@0.9-lts").unwrap();
    rolled_back(node.install(&repository.served, "shop@1.0"));
}

#[test]
fn freeze_a_mirror_that_answers_with_the_same_files_for_ever() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    let trusted = node.refresh(&repository.served).unwrap();
    assert_eq!(trusted.freeze(0, &node.clock), None);
    // No clock at all: the time that the machine was up is enough.
    node.clock.now.uptime_s += 8 * DAY_S as u64;
    let trusted = node.refresh(&repository.served).unwrap();
    let freeze = trusted.freeze(0, &node.clock).unwrap();
    assert!(freeze.certain && freeze.signed_s == repository.now_s);
    node.clock.now.uptime_s += 23 * DAY_S as u64;
    let refused = node.refresh(&repository.served).unwrap_err();
    assert!(matches!(&refused, TrustError::Expired { role, .. } if role == "timestamp"));
    repository.pass_days(31);
    assert_eq!(
        node.refresh(&repository.served)
            .unwrap()
            .freeze(0, &node.clock),
        None
    );
}

#[test]
fn freeze_one_role_after_the_other_expired() {
    // The server signs on, but people no longer sign targets or root.
    for (days, role) in [(366, "targets"), (731, "root")] {
        let mut repository = Repository::new();
        let mut node = Node::new(&repository);
        node.refresh(&repository.served).unwrap();
        let start_s = repository.now_s;
        repository.now_s = start_s + (days - 2) * DAY_S;
        if role == "root" {
            repository.write_targets();
        }
        repository.write_environment("production");
        repository.write_online();
        node.set_wall(repository.now_s, true);
        node.refresh(&repository.served).unwrap();
        repository.now_s = start_s + days * DAY_S;
        repository.write_online();
        node.set_wall(repository.now_s, true);
        let refused = node.refresh(&repository.served).unwrap_err();
        assert!(
            matches!(&refused, TrustError::Expired { role: whose, .. } if whose == role),
            "{refused:?}"
        );
    }
}

#[test]
fn fast_forward_the_timestamp_and_recover_by_rotation() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let honest = repository.versions.clone();
    *repository.versions.get_mut("timestamp").unwrap() = u64::MAX - 1;
    repository.write_timestamp();
    node.refresh(&repository.served).unwrap();
    // The honest controller cannot go on from there …
    repository.versions = honest;
    repository.publish("production", "shop@1.0", 1);
    rolled_back(node.refresh(&repository.served));
    // … until root takes the stolen key away.
    repository.replace_keys("timestamp");
    repository.write_root_again();
    repository.write_timestamp();
    node.install(&repository.served, "shop@1.0").unwrap();
}

#[test]
fn fast_forward_the_snapshot_and_recover_by_rotation() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let honest = repository.versions.clone();
    *repository.versions.get_mut("snapshot").unwrap() = 1 << 60;
    repository.write_online();
    node.refresh(&repository.served).unwrap();
    repository.versions = honest;
    repository.publish("production", "shop@1.0", 1);
    repository.write_timestamp();
    rolled_back(node.refresh(&repository.served));
    repository.replace_keys("snapshot");
    repository.write_root_again();
    repository.write_online();
    node.install(&repository.served, "shop@1.0").unwrap();
    // Versions start again under the new keys, and only upwards.
    *repository.versions.get_mut("snapshot").unwrap() -= 1;
    repository.write_timestamp();
    rolled_back(node.refresh(&repository.served));
}

#[test]
fn a_false_date_later_than_what_it_rests_on() {
    for (signed_days, expires_days) in [(40, 30), (800, 900), (400, 500)] {
        let mut repository = Repository::new();
        let mut node = Node::new(&repository);
        let before = node.refresh(&repository.served).unwrap().floors().clone();
        let now_s = repository.now_s;
        let date = |days: i64| now_s + days * DAY_S;
        repository.write_timestamp_at(date(signed_days), date(expires_days));
        let refused = node.refresh(&repository.served).unwrap_err();
        let told = match signed_days {
            // It outlives the snapshot too, which is looked at before targets.
            400 => matches!(refused, TrustError::Expired { .. }),
            _ => matches!(refused, TrustError::BadSignedDate { .. }),
        };
        assert!(told, "{refused:?}");
        // The floor of time did not move: the honest timestamp after it is accepted.
        assert_eq!(
            node.floors().lower_s(0, &node.clock.now),
            before.lower_s(0, &node.clock.now)
        );
        repository.write_timestamp();
        node.refresh(&repository.served).unwrap();
    }
}

#[test]
fn a_timestamp_far_in_the_future_by_a_stolen_key_and_recovery_by_rotation() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let now_s = repository.now_s;
    // Inside the life of root and targets: it cannot be told from the truth.
    repository.write_timestamp_at(now_s + 80 * DAY_S, now_s + 110 * DAY_S);
    node.refresh(&repository.served).unwrap();
    repository.publish("production", "shop@1.0", 1);
    let refused = node.install(&repository.served, "shop@1.0").unwrap_err();
    assert!(
        matches!(&refused, TrustError::Expired { .. }),
        "{refused:?}"
    );
    // Rotation: the floor of time falls back to what the offline roles signed.
    repository.replace_keys("timestamp");
    repository.write_root_again();
    repository.write_timestamp();
    node.install(&repository.served, "shop@1.0").unwrap();
    assert!(node.floors().lower_s(0, &node.clock.now) <= repository.now_s + 60);
}

#[test]
fn an_old_bundle_needs_a_person_and_has_an_end() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let bundle = |confirmed| Policy {
        allowance: Allowance::Bundle { confirmed },
        ..Policy::default()
    };
    let at = |days: i64, policy: Policy| {
        let mut node = Node::new(&repository);
        node.set_wall(repository.now_s + days * DAY_S, true);
        node.refresh_as(&repository.served, policy, usize::MAX)
            .map(|_| ())
    };
    at(29, Policy::default()).unwrap();
    assert!(matches!(
        at(31, Policy::default()),
        Err(TrustError::Expired { .. })
    ));
    let asked = at(31, bundle(false));
    assert!(matches!(
        asked,
        Err(TrustError::BundleNeedsConfirmation { .. })
    ));
    at(31, bundle(true)).unwrap();
    at(119, bundle(true)).unwrap();
    assert!(matches!(
        at(121, bundle(true)),
        Err(TrustError::BundleTooOld { .. })
    ));
}

#[test]
fn a_bundle_from_before_is_still_a_rollback() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let old = repository.served.clone();
    let mut node = Node::new(&repository);
    repository.publish("production", "shop@1.1", 2);
    node.install(&repository.served, "shop@1.1").unwrap();
    let policy = Policy {
        allowance: Allowance::Bundle { confirmed: true },
        ..Policy::default()
    };
    rolled_back(node.refresh_as(&old, policy, usize::MAX));
}

#[test]
fn an_expired_environment_stops_its_releases_and_nothing_else() {
    let mut repository = Repository::new();
    repository.publish("dev", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.environment = name("dev");
    node.install(&repository.served, "shop@1.0").unwrap();
    repository.now_s += 40 * DAY_S;
    repository.write_online();
    let trusted = node.refresh(&repository.served).unwrap();
    assert!(trusted.director().is_some(), "holds are still heard");
    let refused = trusted
        .resolve(&name("dev"), &name("shop@1.0"))
        .unwrap_err();
    assert!(matches!(refused, TrustError::Expired { .. }), "{refused:?}");
}
