//! Files that the right keys did not sign, or not for here.

use sanaga_proto::trust::TrustError;

use crate::repository::{Node, Repository, name, sign, signers};

fn bad_signature(result: Result<impl Sized, TrustError>, whose: &str) {
    match result.map(|_| ()) {
        Err(TrustError::BadSignature { role, .. }) => assert_eq!(role, whose),
        other => panic!("{other:?}"),
    }
}

#[test]
fn arbitrary_software_signed_by_the_online_keys() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.0").unwrap();
    // The thief of the server has snapshot, timestamp and director, but no release key.
    repository.add_release("production", "shop@6.6.6", 9);
    let object = repository.environment_object("production");
    let online = [
        &repository.keys["snapshot"][0],
        &repository.keys["director"][0],
    ];
    let file = sign(&object, &online);
    repository.put("production", file);
    repository.write_online();
    bad_signature(node.install(&repository.served, "shop@6.6.6"), "production");
}

#[test]
fn arbitrary_software_in_another_file_under_the_same_name() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    // A mirror without any key swaps the newest production file for its own.
    repository.publish("production", "shop@1.1", 2);
    let mut served = repository.served.clone();
    let version = repository.versions["production"];
    let forged = sign(
        &repository.environment_object("production"),
        &[&signers(1)[0]],
    );
    served.insert(format!("{version}.production.json"), forged);
    let refused = node.refresh(&served).unwrap_err();
    assert!(
        matches!(refused, TrustError::BadMetadata { .. }),
        "{refused:?}"
    );
    node.install(&repository.served, "shop@1.1").unwrap();
}

#[test]
fn wrong_threshold_one_signature_of_two() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    repository.add_release("production", "shop@1.0", 1);
    let object = repository.environment_object("production");
    let file = sign(&object, &[&repository.keys["production"][0]]);
    repository.put("production", file);
    repository.write_online();
    bad_signature(node.refresh(&repository.served), "production");
}

#[test]
fn wrong_threshold_one_key_twice() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let object = repository.environment_object("production");
    let file = sign(&object, &[&repository.keys["production"][0]]);
    let text = String::from_utf8(file).unwrap();
    // The same signature object a second time.
    let list = text.split("\"signed\"").next().unwrap();
    let one = &list[list.find('{').unwrap() + 1..];
    let one = &one[one.find('{').unwrap()..=one.find('}').unwrap()];
    let twice = text.replacen(one, &format!("{one},{one}"), 1);
    repository.put("production", twice.into_bytes());
    repository.write_online();
    bad_signature(node.refresh(&repository.served), "production");
}

#[test]
fn a_release_of_another_environment() {
    let mut repository = Repository::new();
    repository.publish("dev", "shop@2.0", 1);
    let mut node = Node::new(&repository);
    let trusted = node.refresh(&repository.served).unwrap();
    let refused = trusted
        .resolve(&name("dev"), &name("shop@2.0"))
        .unwrap_err();
    assert!(
        matches!(refused, TrustError::NotForUs { .. }),
        "{refused:?}"
    );
    let refused = trusted
        .resolve(&name("production"), &name("shop@2.0"))
        .unwrap_err();
    assert!(
        matches!(refused, TrustError::NotSignedHere { .. }),
        "{refused:?}"
    );
    node.environment = name("dev");
    let trusted = node.refresh(&repository.served).unwrap();
    trusted.resolve(&name("dev"), &name("shop@2.0")).unwrap();
}

#[test]
fn a_release_of_production_listed_by_the_key_of_dev() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.environment = name("dev");
    node.refresh(&repository.served).unwrap();
    // The CI key lists a path that was never delegated to it.
    let entry = {
        repository.add_release("production", "shop@6.6.6", 1);
        repository
            .releases
            .get_mut("production")
            .unwrap()
            .pop_first()
            .unwrap()
    };
    repository
        .releases
        .get_mut("dev")
        .unwrap()
        .insert(entry.0, entry.1);
    repository.write_environment("dev");
    repository.write_online();
    let trusted = node.refresh(&repository.served).unwrap();
    assert!(trusted.resolve(&name("dev"), &name("shop@6.6.6")).is_err());
    node.environment = name("production");
    let refused = node.install(&repository.served, "shop@6.6.6").unwrap_err();
    assert!(
        matches!(refused, TrustError::NotSignedHere { .. }),
        "{refused:?}"
    );
}

#[test]
fn mix_and_match_an_old_snapshot_under_a_new_timestamp() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let old =
        repository.served[&format!("{}.snapshot.json", repository.versions["snapshot"])].clone();
    repository.publish("production", "shop@1.1", 2);
    let mut served = repository.served.clone();
    served.insert(
        format!("{}.snapshot.json", repository.versions["snapshot"]),
        old,
    );
    let refused = node.refresh(&served).unwrap_err();
    assert!(
        matches!(refused, TrustError::BadMetadata { .. }),
        "{refused:?}"
    );
    node.install(&repository.served, "shop@1.1").unwrap();
}

#[test]
fn mix_and_match_a_snapshot_that_forgets_an_environment() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    let version = repository.bump("snapshot");
    let pins = ["targets", "dev", "staging"].map(|role| {
        let file = &repository.served[&format!("{}.{role}.json", repository.versions[role])];
        let pin = sanaga_proto::trust::MetaPin::of(repository.versions[role], file);
        (role.to_owned(), pin)
    });
    let expires_s = repository.now_s + 1_000_000;
    let object = sanaga_proto::trust::snapshot(version, expires_s, &pins.into());
    let file = sign(&object, &repository.quorum("snapshot"));
    repository.put("snapshot", file);
    repository.write_timestamp();
    let refused = node.refresh(&repository.served).unwrap_err();
    assert!(
        matches!(refused, TrustError::BadMetadata { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_timestamp_that_is_not_one() {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    for bytes in [
        &b""[..],
        b"{",
        b"[]",
        b"{\"signed\":{},\"signatures\":[]}",
        b"<html>portal</html>",
    ] {
        let mut served = repository.served.clone();
        served.insert("timestamp.json".to_owned(), bytes.to_vec());
        assert!(node.refresh(&served).is_err());
    }
    let mut served = repository.served.clone();
    let mut long = served["timestamp.json"].clone();
    long.resize(20_000, b' ');
    served.insert("timestamp.json".to_owned(), long);
    let refused = node.refresh(&served).unwrap_err();
    assert!(
        matches!(refused, TrustError::TooBig { limit: 16_384, .. }),
        "{refused:?}"
    );
    repository.write_timestamp();
    node.refresh(&repository.served).unwrap();
}

#[test]
fn a_target_without_a_counter_or_hash() {
    let mut repository = Repository::new();
    repository.add_release("production", "shop@1.0", 1);
    let mut object = repository.environment_object("production");
    let target = object
        .pointer_mut("/targets/production~1shop~11.0")
        .unwrap();
    target.as_object_mut().unwrap().remove("custom");
    let file = sign(&object, &repository.quorum("production"));
    repository.put("production", file);
    repository.write_online();
    let mut node = Node::new(&repository);
    let refused = node.install(&repository.served, "shop@1.0").unwrap_err();
    assert!(
        matches!(refused, TrustError::BadMetadata { .. }),
        "{refused:?}"
    );
}
