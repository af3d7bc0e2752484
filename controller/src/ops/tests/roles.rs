//! Who may sign, changing it, and what is signed by itself.

use sanaga_proto::code;

use super::*;

fn tuf(keys: &[&MemorySigner]) -> Vec<serde_json::Value> {
    keys.iter().map(|key| key.public().to_tuf()).collect()
}

fn set(role: &str, threshold: u64, keys: &[&MemorySigner]) -> SetRole {
    SetRole {
        role: role.to_owned(),
        threshold,
        keys: tuf(keys),
    }
}

#[tokio::test]
async fn a_new_root_needs_the_old_keys_and_its_own() {
    let world = World::new(1).await;
    let ada = &world.people[0];
    let bih = MemorySigner::generate(KeyKind::Ed25519).unwrap();
    let change = world.call(set("root", 2, &[ada, &bih])).await.unwrap();
    let waits = &change.pending[0];
    assert_eq!(waits.pending.signed.missing, 2);
    assert!(!world.sign(waits, 0).await.current);
    let file = add_signature(&waits.pending.file, &bih).unwrap();
    let role = "root".to_owned();
    let done = world.call(SignRole { role, file }).await.unwrap();
    assert!(done.current);
    assert_eq!(done.version, 2);
    // The chain is public, and both root and timestamp are whole.
    for path in ["tuf/1.root.json", "tuf/2.root.json"] {
        assert!(
            world
                .context
                .repository
                .length(path)
                .await
                .unwrap()
                .is_some()
        );
    }
    let roles = world.call(Roles {}).await.unwrap().roles;
    assert_eq!((roles[0].role.as_str(), roles[0].threshold), ("root", 2));
}

#[tokio::test]
async fn an_environment_whose_keys_go_must_be_signed_again() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    let ci = MemorySigner::generate(KeyKind::P256).unwrap();
    let change = world.call(set("dev", 1, &[&ci])).await.unwrap();
    let waits = &change.pending[0];
    assert_eq!(waits.pending.role, "targets");
    let done = world.sign(waits, 0).await;
    assert_eq!(done.sign_again, ["dev"]);
    let pending = world.call(Pending {}).await.unwrap().pending.remove(0);
    assert_eq!(pending.role, "dev");
    let by_ada = SignRole {
        role: "dev".to_owned(),
        file: add_signature(&pending.file, &world.people[0]).unwrap(),
    };
    assert_eq!(world.refused(by_ada).await.0, code::BAD_SIGNATURE);
    let file = add_signature(&pending.file, &ci).unwrap();
    let role = "dev".to_owned();
    assert!(world.call(SignRole { role, file }).await.unwrap().current);
    assert_eq!(
        world
            .call(Releases { app: None })
            .await
            .unwrap()
            .releases
            .len(),
        1
    );
}

#[tokio::test]
async fn a_rotated_key_goes_from_every_role() {
    let world = World::new(1).await;
    let new = MemorySigner::generate(KeyKind::Ed25519).unwrap();
    let rotate = |old| RotateKey {
        old,
        new: new.public().to_tuf(),
    };
    let change = world
        .call(rotate(world.people[0].public().id()))
        .await
        .unwrap();
    let roles: Vec<_> = change
        .pending
        .iter()
        .map(|waits| waits.pending.role.as_str())
        .collect();
    assert_eq!(roles, ["root", "targets"]);
    let stranger = Digest::of(b"nobody");
    assert_eq!(world.refused(rotate(stranger)).await.0, code::NO_SUCH_KEY);
}

#[tokio::test]
async fn new_keys_of_the_server_sign_from_the_root_on_that_names_them() {
    let world = World::new(1).await;
    let public = |role: &str| world.context.keys.public(role).unwrap();
    let before = (public("snapshot"), public("timestamp"));
    let rotate = |role: &str| RotateOnline {
        role: role.to_owned(),
    };
    world.call(rotate("snapshot")).await.unwrap();
    // The second joins what waits already.
    let change = world.call(rotate("timestamp")).await.unwrap();
    assert_eq!(change.pending[0].pending.summary.len(), 2);
    world.pass(2 * 86_400);
    let actor = Actor::server();
    // Until it is signed, the old keys go on.
    assert!(renew_online(&world.context, &actor).await.unwrap().signed);
    assert_eq!((public("snapshot"), public("timestamp")), before);
    assert!(world.sign(&change.pending[0], 0).await.current);
    assert_ne!(public("snapshot"), before.0);
    assert_ne!(public("timestamp"), before.1);
    world.pass(2 * 86_400);
    assert!(renew_online(&world.context, &actor).await.unwrap().signed);
    assert_eq!(
        world.refused(rotate("directr")).await,
        (code::NO_SUCH_ROLE, "director".to_owned())
    );
}

#[tokio::test]
async fn impossible_roles_are_refused() {
    let world = World::new(1).await;
    let ada = &world.people[0];
    assert_eq!(
        world.refused(set("root", 2, &[ada])).await.0,
        code::BAD_THRESHOLD
    );
    assert_eq!(
        world.refused(set("root", 1, &[ada, ada])).await.0,
        code::BAD_THRESHOLD
    );
    assert_eq!(
        world.refused(set("root", 0, &[ada])).await.0,
        code::BAD_THRESHOLD
    );
    assert_eq!(
        world.refused(set("prodution", 1, &[ada])).await,
        (code::NO_SUCH_ROLE, "production".to_owned())
    );
    // What is there already changes nothing.
    assert!(
        world
            .call(set("dev", 1, &[ada]))
            .await
            .unwrap()
            .pending
            .is_empty()
    );
}

#[tokio::test]
async fn the_timestamp_is_signed_again_once_a_day() {
    let world = World::new(1).await;
    let version = async |role: &str| {
        world
            .context
            .store
            .role(role)
            .await
            .unwrap()
            .unwrap()
            .version
    };
    let renew = async || {
        renew_online(&world.context, &Actor::server())
            .await
            .unwrap()
            .signed
    };
    assert!(!renew().await);
    world.pass(86_000);
    assert!(!renew().await);
    world.pass(400);
    assert!(renew().await);
    assert!(!renew().await);
    assert_eq!(
        (version("timestamp").await, version("snapshot").await),
        (2, 1)
    );
    world.pass(61 * 86_400);
    assert!(renew().await);
    assert_eq!(
        (version("timestamp").await, version("snapshot").await),
        (3, 2)
    );
}

#[tokio::test]
async fn a_role_is_renewed_without_a_change() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    world.pass(20 * 86_400);
    let renew = |role: &str| RenewRole {
        role: role.to_owned(),
    };
    for role in ["dev", "targets", "root"] {
        let before = world.call(Roles {}).await.unwrap().roles;
        let change = world.call(renew(role)).await.unwrap();
        assert!(world.sign(&change.pending[0], 0).await.current);
        let after = world.call(Roles {}).await.unwrap().roles;
        let find = |all: &[KeyView]| all.iter().find(|view| view.role == role).cloned().unwrap();
        let (before, after) = (find(&before), find(&after));
        assert_eq!(
            after.expires_s,
            before.expires_s.map(|at| at + 20 * 86_400),
            "{role}"
        );
        assert_eq!(after.keys, before.keys);
    }
    assert_eq!(
        world
            .call(Releases { app: None })
            .await
            .unwrap()
            .releases
            .len(),
        1
    );
    assert_eq!(world.refused(renew("timestamp")).await.0, code::BAD_REQUEST);
    assert_eq!(
        world.refused(renew("rot")).await,
        (code::NO_SUCH_ROLE, "root".to_owned())
    );
}

#[tokio::test]
async fn operations_that_change_take_turns() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    world.node("akwa-1", "douala-akwa", "dev").await;
    let order = || perform(&world.context, &world.actor, world.order("1", "env=dev"));
    let (a, b, c) = tokio::join!(order(), order(), order());
    let mut generations = [a, b, c].map(|done| done.unwrap().nodes[0].generation);
    generations.sort_unstable();
    assert_eq!(generations, [1, 2, 3]);
}
