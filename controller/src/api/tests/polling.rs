//! Polls: who may, what they bring, what they cost, and receipts.

use super::*;
use crate::fleet::{
    Batch, Change, Note, Release, StoredAssignment, StoredOffer, first_assignment, path,
    publish_waiting,
};
use crate::ops::renew_online;
use sanaga_proto::manifest::Risk;
use sanaga_proto::wire::assignment::AssignedApp;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;
use sanaga_proto::wire::receipt::{Delivery, Event, EventKind, chain_start};

fn event(kind: EventKind) -> Event {
    Event {
        kind,
        at_s: 5,
        clock_sure: false,
        app: Some("shop".parse().unwrap()),
        version: Some("1".parse().unwrap()),
        root: Some(Digest::of(b"tree 1")),
        generation: Some(2),
        code: None,
        count: None,
        claimed: None,
        received_bytes: None,
        detail: None,
    }
}

/// A delivery of `events` after `before`, signed by `signer`.
fn delivery(
    node: &Node,
    signer: &Node,
    world: &World,
    before: &[Event],
    events: &[Event],
) -> Octets {
    let start = chain_start(&node.key_id(), 1);
    let head = before
        .iter()
        .chain(events)
        .fold(start, |hash, event| event.chain(&hash));
    let root = std::fs::read(world.context.home.public().join("v1/tuf/1.root.json")).unwrap();
    let delivery = Delivery {
        repository: Digest::of(&root),
        node_key: node.key_id(),
        epoch: 1,
        first: before.len() as u64 + 1,
        events: events.to_vec(),
        head,
    };
    Octets(envelope::seal(&delivery, &signer.key).unwrap())
}

impl World {
    /// Publishes `shop@1` by hand, with a full pack of `pack_bytes`, and assigns it to the node.
    async fn assign(&self, node: &Node, pack_bytes: usize) -> (Digest, Vec<u8>) {
        let store = &self.context.store;
        let (manifest, root) = (b"a manifest".to_vec(), Digest::of(b"tree 1"));
        let pack: Vec<u8> = (0..pack_bytes).map(|at| (at * at % 251) as u8).collect();
        let offer = Offer {
            repository: Digest::of(b"repository"),
            base: None,
            root,
            frame_root: Digest::of(&pack),
            pack_bytes: pack.len() as u64,
        };
        let release = Release {
            app: "shop".parse().unwrap(),
            version: "1".parse().unwrap(),
            manifest_digest: Digest::of(&manifest),
            manifest,
            root,
            risk: Risk::Low,
            unpacked_bytes: 1,
            entries: 1,
            published_at_s: 1,
            published_by: "ada".to_owned(),
            placements: vec![],
        };
        let known = store.node_by_key(&node.key_id()).await.unwrap().unwrap();
        let former = store.assignment(&known.name).await.unwrap();
        let controller = store.controller().await.unwrap();
        let mut document = first_assignment(&controller, &[], &known, former.as_ref(), 1);
        document.apps = vec![AssignedApp {
            app: release.app.clone(),
            version: release.version.clone(),
            manifest: release.manifest_digest,
            counter: 1,
            settings: vec![],
            download_bytes_max: None,
            asked: None,
        }];
        let director = self.context.director().await.unwrap();
        let director = director.as_ref();
        let place = path::pack(&offer.frame_root);
        self.context
            .repository
            .put(&place, pack.clone())
            .await
            .unwrap();
        let batch = Batch::new(1, "cli:ada", Note::new("assign", "shop@1"))
            .with(Change::AddRelease(release))
            .with(Change::SetOffer(StoredOffer {
                base: None,
                root,
                frame_root: offer.frame_root,
                pack_bytes: offer.pack_bytes,
                file_bytes: offer.pack_bytes,
                signed: envelope::seal(&offer, director).unwrap(),
            }))
            .with(Change::Assign(StoredAssignment {
                signed: envelope::seal(&document, director).unwrap(),
                document,
                actor: "cli:ada".to_owned(),
            }));
        store.commit(batch).await.unwrap();
        publish_waiting(store.as_ref(), &self.context.repository)
            .await
            .unwrap();
        (offer.frame_root, pack)
    }
}

#[tokio::test]
async fn only_the_node_itself_may_poll() {
    let world = World::new().await;
    let (node, other) = (world.node("akwa-1").await, world.node("akwa-2").await);
    let asks = node.asks();
    let answer = world.post("/v1/poll", asks.to_bytes(), None).await;
    assert_eq!(refused_with(&answer), code::BAD_SIGNATURE);
    let answer = world.poll(&other, &asks).await;
    assert_eq!(refused_with(&answer), code::NOT_FOR_US);
    let answer = world.post("/v1/poll", b"what?".to_vec(), Some(&node)).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.poll(&node, &asks).await.status(), StatusCode::OK);
    let contacts: Vec<bool> = world
        .context
        .store
        .nodes()
        .await
        .unwrap()
        .iter()
        .map(|node| node.contact_at_s.is_some())
        .collect();
    assert_eq!(contacts, [true, false]);
    world.end().await;
}

#[tokio::test]
async fn a_poll_with_little_to_say_costs_little() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    let first = node.hears(&world.poll(&node, &node.asks()).await);
    let names: Vec<&str> = first
        .documents
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "timestamp",
            "snapshot",
            "targets",
            "environment",
            "assignment"
        ]
    );
    assert_eq!(first.absent, ["root/2"]);
    let root = world.context.store.role("root").await.unwrap().unwrap();
    node.held.insert(name::ROOT.to_owned(), root.bytes);
    node.apps = vec![AppStatus {
        app: "shop".parse().unwrap(),
        root: Some(Digest::of(b"tree")),
        phase: Some("committed".to_owned()),
        fetched_bytes: None,
        code: None,
    }];

    let tls = world.tls(Some(&node));
    let ask = || posting("/v1/poll", node.asks().to_bytes());
    let nothing = world.exchange(Arc::clone(&tls), ask()).await;
    assert_eq!(nothing.answer.status(), StatusCode::NO_CONTENT);
    assert!(!nothing.resumed);
    assert!(nothing.http_bytes <= 1_000, "{}", nothing.http_bytes);
    let resumed = world.exchange(Arc::clone(&tls), ask()).await;
    assert_eq!(resumed.answer.status(), StatusCode::NO_CONTENT);
    assert!(resumed.resumed);

    world.pass(86_401);
    assert!(
        renew_online(&world.context, &Actor::server())
            .await
            .unwrap()
            .signed
    );
    let signed = world.exchange(tls, ask()).await;
    assert!(signed.resumed);
    assert!(signed.http_bytes <= 1_000, "{}", signed.http_bytes);
    let heard = node.hears(&signed.answer);
    let names: Vec<&str> = heard
        .documents
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        (names, heard.absent),
        (vec!["timestamp"], vec!["root/2".to_owned()])
    );
    println!(
        "nothing new: {} B, on TCP {} B with a full handshake, {} B resumed; a new timestamp: {} B, on TCP {} B",
        nothing.http_bytes,
        nothing.tcp_bytes,
        resumed.tcp_bytes,
        signed.http_bytes,
        signed.tcp_bytes
    );
    // Two polls a day for a month, each with a new connection.
    assert!(signed.tcp_bytes * 60 <= 150_000, "{}", signed.tcp_bytes);
    world.end().await;
}

#[tokio::test]
async fn an_assigned_release_is_told_with_its_small_pack_inside() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    node.hears(&world.poll(&node, &node.asks()).await);
    let (frame_root, pack) = world.assign(&node, 5_000).await;
    let heard = node.hears(&world.poll(&node, &node.asks()).await);
    let names: Vec<String> = heard
        .documents
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let offer = name::offer(None, &Digest::of(b"tree 1"));
    let manifest = name::manifest(&Digest::of(b"a manifest"));
    assert_eq!(names, ["assignment".to_owned(), manifest, offer]);
    assert_eq!(heard.packs, [(frame_root, Octets(pack))]);
    // All is held now.
    let answer = world.poll(&node, &node.asks()).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    world.end().await;
}

#[tokio::test]
async fn a_node_on_hold_is_not_sent_again_what_it_lists() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    node.hears(&world.poll(&node, &node.asks()).await);
    let root = world.context.store.role("root").await.unwrap().unwrap();
    node.held.insert(name::ROOT.to_owned(), root.bytes);
    world.assign(&node, 5_000).await;
    node.hears(&world.poll(&node, &node.asks()).await);
    let tls = world.tls(Some(&node));
    for phase in ["held", "fetching", "superseded"] {
        node.apps = vec![AppStatus {
            app: "shop".parse().unwrap(),
            root: None,
            phase: Some(phase.to_owned()),
            fetched_bytes: None,
            code: None,
        }];
        let ask = posting("/v1/poll", node.asks().to_bytes());
        let asked = world.exchange(Arc::clone(&tls), ask).await;
        assert_eq!(asked.answer.status(), StatusCode::NO_CONTENT, "{phase}");
        assert!(asked.http_bytes <= 1_000, "{}", asked.http_bytes);
    }
    // An offer that the node does not list comes again, and its pack with it.
    node.held.retain(|name, _| !name.starts_with("offer/"));
    let ask = posting("/v1/poll", node.asks().to_bytes());
    let again = world.exchange(tls, ask).await;
    assert_eq!(node.hears(&again.answer).packs.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_big_pack_is_fetched_by_itself() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    let (frame_root, pack) = world.assign(&node, 20_000).await;
    let heard = node.hears(&world.poll(&node, &node.asks()).await);
    assert!(heard.packs.is_empty());
    let request = Request::get(format!("/v1/pack/{frame_root}"))
        .header("host", "x")
        .body(Full::default())
        .unwrap();
    let got = world.exchange(world.tls(None), request).await.answer;
    assert_eq!(got.body().as_ref(), pack.as_slice());
    world.end().await;
}

#[tokio::test]
async fn receipts_are_kept_before_they_are_acknowledged_and_once() {
    let world = World::new().await;
    let mut node = world.node("akwa-1").await;
    node.hears(&world.poll(&node, &node.asks()).await);
    let events = [event(EventKind::Staged), event(EventKind::Committed)];
    let with = |delivery| Poll {
        delivery: Some(delivery),
        ..node.asks()
    };
    let both = delivery(&node, &node, &world, &[], &events);
    for _ in 0..2 {
        let answer = world.poll(&node, &with(both.clone())).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let receipts = || async {
        let name = "akwa-1".parse().unwrap();
        world
            .context
            .store
            .receipts(&name, 100)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(receipts().await, 2);

    // A gap, a stranger's signature and garbage: nothing is added, and the node learns where it is.
    let stranger = Node::new();
    let longer = [events.clone(), events.clone()].concat();
    let gap = delivery(&node, &node, &world, &longer, &events);
    let forged = delivery(
        &node,
        &stranger,
        &world,
        &events,
        &[event(EventKind::Alarm)],
    );
    for (bad, kept) in [
        (gap, (1, 2)),
        (forged, (1, 2)),
        (Octets(vec![1, 2, 3]), (0, 0)),
    ] {
        let answer = world.poll(&node, &with(bad)).await;
        let held: Vec<&[u8]> = node.held.values().map(Vec::as_slice).collect();
        assert_eq!(answer.status(), StatusCode::OK);
        let answer = poll_body::decode(answer.body(), &held).unwrap();
        assert_eq!(answer.acknowledged, Some(kept));
    }
    assert_eq!(receipts().await, 2);
    let name = "akwa-1".parse().unwrap();
    let problem = |world: &World| {
        let store = Arc::clone(&world.context.store);
        async move { store.node(&name).await.unwrap().unwrap().receipts_problem }
    };
    assert!(problem(&world).await.is_some());
    // The chain goes on where it was.
    let next = delivery(&node, &node, &world, &events, &[event(EventKind::Alarm)]);
    let answer = world.poll(&node, &with(next)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(receipts().await, 3);
    world.end().await;
}

#[tokio::test]
async fn reqwest_resumes_its_sessions() {
    let world = World::new().await;
    let node = world.node("akwa-1").await;
    let tls = world.tls(Some(&node));
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(Arc::unwrap_or_clone(Arc::clone(&tls)))
        .http1_only()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    let url = format!("https://{}/v1/poll", world.address);
    let answer = client
        .post(&url)
        .body(node.asks().to_bytes())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.bytes().await.unwrap();
    // The clone shares its sessions with this configuration: the ticket is there to be used.
    let again = world
        .exchange(tls, posting("/v1/poll", node.asks().to_bytes()))
        .await;
    assert!(again.resumed);
    assert_eq!(again.answer.status(), StatusCode::OK);
    world.end().await;
}
