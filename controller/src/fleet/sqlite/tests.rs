//! The store against its promises: what follows what, what is refused, and what survives.

use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::Risk;
use sanaga_proto::trust::{KeyKind, MemorySigner, Signer as _};
use sanaga_proto::wire::assignment::{AssignedApp, Assignment, SettingValue};
use sanaga_proto::wire::envelope;
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::poll::{AppStatus, name, short_digest};
use sanaga_proto::wire::receipt::{Delivery, Event, EventKind, chain_start};

use super::*;
use crate::fleet::{
    Change, Note, Placement, Price, RoleFile, Scope, TokenUse, audit_hash, publish_waiting,
};
use crate::repository::Repository;

struct World {
    folder: tempfile::TempDir,
    store: Sqlite,
    director: MemorySigner,
    node_key: MemorySigner,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("controller.db")).unwrap();
        let key = || MemorySigner::generate(KeyKind::Ed25519).unwrap();
        let world = Self {
            folder,
            store,
            director: key(),
            node_key: key(),
        };
        let controller = Controller {
            name: "Pharma Plus".to_owned(),
            url: "https://localhost:8443".to_owned(),
            repository: Digest::of(b"1.root.json"),
            price: Price {
                thousandths_per_mb: 1_500,
                currency: "XAF".to_owned(),
            },
            content_urls: vec![],
            created_at_s: 1,
        };
        let environment = Environment {
            name: "dev".parse().unwrap(),
            poll_interval_s: 60,
            download_bytes_max: None,
        };
        world
            .commit([
                Change::SetController(controller),
                Change::SetEnvironment(environment),
                Change::AddToken(world.token("akwa-1")),
            ])
            .await
            .unwrap();
        world
    }

    async fn commit(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), StoreError> {
        let mut batch = Batch::new(10, "cli:ada", Note::new("test", "world"));
        batch.changes = changes.into_iter().collect();
        self.store.commit(batch).await
    }

    fn token(&self, node: &str) -> EnrolToken {
        EnrolToken {
            secret_hash: Digest::of(node.as_bytes()),
            node: node.parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            created_at_s: 2,
            expires_at_s: 100,
            used: None,
        }
    }

    fn public_key(&self) -> [u8; 32] {
        self.node_key.public().raw().try_into().unwrap()
    }

    fn key_id(&self) -> Digest {
        Digest::of(&self.public_key())
    }

    fn assignment(&self, generation: u64, apps: Vec<AssignedApp>) -> StoredAssignment {
        let document = Assignment {
            repository: Digest::of(b"1.root.json"),
            environment: "dev".parse().unwrap(),
            node: "akwa-1".parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            node_key: self.key_id(),
            generation,
            issued_at_s: 20,
            poll_interval_s: 60,
            content_urls: vec![],
            apps,
        };
        StoredAssignment {
            signed: envelope::seal(&document, &self.director).unwrap(),
            document,
            actor: "cli:ada".to_owned(),
        }
    }

    fn enrolment(&self) -> Enrolment {
        Enrolment {
            secret_hash: Digest::of(b"akwa-1"),
            used: TokenUse {
                at_s: 30,
                node_key: self.key_id(),
                csr: Digest::of(b"csr"),
                welcome: b"welcome".to_vec(),
            },
            node: Node {
                name: "akwa-1".parse().unwrap(),
                site: "douala-akwa".parse().unwrap(),
                environment: "dev".parse().unwrap(),
                key: self.key_id(),
                public_key: self.public_key(),
                certificate_serial: vec![1],
                certificate_expires_at_s: 1_000,
                enrolled_at_s: 30,
                revoked_at_s: None,
                contact_at_s: None,
                agent: None,
                root_version: None,
                receipts_problem: None,
            },
            assignment: self.assignment(1, vec![]),
        }
    }

    fn release(&self, version: &str, manifest: &[u8]) -> Release {
        Release {
            app: "shop".parse().unwrap(),
            version: version.parse().unwrap(),
            manifest: manifest.to_vec(),
            manifest_digest: Digest::of(manifest),
            root: Digest::of(version.as_bytes()),
            risk: Risk::Low,
            unpacked_bytes: 10,
            entries: 1,
            published_at_s: 5,
            published_by: "ada".to_owned(),
            placements: vec![],
        }
    }

    fn record(&self, delivery: Option<Delivery>) -> PollRecord {
        PollRecord {
            node_key: self.key_id(),
            at_s: 50,
            agent: "0.1.0".to_owned(),
            root_version: 1,
            apps: vec![],
            delivery: delivery.map(Ok),
        }
    }
}

fn event(kind: EventKind, version: &str) -> Event {
    Event {
        kind,
        at_s: 5,
        clock_sure: false,
        app: Some("shop".parse().unwrap()),
        version: Some(version.parse().unwrap()),
        root: Some(Digest::of(version.as_bytes())),
        generation: Some(1),
        code: None,
        count: None,
        claimed: None,
        received_bytes: None,
        detail: None,
    }
}

/// A delivery of `events` from number `first` on, of a chain that began with `before`.
fn delivery(node_key: Digest, before: &[Event], events: &[Event]) -> Delivery {
    let start = chain_start(&node_key, 1);
    let chain = before.iter().chain(events);
    Delivery {
        repository: Digest::of(b"1.root.json"),
        node_key,
        epoch: 1,
        first: before.len() as u64 + 1,
        events: events.to_vec(),
        head: chain.fold(start, |hash, event| event.chain(&hash)),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_opening_again() {
    let world = World::new().await;
    let controller = world.store.controller().await.unwrap();
    assert_eq!(controller.price.to_string(), "1.5 XAF/MB");
    let World { folder, store, .. } = world;
    drop(store);
    let store = Sqlite::open(&folder.path().join("controller.db")).unwrap();
    assert_eq!(store.controller().await.unwrap(), controller);
    assert_eq!(store.sites().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_or_foreign_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("controller.db");
    drop(Sqlite::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(
        Sqlite::open(&path),
        Err(StoreError::TooNew { found: 99, .. })
    ));
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    assert!(matches!(
        Sqlite::open(&foreign),
        Err(StoreError::Damaged { .. })
    ));
    std::fs::write(folder.path().join("text"), [7; 8_192]).unwrap();
    assert!(matches!(
        Sqlite::open(&folder.path().join("text")),
        Err(StoreError::Damaged { .. })
    ));
    let absent = folder.path().join("absent/controller.db");
    assert!(matches!(
        Sqlite::open(&absent),
        Err(StoreError::NotWritable { .. })
    ));
}

#[tokio::test]
async fn a_batch_is_whole_or_nothing_and_takes_no_other_with_it() {
    let world = World::new().await;
    let role = |version| {
        Change::PublishRole(RoleFile {
            role: "root".to_owned(),
            version,
            bytes: format!("root {version}").into_bytes(),
            at_s: 1,
        })
    };
    let site = Change::AddSite(Site {
        name: "edea".parse().unwrap(),
        created_at_s: 1,
    });
    let (bad, good) = tokio::join!(world.commit([site, role(2)]), world.commit([role(1)]));
    assert!(matches!(bad, Err(StoreError::Conflict { .. })));
    good.unwrap();
    assert_eq!(world.store.sites().await.unwrap().len(), 1);
    world.commit([role(2), role(3)]).await.unwrap();
    assert_eq!(world.store.role("root").await.unwrap().unwrap().version, 3);
    let second = world.store.role_version("root", 2).await.unwrap().unwrap();
    assert_eq!(second.bytes, b"root 2");
    assert_eq!(world.store.roles().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_is_good_for_one_node_key() {
    let world = World::new().await;
    let enrolment = world.enrolment();
    let redeem = |enrolment: Enrolment| world.store.redeem(enrolment);
    assert_eq!(redeem(enrolment.clone()).await.unwrap(), Redeemed::Enrolled);
    assert_eq!(redeem(enrolment.clone()).await.unwrap(), Redeemed::Enrolled);
    let mut other = enrolment.clone();
    other.used.node_key = Digest::of(b"another");
    let refused = redeem(other).await.unwrap();
    assert_eq!(refused, Redeemed::UsedBefore(enrolment.used.clone()));
    let mut unknown = enrolment.clone();
    unknown.secret_hash = Digest::of(b"no such token");
    assert_eq!(redeem(unknown).await.unwrap(), Redeemed::Unknown);
    let node = world.store.node_by_key(&world.key_id()).await.unwrap();
    assert_eq!(node, Some(enrolment.node));
    let given = world.store.assignments(&"akwa-1".parse().unwrap()).await;
    assert_eq!(given.unwrap(), vec![enrolment.assignment]);
}

#[tokio::test]
async fn assignments_holds_and_counters_only_go_up() {
    let world = World::new().await;
    world.store.redeem(world.enrolment()).await.unwrap();
    let assign = |generation| world.commit([Change::Assign(world.assignment(generation, vec![]))]);
    assert!(matches!(assign(1).await, Err(StoreError::Conflict { .. })));
    assert!(matches!(assign(3).await, Err(StoreError::Conflict { .. })));
    assign(2).await.unwrap();
    let hold = |number, on| {
        let document = Hold {
            repository: Digest::of(b"1.root.json"),
            node_key: None,
            number,
            on,
        };
        world.commit([Change::SetHold(StoredHold {
            signed: envelope::seal(&document, &world.director).unwrap(),
            document,
            at_s: 1,
            actor: "cli:ada".to_owned(),
        })])
    };
    hold(5, true).await.unwrap();
    assert!(matches!(
        hold(5, false).await,
        Err(StoreError::Conflict { .. })
    ));
    hold(6, false).await.unwrap();
    let holds = world.store.holds().await.unwrap();
    assert_eq!(holds.len(), 1);
    assert!(!holds[0].document.on);
    let place = |version: &str, counter| Change::Place {
        app: "shop".parse().unwrap(),
        version: version.parse().unwrap(),
        placement: Placement {
            environment: "dev".parse().unwrap(),
            counter,
            allow_downgrade_from: None,
            at_s: 1,
            actor: "ada".to_owned(),
        },
    };
    let release = |version, manifest| Change::AddRelease(world.release(version, manifest));
    world
        .commit([release("1", b"m1"), place("1", 1), release("2", b"m2")])
        .await
        .unwrap();
    for bad in [place("2", 1), release("1", b"other content")] {
        assert!(matches!(
            world.commit([bad]).await,
            Err(StoreError::Conflict { .. })
        ));
    }
    world
        .commit([release("1", b"m1"), place("2", 2)])
        .await
        .unwrap();
    let releases = world.store.releases().await.unwrap();
    assert_eq!(releases.len(), 2);
    assert_eq!(releases[1].placements[0].counter, 2);
}

#[tokio::test]
async fn receipts_are_counted_once_and_gaps_refused() {
    let world = World::new().await;
    world.store.redeem(world.enrolment()).await.unwrap();
    let key = world.key_id();
    let take = |delivery| world.store.record_poll(world.record(Some(delivery)));
    let first = [
        event(EventKind::Staged, "1"),
        event(EventKind::Committed, "1"),
    ];
    let kept = take(delivery(key, &[], &first)).await.unwrap();
    assert_eq!((kept.acknowledged, kept.added), (Some((1, 2)), 2));
    // The answer was lost: the same comes again, with one more.
    let more = [first.as_slice(), &[event(EventKind::Committed, "2")]].concat();
    let kept = take(delivery(key, &[], &more)).await.unwrap();
    assert_eq!((kept.acknowledged, kept.added), (Some((1, 3)), 1));
    let kept = take(delivery(key, &[], &more)).await.unwrap();
    assert_eq!((kept.acknowledged, kept.added), (Some((1, 3)), 0));
    // Number 4 is missing; the chain has its own idea of number 3; the head is wrong.
    let five = [more.as_slice(), &[event(EventKind::Booted, "2")]].concat();
    let gap = delivery(key, &five, &[event(EventKind::Alarm, "2")]);
    let fork = delivery(key, &first, &[event(EventKind::Alarm, "9")]);
    let mut wrong = delivery(key, &more, &[event(EventKind::Alarm, "2")]);
    wrong.head = Digest::of(b"wrong");
    for bad in [gap, fork, wrong] {
        let kept = take(bad).await.unwrap();
        assert_eq!((kept.acknowledged, kept.added), (Some((1, 3)), 0));
        assert!(kept.problem.is_some());
    }
    let node: NodeName = "akwa-1".parse().unwrap();
    assert_eq!(world.store.receipts(&node, 10).await.unwrap().len(), 3);
    assert!(
        world
            .store
            .node(&node)
            .await
            .unwrap()
            .unwrap()
            .receipts_problem
            .is_some()
    );
    let apps = world.store.node_apps(Some(&node)).await.unwrap();
    let installed = |apps: &[NodeApp]| apps[0].receipted.clone().unwrap().installed.unwrap().0;
    assert_eq!(installed(&apps).as_str(), "2");
    let back = [event(EventKind::RolledBack, "2")];
    take(delivery(key, &more, &back)).await.unwrap();
    let apps = world.store.node_apps(None).await.unwrap();
    assert_eq!(installed(&apps).as_str(), "1");
    let trees = world
        .store
        .running_roots(&"shop".parse().unwrap(), None)
        .await;
    assert_eq!(trees.unwrap(), vec![(Digest::of(b"1"), 1)]);
    let node = world.store.node(&node).await.unwrap().unwrap();
    assert_eq!((node.receipts_problem, node.contact_at_s), (None, Some(50)));
}

#[tokio::test]
async fn claims_take_the_place_of_former_claims_and_prove_nothing() {
    let world = World::new().await;
    world.store.redeem(world.enrolment()).await.unwrap();
    let status = |app: &str| AppStatus {
        app: app.parse().unwrap(),
        root: Some(Digest::of(app.as_bytes())),
        phase: Some("idle".to_owned()),
        fetched_bytes: None,
        code: None,
    };
    for apps in [vec![status("shop"), status("till")], vec![status("till")]] {
        let mut record = world.record(None);
        record.apps = apps;
        world.store.record_poll(record).await.unwrap();
    }
    let apps = world.store.node_apps(None).await.unwrap();
    let claimed: Vec<bool> = apps.iter().map(|app| app.claim.is_some()).collect();
    assert_eq!(claimed, [false, true]);
    assert!(apps.iter().all(|app| app.receipted.is_none()));
    let mut claimed = event(EventKind::Committed, "1");
    claimed.claimed = Some(true);
    let record = world.record(Some(delivery(world.key_id(), &[], &[claimed])));
    assert_eq!(world.store.record_poll(record).await.unwrap().added, 1);
    let apps = world.store.node_apps(None).await.unwrap();
    assert!(apps.iter().all(|app| app.receipted.is_none()));
}

#[tokio::test]
async fn a_poll_sees_what_is_there_for_its_node() {
    let world = World::new().await;
    world.store.redeem(world.enrolment()).await.unwrap();
    let release = world.release("1", b"manifest");
    let assigned = AssignedApp {
        app: release.app.clone(),
        version: release.version.clone(),
        manifest: release.manifest_digest,
        counter: 1,
        settings: vec![],
        download_bytes_max: None,
        asked: None,
    };
    let offer = |base: Option<&[u8]>, bytes: &[u8]| {
        Change::SetOffer(StoredOffer {
            base: base.map(Digest::of),
            root: release.root,
            frame_root: Digest::of(bytes),
            pack_bytes: 5,
            file_bytes: 5,
            signed: bytes.to_vec(),
        })
    };
    world
        .commit([
            Change::AddRelease(release.clone()),
            offer(None, b"full"),
            offer(Some(b"old"), b"patch"),
            offer(Some(b"other"), b"not for us"),
            Change::Assign(world.assignment(2, vec![assigned])),
        ])
        .await
        .unwrap();
    let facts = world
        .store
        .poll_facts(PollQuery {
            node_key: world.key_id(),
            root_version: 1,
            running: [(release.app.clone(), vec![Digest::of(b"old")])].into(),
        })
        .await
        .unwrap();
    assert_eq!(facts.assigned.len(), 1);
    assert_eq!(facts.assigned[0].offers.len(), 2);
    assert_eq!(
        facts.named.keys().copied().collect::<Vec<_>>(),
        [name::ASSIGNMENT]
    );
    let signed = world.assignment(1, vec![]).signed;
    let old = world
        .store
        .documents_by_short(&[short_digest(&signed), [9; 8]])
        .await
        .unwrap();
    assert_eq!(old, [Some(signed), None]);
}

#[tokio::test]
async fn what_is_committed_is_published_in_order_and_once() {
    let world = World::new().await;
    world.store.redeem(world.enrolment()).await.unwrap();
    let release = world.release("1", b"manifest");
    world.commit([Change::AddRelease(release)]).await.unwrap();
    let waiting = world.store.waiting(10).await.unwrap();
    let paths: Vec<&str> = waiting.iter().map(|file| file.path.as_str()).collect();
    let (key, digest) = (world.key_id(), Digest::of(b"manifest"));
    assert_eq!(
        paths,
        [format!("assignment/{key}"), format!("manifest/{digest}")]
    );
    let repository = Repository::local(&world.folder.path().join("public")).unwrap();
    assert_eq!(publish_waiting(&world.store, &repository).await.unwrap(), 2);
    assert_eq!(publish_waiting(&world.store, &repository).await.unwrap(), 0);
    let read = repository.get(&format!("manifest/{digest}"), 100).await;
    assert_eq!(read.unwrap().unwrap().as_ref(), b"manifest");
}

#[tokio::test]
async fn settings_and_the_audit_log() {
    let world = World::new().await;
    let setting = Setting {
        scope: Scope::Site("douala-akwa".parse().unwrap()),
        app: "shop".parse().unwrap(),
        name: "port".parse().unwrap(),
        value: SettingValue::Integer(-8080),
    };
    world
        .commit([Change::SetSetting(setting.clone())])
        .await
        .unwrap();
    assert_eq!(world.store.settings().await.unwrap(), vec![setting.clone()]);
    let drop_it = Change::DropSetting {
        scope: setting.scope,
        app: setting.app,
        name: setting.name,
    };
    world.commit([drop_it]).await.unwrap();
    assert!(world.store.settings().await.unwrap().is_empty());

    let entries = world.store.audit(0, 10).await.unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(world.store.audit_break().await.unwrap(), None);
    let first = &entries[0];
    let zero = Digest([0; 32]);
    assert_eq!(first.hash, audit_hash(&zero, 1, 10, "cli:ada", &first.note));
    let db = Connection::open(world.folder.path().join("controller.db")).unwrap();
    db.execute("UPDATE audit SET actor = 'nobody' WHERE number = 2", [])
        .unwrap();
    assert_eq!(world.store.audit_break().await.unwrap(), Some(2));
}
