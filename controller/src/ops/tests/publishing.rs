//! Founding, publishing, promoting, signing.

use sanaga_proto::code;
use sanaga_proto::trust::envelope;

use super::*;

#[tokio::test]
async fn a_repository_is_founded_once_and_only_with_all_signatures() {
    let world = World::empty(1);
    let founding = world.founding();
    let now_s = world.context.now_signed_s();
    let unsigned = Draft::of(&founding, &world.context.keys, now_s).unwrap();
    let refused = found(&world.context, &world.actor, &founding, unsigned).await;
    assert_eq!(refused.unwrap_err().code(), code::BAD_SIGNATURE);
    assert!(world.context.store.controller().await.is_err());

    let founded = world.found().await.unwrap();
    let root = world
        .context
        .store
        .role_version("root", 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Digest::of(&root.bytes), founded.repository);
    for file in [
        "1.root.json",
        "1.targets.json",
        "1.dev.json",
        "timestamp.json",
    ] {
        let path = format!("tuf/{file}");
        assert!(
            world
                .context
                .repository
                .length(&path)
                .await
                .unwrap()
                .is_some(),
            "{path}"
        );
    }
    let again = world.found().await.unwrap_err();
    assert_eq!(again.code(), code::ALREADY_INITIALISED);
}

#[tokio::test]
async fn releases_get_their_place_when_the_last_signature_is_in() {
    let world = World::new(1).await;
    let staged = world.stage("1.4.1", "dev").await;
    assert_eq!(staged.counter, 1);
    // Nothing is current before it is signed.
    assert_eq!(
        world
            .call(Releases { app: None })
            .await
            .unwrap()
            .releases
            .len(),
        0
    );
    let waits = staged.waits.unwrap();
    assert_eq!((waits.voided, waits.pending.signed.missing), (0, 1));
    assert_eq!(waits.pending.summary, ["add shop@1.4.1, counter 1"]);
    let done = world.sign(&waits, 0).await;
    assert!(done.current);
    assert_eq!(world.publish("1.4.2", "dev").await.counter, 2);

    let list = world.call(Releases { app: None }).await.unwrap().releases;
    let counters: Vec<_> = list.iter().map(|view| view.placements.clone()).collect();
    let dev: sanaga_proto::ids::EnvironmentName = "dev".parse().unwrap();
    assert_eq!(counters.len(), 2);
    assert_eq!(counters[0][&dev], 1);
    assert_eq!(counters[1][&dev], 2);
    // Published files: the manifest, the pack and the offer that the director signed.
    let manifest = format!("manifest/{}", staged.manifest);
    let pack = format!("pack/{}", Digest::of(b"pack of 1.4.1"));
    for path in [manifest, pack, format!("offer/none-{}", staged.root)] {
        assert!(
            world
                .context
                .repository
                .length(&path)
                .await
                .unwrap()
                .is_some(),
            "{path}"
        );
    }
    assert!(world.call(Pending {}).await.unwrap().pending.is_empty());
}

#[tokio::test]
async fn the_same_again_is_nothing_and_other_content_is_refused() {
    let world = World::new(1).await;
    world.publish("1.4.1", "dev").await;
    assert_eq!(world.stage("1.4.1", "dev").await.waits, None);
    let mut other = world.manifest("1.4.1");
    other.entries = 2;
    let request = StageRelease {
        manifest: other.to_bytes(),
        ..world.stage_request("1.4.1", "dev")
    };
    assert_eq!(world.refused(request).await.0, code::VERSION_TAKEN);
    let check = CheckRelease {
        environment: "dev".parse().unwrap(),
        app: "shop".parse().unwrap(),
        version: "1.4.1".parse().unwrap(),
        manifest: Some(Digest::of(&world.manifest("1.4.1").to_bytes())),
    };
    assert_eq!(world.call(check).await.unwrap().placed, Some(1));
}

#[tokio::test]
async fn a_second_release_rebuilds_what_waits_and_voids_its_signatures() {
    let world = World::new(3).await;
    let first = world.stage("1", "production").await.waits.unwrap();
    let done = world.sign(&first, 0).await;
    assert!(!done.current);
    assert_eq!((done.signed.missing, done.signed.need), (1, 2));
    assert_eq!(done.signed.waiting_for.len(), 2);

    let second = world.stage("2", "production").await.waits.unwrap();
    assert_eq!(second.voided, 1);
    assert_eq!(second.pending.summary.len(), 2);
    // A signature on what waited before no longer counts.
    let stale = SignRole {
        role: "production".to_owned(),
        file: add_signature(&first.pending.file, &world.people[1]).unwrap(),
    };
    assert_eq!(world.refused(stale).await.0, code::BAD_SIGNATURE);

    assert!(!world.sign(&second, 2).await.current);
    let again = SignRole {
        role: "production".to_owned(),
        file: add_signature(&second.pending.file, &world.people[2]).unwrap(),
    };
    assert_eq!(world.refused(again).await.0, code::BAD_SIGNATURE);
    assert!(world.sign(&second, 1).await.current);
    assert_eq!(
        world
            .call(Releases { app: None })
            .await
            .unwrap()
            .releases
            .len(),
        2
    );
}

#[tokio::test]
async fn only_keys_of_the_role_count() {
    let world = World::new(1).await;
    let waits = world.stage("1", "dev").await.waits.unwrap();
    let stranger = MemorySigner::generate(KeyKind::P256).unwrap();
    let file = add_signature(&waits.pending.file, &stranger).unwrap();
    let role = "dev".to_owned();
    assert_eq!(
        world.refused(SignRole { role, file }).await.0,
        code::BAD_SIGNATURE
    );
    let empty = envelope(&serde_json::json!({"_type": "targets"}), &[]).unwrap();
    let role = "dev".to_owned();
    assert_eq!(
        world.refused(SignRole { role, file: empty }).await.0,
        code::BAD_SIGNATURE
    );
    let role = "staging".to_owned();
    let file = waits.pending.file.clone();
    assert_eq!(
        world.refused(SignRole { role, file }).await.0,
        code::NOTHING_PENDING
    );
    let file = waits.pending.file.clone();
    let role = "stagin".to_owned();
    assert_eq!(
        world.refused(SignRole { role, file }).await,
        (code::NO_SUCH_ROLE, "staging".to_owned())
    );
}

#[tokio::test]
async fn promotion_signs_the_same_manifest_with_an_order_of_its_own() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    let second = world.publish("2", "dev").await;
    let promote = |version: &str| Promote {
        app: "shop".parse().unwrap(),
        version: version.parse().unwrap(),
        environment: "staging".parse().unwrap(),
        allow_downgrade_from: Vec::new(),
        without_rehearsal: None,
    };
    let staged = world.call(promote("2")).await.unwrap();
    assert_eq!((staged.counter, staged.manifest), (1, second.manifest));
    world.sign(staged.waits.as_ref().unwrap(), 0).await;
    assert_eq!(world.call(promote("2")).await.unwrap().waits, None);
    assert_eq!(
        world.refused(promote("3")).await,
        (code::NO_SUCH_RELEASE, "shop@1".to_owned())
    );
}

#[tokio::test]
async fn packs_are_checked_and_needed() {
    let world = World::new(1).await;
    let mut request = world.stage_request("1", "dev");
    if let Some(pack) = &mut request.pack {
        pack.file_bytes += 1;
    }
    assert_eq!(world.refused(request).await.0, code::BAD_REQUEST);
    let request = StageRelease {
        pack: None,
        ..world.stage_request("1", "dev")
    };
    assert_eq!(world.refused(request).await.0, code::NO_PACK);
    let request = StageRelease {
        environment: "deve".parse().unwrap(),
        ..world.stage_request("1", "dev")
    };
    assert_eq!(
        world.refused(request).await,
        (code::NO_SUCH_ENVIRONMENT, "dev".to_owned())
    );
}
