//! Tokens, nodes, bundles, the doctor, and the socket's names.

use sanaga_proto::code;

use super::*;
use crate::fleet::PollRecord;

#[tokio::test]
async fn a_token_names_everything_and_a_node_is_made_once() {
    let world = World::new(1).await;
    let made = world.token("akwa-1", "douala-akwa", "dev").await.unwrap();
    assert!(made.new_site);
    assert_eq!(made.expires_at_s, START_S + 24 * 3_600);
    let token = Token::from_text(&made.token).unwrap();
    let controller = world.context.store.controller().await.unwrap();
    assert_eq!(
        (token.url, token.repository),
        (controller.url, controller.repository)
    );
    assert_eq!(token.ca_key, world.context.keys.tls_ca.key_digest);
    let known = world
        .context
        .store
        .token(&Digest::of(&token.secret))
        .await
        .unwrap();
    assert!(known.is_some_and(|known| known.used.is_none()));

    world.node("bali-1", "bali", "dev").await;
    let again = world.token("bali-1", "bali", "dev").await.unwrap_err();
    assert_eq!(again.code(), code::NAME_TAKEN);
    let elsewhere = world.token("x", "bali", "prod").await.unwrap_err();
    assert_eq!(elsewhere.code(), code::NO_SUCH_ENVIRONMENT);
}

#[tokio::test]
async fn contact_is_live_late_then_dark_and_evidence_is_separate() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    let node = world.node("akwa-1", "douala-akwa", "dev").await;
    let show = async || {
        let node = node.name.clone();
        world.call(NodeShow { node, receipts: 8 }).await.unwrap()
    };
    assert_eq!(show().await.contact, Contact::Dark);
    world.call(world.order("1", "env=dev")).await.unwrap();
    let record = PollRecord {
        node_key: node.key,
        at_s: START_S,
        agent: "0.1.0".to_owned(),
        root_version: 1,
        apps: vec![sanaga_proto::wire::poll::AppStatus {
            app: "shop".parse().unwrap(),
            root: Some(world.manifest("1").root),
            phase: Some("probation".to_owned()),
            fetched_bytes: None,
            code: None,
        }],
        delivery: None,
    };
    world.context.store.record_poll(record).await.unwrap();
    let view = show().await;
    assert_eq!(view.contact, Contact::Live);
    assert_eq!(view.apps[0].evidence, Evidence::Claimed);
    assert_eq!(view.apps[0].runs, view.apps[0].assigned);
    world.pass(200);
    assert_eq!(show().await.contact, Contact::Late);
    world.pass(86_400);
    assert_eq!(show().await.contact, Contact::Dark);

    let sites = world.call(Sites {}).await.unwrap().sites;
    assert_eq!((sites[0].nodes, sites[0].live), (1, 0));
    let revoke = RevokeNode {
        node: node.name.clone(),
    };
    assert_eq!(world.call(revoke).await.unwrap().contact, Contact::Revoked);
    assert_eq!(
        world.refused(world.order("1", "node=akwa-1")).await.0,
        code::NODE_REFUSED
    );
}

#[tokio::test]
async fn a_bundle_holds_all_that_an_offline_install_needs() {
    let world = World::new(1).await;
    let staged = world.publish("1", "dev").await;
    let node = world.node("akwa-1", "douala-akwa", "dev").await;
    let ask = BundleFiles {
        app: "shop".parse().unwrap(),
        version: "1".parse().unwrap(),
        nodes: vec![node.name.clone()],
    };
    let early = world.call(ask.clone()).await.unwrap();
    assert_eq!(early.not_assigned, std::slice::from_ref(&node.name));
    world.call(world.order("1", "node=akwa-1")).await.unwrap();
    world
        .call(SetHold {
            node: None,
            on: true,
        })
        .await
        .unwrap();
    let list = world.call(ask).await.unwrap();
    assert!(list.not_assigned.is_empty());
    let paths: Vec<&str> = list.files.iter().map(|(path, _)| path.as_str()).collect();
    let mut wanted = vec![
        "tuf/1.root.json".to_owned(),
        "tuf/1.targets.json".to_owned(),
        "tuf/2.dev.json".to_owned(),
        "tuf/2.snapshot.json".to_owned(),
        "tuf/timestamp.json".to_owned(),
        "hold/all".to_owned(),
        format!("assignment/{}", node.key),
        format!("manifest/{}", staged.manifest),
        format!("offer/none-{}", staged.root),
        format!("pack/{}", Digest::of(b"pack of 1")),
    ];
    wanted.retain(|path| !paths.contains(&path.as_str()));
    assert!(wanted.is_empty(), "missing: {wanted:?}");
    assert!(list.files.iter().all(|(_, bytes)| *bytes > 0));
}

#[tokio::test]
async fn the_doctor_lists_the_difference_until_it_is_gone() {
    let look = async |people| {
        World::new(people)
            .await
            .call(Doctor {})
            .await
            .unwrap()
            .findings
    };
    let weak: Vec<String> = look(1)
        .await
        .into_iter()
        .filter_map(|finding| match finding {
            Finding::WeakRole { role, .. } => Some(role),
            Finding::Expired { .. }
            | Finding::ExpiresSoon { .. }
            | Finding::SharedKey { .. }
            | Finding::AuditBroken { .. }
            | Finding::Waiting { .. } => None,
        })
        .collect();
    assert_eq!(weak, ["root", "targets", "production"]);
    // Without a key for the build system, people sign for dev.
    let shared = Finding::SharedKey {
        role: "dev".to_owned(),
    };
    assert!(look(1).await.contains(&shared));
    assert_eq!(look(3).await, [shared]);

    let world = World::new(3).await;
    world.stage("1", "production").await;
    world.pass(25 * 86_400);
    let findings = world.call(Doctor {}).await.unwrap().findings;
    let soon =
        |finding: &Finding| matches!(finding, Finding::ExpiresSoon { role, .. } if role == "dev");
    let waits = |finding: &Finding| matches!(finding, Finding::Waiting { missing: 2, .. });
    assert!(findings.iter().any(soon), "{findings:?}");
    assert!(findings.iter().any(waits), "{findings:?}");
    world.pass(10 * 86_400);
    let findings = world.call(Doctor {}).await.unwrap().findings;
    let expired =
        |finding: &Finding| matches!(finding, Finding::Expired { role, .. } if role == "dev");
    assert!(findings.iter().any(expired), "{findings:?}");
}

#[tokio::test]
async fn unknown_operations_and_missing_rights_are_refused() {
    let world = World::new(1).await;
    let failure = dispatch(&world.context, &world.actor, "asign", b"{}")
        .await
        .unwrap_err();
    assert_eq!(failure.code(), code::BAD_REQUEST);
    let failure = dispatch(&world.context, &world.actor, "assign", b"{")
        .await
        .unwrap_err();
    assert_eq!(failure.code(), code::BAD_REQUEST);
    let mut reader = Actor::owner("eve");
    reader.rights = [Right::Read].into();
    let order = SetHold {
        node: None,
        on: true,
    };
    assert!(perform(&world.context, &reader, order).await.is_err());
    assert!(perform(&world.context, &reader, Sites {}).await.is_ok());
}
