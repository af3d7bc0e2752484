//! Enrolment and renewal.

use super::*;
use crate::fleet::path;
use crate::ops::RevokeNode;
use sanaga_proto::wire::assignment::Assignment;
use sanaga_proto::wire::enrol::RenewRequest;

fn renewal(node: &Node) -> RenewRequest {
    RenewRequest {
        node_key: node.key_id(),
        nonce: [7; 16],
        csr: node.csr(),
    }
}

#[tokio::test]
async fn a_node_joins_and_a_lost_answer_is_given_again() {
    let world = World::new().await;
    let token = world.token("akwa-1", false).await;
    let node = Node::new();
    let request = node.enrol(&token);
    let answer = world.post("/v1/enroll", request.clone(), None).await;
    let first = welcome(&answer);
    assert_eq!(
        Digest::of(&first.root.as_ref().unwrap().0),
        token.repository
    );
    assert_eq!(first.ca.0, world.ca);
    let certificate = CertificateDer::from(first.certificate.0.clone());
    let identity = authority::identity(&certificate).unwrap();
    assert_eq!(identity.node_key, node.key_id());

    let again = world.post("/v1/enroll", request, None).await;
    assert_eq!(again.body(), answer.body());
    // With another certificate request the same node gets another certificate, after weeks too.
    world.pass(30 * 86_400);
    let mut renewed = Node::new();
    renewed.key = node.key;
    let other = welcome(&world.post("/v1/enroll", renewed.enrol(&token), None).await);
    assert_ne!(other.certificate, first.certificate);
    renewed.certificate = other.certificate.0;
    assert_eq!(
        world.poll(&renewed, &renewed.asks()).await.status(),
        StatusCode::OK
    );

    let published = path::assignment(&renewed.key_id());
    let read = world
        .context
        .repository
        .get(&published, 10_000)
        .await
        .unwrap();
    let assignment: Assignment = envelope::open(
        &read.unwrap(),
        &[&world.context.keys.public("director").unwrap()],
    )
    .unwrap();
    assert_eq!((assignment.generation, assignment.apps.len()), (0, 0));
    assert_eq!(assignment.poll_interval_s, 60);
    world.end().await;
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_by_their_codes() {
    let world = World::new().await;
    let (used, mut unknown) = (
        world.token("akwa-1", false).await,
        world.token("akwa-2", false).await,
    );
    let late = unknown.clone();
    let (first, second) = (Node::new(), Node::new());
    welcome(&world.post("/v1/enroll", first.enrol(&used), None).await);
    let answer = world.post("/v1/enroll", second.enrol(&used), None).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let (code, words) = refusal(&answer);
    assert_eq!(code, code::TOKEN_USED);
    assert_eq!(words["node"], "akwa-1");
    assert_eq!(words["site"], "douala-akwa");
    assert!(words["used"].ends_with('Z'));
    unknown.secret = [1; 16];
    let answer = world.post("/v1/enroll", second.enrol(&unknown), None).await;
    assert_eq!(refused_with(&answer), code::TOKEN_UNKNOWN);
    // The key of a node cannot join as another.
    let answer = world.post("/v1/enroll", first.enrol(&late), None).await;
    assert_eq!(refused_with(&answer), code::ALREADY_ENROLLED);
    world.pass(25 * 3_600);
    let answer = world.post("/v1/enroll", second.enrol(&late), None).await;
    assert_eq!(refused_with(&answer), code::TOKEN_EXPIRED);
    assert_eq!(world.context.store.nodes().await.unwrap().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn requests_that_do_not_read_or_are_not_signed_change_nothing() {
    let world = World::new().await;
    let token = world.token("akwa-1", false).await;
    let (node, other) = (Node::new(), Node::new());
    let mut request = EnrolRequest {
        secret: token.secret,
        node_key: node.public_key(),
        csr: node.csr(),
    };
    let forged = envelope::seal(&request, &other.key).unwrap();
    let answer = world.post("/v1/enroll", forged, None).await;
    assert_eq!(refused_with(&answer), code::BAD_SIGNATURE);
    // The certificate request must be signed by its own key.
    if let Some(last) = request.csr.0.last_mut() {
        *last ^= 1;
    }
    let bad_csr = envelope::seal(&request, &node.key).unwrap();
    for body in [bad_csr, b"not a request".to_vec(), vec![]] {
        let answer = world.post("/v1/enroll", body, None).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(refusal(&answer).0, code::BAD_METADATA);
    }
    let answer = world.post("/v1/enroll", vec![0; 20_000], None).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refusal(&answer).0, code::TOO_BIG);
    assert!(world.context.store.nodes().await.unwrap().is_empty());
    // The token is still good.
    welcome(&world.post("/v1/enroll", node.enrol(&token), None).await);
    world.end().await;
}

#[tokio::test]
async fn months_in_the_dark_heal_and_a_revoked_key_does_not() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    world.pass(400 * 86_400);
    let answer = world.poll(&node, &node.asks()).await;
    let (code, words) = refusal(&answer);
    assert_eq!(
        (code, words["role"].as_str()),
        (code::EXPIRED, "certificate")
    );
    // No certificate is needed, and the expired one does no harm.
    let sealed = envelope::seal(&renewal(&node), &node.key).unwrap();
    for with in [None, Some(&node)] {
        welcome(&world.post("/v1/renew", sealed.clone(), with).await);
    }
    let renewed = welcome(&world.post("/v1/renew", sealed.clone(), None).await);
    assert_eq!(renewed.root, None);
    node.certificate = renewed.certificate.0;
    assert_eq!(
        world.poll(&node, &node.asks()).await.status(),
        StatusCode::OK
    );

    let stranger = Node::new();
    let forged = envelope::seal(&renewal(&node), &stranger.key).unwrap();
    let answer = world.post("/v1/renew", forged, None).await;
    assert_eq!(refused_with(&answer), code::BAD_SIGNATURE);
    let unknown = envelope::seal(&renewal(&stranger), &stranger.key).unwrap();
    let answer = world.post("/v1/renew", unknown, None).await;
    assert_eq!(refused_with(&answer), code::NODE_REFUSED);

    let request = RevokeNode {
        node: "akwa-1".parse().unwrap(),
    };
    perform(&world.context, &Actor::owner("ada"), request)
        .await
        .unwrap();
    assert_eq!(
        refused_with(&world.poll(&node, &node.asks()).await),
        code::NODE_REFUSED
    );
    let answer = world.post("/v1/renew", sealed, None).await;
    assert_eq!(refused_with(&answer), code::NODE_REFUSED);
    world.end().await;
}

#[tokio::test]
async fn a_machine_that_takes_the_place_of_another_keeps_its_apps() {
    let world = World::new().await;
    let old = world.node("akwa-1").await;
    let token = world.token("akwa-1", true).await;
    let new = Node::new();
    welcome(&world.post("/v1/enroll", new.enrol(&token), None).await);
    assert_eq!(
        refused_with(&world.poll(&old, &old.asks()).await),
        code::NODE_REFUSED
    );
    let name = "akwa-1".parse().unwrap();
    let given = world.context.store.assignments(&name).await.unwrap();
    assert_eq!(given.len(), 2);
    assert_eq!(given[0].document.generation, 1);
    assert_eq!(given[0].document.node_key, new.key_id());
    world.end().await;
}
