//! Releases that migrate data, on their way to production.

use sanaga_proto::code;
use sanaga_proto::manifest::{DataSection, MigrateSection};
use sanaga_proto::wire::receipt::{Delivery, Event, EventKind, chain_start};

use super::*;
use crate::fleet::PollRecord;

/// `shop@1` with a migration, or without.
fn request(world: &World, version: &str, environment: &str, migrates: bool) -> StageRelease {
    let mut manifest = world.manifest(version);
    manifest.data = Some(DataSection {
        sqlite: vec!["shop.db".to_owned()],
        ..DataSection::default()
    });
    manifest.migrate = migrates.then(|| MigrateSection {
        command: vec!["bin/migrate".to_owned()],
        timeout_s: None,
    });
    StageRelease {
        manifest: manifest.to_bytes(),
        ..world.stage_request(version, environment)
    }
}

fn promote(reason: Option<&str>) -> Promote {
    Promote {
        app: "shop".parse().unwrap(),
        version: "1".parse().unwrap(),
        environment: "production".parse().unwrap(),
        allow_downgrade_from: Vec::new(),
        without_rehearsal: reason.map(str::to_owned),
    }
}

async fn missing(world: &World) -> String {
    let failure = world.call(promote(None)).await.unwrap_err();
    assert_eq!(failure.code(), code::NOT_REHEARSED);
    failure.args().get("missing").cloned().unwrap()
}

impl World {
    /// A node tells of these events of `shop@1`, from the first on.
    async fn hear(&self, node: &Node, kinds: &[EventKind], claimed: bool) {
        let version: sanaga_proto::ids::Version = "1".parse().unwrap();
        let events: Vec<Event> = kinds
            .iter()
            .map(|kind| Event {
                kind: *kind,
                at_s: START_S,
                clock_sure: true,
                app: Some("shop".parse().unwrap()),
                version: Some(version.clone()),
                root: Some(self.manifest("1").root),
                generation: Some(1),
                code: None,
                count: None,
                claimed: claimed.then_some(true),
                received_bytes: None,
                detail: None,
            })
            .collect();
        let start = chain_start(&node.key, 1);
        let delivery = Delivery {
            repository: self.context.repository_id().await.unwrap(),
            node_key: node.key,
            epoch: 1,
            first: 1,
            head: events.iter().fold(start, |hash, event| event.chain(&hash)),
            events,
        };
        let record = PollRecord {
            node_key: node.key,
            at_s: START_S,
            agent: "0.1.0".to_owned(),
            root_version: 1,
            apps: Vec::new(),
            delivery: Some(Ok(delivery)),
        };
        let kept = self.context.store.record_poll(record).await.unwrap();
        assert_eq!(kept.problem, None);
    }

    async fn rehearsal(&self) -> Option<Rehearsal> {
        let show = ShowRelease {
            app: "shop".parse().unwrap(),
            version: "1".parse().unwrap(),
        };
        self.call(show).await.unwrap().rehearsal
    }
}

#[tokio::test]
async fn a_migration_is_rehearsed_before_production() {
    use EventKind::{Committed, Migrated, RolledBack};
    let world = World::new(1).await;
    let staged = world
        .call(request(&world, "1", "staging", true))
        .await
        .unwrap();
    world.sign(staged.waits.as_ref().unwrap(), 0).await;
    assert_eq!(
        missing(&world).await,
        "a committed migration, a roll back of it"
    );
    // Publishing there at once is no way around.
    let at_once = request(&world, "1", "production", true);
    assert_eq!(world.refused(at_once).await.0, code::NOT_REHEARSED);

    // What other environments show, what is only claimed, and what did not follow the migration.
    let dev = world.node("dev-1", "bali", "dev").await;
    world
        .hear(&dev, &[Migrated, Committed, RolledBack], false)
        .await;
    let claims = world.node("claims-1", "bali", "staging").await;
    world
        .hear(&claims, &[Migrated, Committed, RolledBack], true)
        .await;
    let first = world.node("staging-1", "bali", "staging").await;
    world.hear(&first, &[RolledBack, Committed], false).await;
    assert_eq!(
        missing(&world).await,
        "a committed migration, a roll back of it"
    );

    let second = world.node("staging-2", "bali", "staging").await;
    world.hear(&second, &[Migrated, Committed], false).await;
    assert_eq!(missing(&world).await, "a roll back of it");
    let shown = world.rehearsal().await.unwrap();
    assert!(shown.committed && !shown.rolled_back);
    world
        .hear(&second, &[Migrated, Committed, RolledBack], false)
        .await;
    assert!(world.rehearsal().await.unwrap().missing().is_empty());
    assert!(world.call(promote(None)).await.unwrap().waits.is_some());
}

#[tokio::test]
async fn whoever_goes_without_a_rehearsal_stands_in_the_audit_log() {
    let world = World::new(1).await;
    let staged = world
        .call(request(&world, "1", "staging", true))
        .await
        .unwrap();
    world.sign(staged.waits.as_ref().unwrap(), 0).await;
    let failure = world.call(promote(Some(" "))).await.unwrap_err();
    assert_eq!(failure.code(), code::NOT_REHEARSED);
    let reason = "the till stands still";
    assert!(
        world
            .call(promote(Some(reason)))
            .await
            .unwrap()
            .waits
            .is_some()
    );
    let audit = world.context.store.audit(0, 1_000).await.unwrap();
    let entry = audit
        .iter()
        .find(|entry| entry.note.action == "promote without rehearsal");
    assert_eq!(entry.unwrap().note.after.as_deref(), Some(reason));
}

#[tokio::test]
async fn what_migrates_nothing_needs_no_rehearsal() {
    let world = World::new(1).await;
    let staged = world
        .call(request(&world, "1", "staging", false))
        .await
        .unwrap();
    world.sign(staged.waits.as_ref().unwrap(), 0).await;
    assert_eq!(world.rehearsal().await, None);
    assert!(world.call(promote(None)).await.unwrap().waits.is_some());
}
