//! Assigning, settings, holds.

use sanaga_proto::code;
use sanaga_proto::wire::assignment::{AssignedApp, Assignment};
use sanaga_proto::wire::envelope;
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::offer::Offer;

use super::*;
use crate::fleet::path;

impl World {
    /// The assignment that a node would fetch, checked as a node does.
    async fn assignment(&self, node: &Node) -> Assignment {
        let at = path::assignment(&node.key);
        let bytes = self
            .context
            .repository
            .get(&at, 100_000)
            .await
            .unwrap()
            .unwrap();
        envelope::open(&bytes, &[&self.director()]).unwrap()
    }

    fn director(&self) -> PublicKey {
        self.context.keys.public("director").unwrap()
    }

    async fn app(&self, node: &Node) -> AssignedApp {
        self.assignment(node).await.apps.remove(0)
    }

    fn setting(&self, value: Option<&str>, to: &str) -> SetSetting {
        SetSetting {
            app: "shop".parse().unwrap(),
            name: "port".parse().unwrap(),
            value: value.map(str::to_owned),
            to: to.parse().unwrap(),
            dry_run: false,
        }
    }
}

#[tokio::test]
async fn an_order_says_what_it_costs_and_writes_one_generation_for_each_node() {
    let world = World::new(1).await;
    let staged = world.publish("1", "dev").await;
    let one = world.node("akwa-1", "douala-akwa", "dev").await;
    let two = world.node("akwa-2", "douala-akwa", "dev").await;
    let three = world.node("bonapriso-1", "bonapriso", "dev").await;

    let dry = Assign {
        dry_run: true,
        ..world.order("1", "site=douala-akwa")
    };
    let plan = world.call(dry).await.unwrap();
    assert_eq!(plan.nodes.len(), 2);
    assert_eq!(
        (plan.price.as_str(), plan.currency.as_str()),
        ("1.0 XAF/MB", "XAF")
    );
    assert_eq!(plan.nodes[0].download_bytes, b"pack of 1".len() as u64);
    let store = &world.context.store;
    assert_eq!(store.assignments(&one.name).await.unwrap().len(), 1);

    let done = world
        .call(world.order("1", "site=douala-akwa"))
        .await
        .unwrap();
    assert_eq!(done.nodes[1].generation, 1);
    for node in [&one, &two] {
        let assignment = world.assignment(node).await;
        assert_eq!((assignment.generation, assignment.poll_interval_s), (1, 60));
        let app = &assignment.apps[0];
        assert_eq!((app.counter, app.manifest), (1, staged.manifest));
    }
    assert!(
        store
            .assignment(&three.name)
            .await
            .unwrap()
            .unwrap()
            .document
            .apps
            .is_empty()
    );
}

#[tokio::test]
async fn orders_that_cannot_be_are_refused_with_the_name_that_was_meant() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    world.publish("2", "dev").await;
    world.node("akwa-1", "douala-akwa", "dev").await;
    world.node("deido-1", "deido", "staging").await;
    for (version, to, code, near) in [
        ("1", "site=duala-akwa", code::NO_SUCH_SITE, "douala-akwa"),
        ("1", "node=akwa-2", code::NO_SUCH_NODE, "akwa-1"),
        ("1", "env=prod", code::NO_SUCH_ENVIRONMENT, ""),
        ("1", "env=production", code::NOBODY, ""),
        ("1", "node=deido-1", code::NOT_IN_ENVIRONMENT, ""),
        ("9", "node=akwa-1", code::NO_SUCH_RELEASE, "shop@1"),
    ] {
        let refused = world.refused(world.order(version, to)).await;
        assert_eq!(refused, (code, near.to_owned()), "{version} {to}");
    }
    world.call(world.order("2", "node=akwa-1")).await.unwrap();
    let older = world.refused(world.order("1", "node=akwa-1")).await;
    assert_eq!(older.0, code::DOWNGRADE);
    // The same release again is a new order: it lifts a quarantine.
    let again = world.call(world.order("2", "node=akwa-1")).await.unwrap();
    assert_eq!(again.nodes[0].generation, 2);
}

#[tokio::test]
async fn a_downgrade_that_the_environment_signed_is_allowed() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    world.publish("2", "dev").await;
    let node = world.node("akwa-1", "douala-akwa", "dev").await;
    world.call(world.order("2", "node=akwa-1")).await.unwrap();
    let allowed = StageRelease {
        pack: None,
        allow_downgrade_from: vec!["2".parse().unwrap()],
        ..world.stage_request("1", "dev")
    };
    let staged = world.call(allowed).await.unwrap();
    assert_eq!(staged.counter, 1);
    world.sign(staged.waits.as_ref().unwrap(), 0).await;
    world.call(world.order("1", "node=akwa-1")).await.unwrap();
    assert_eq!(world.app(&node).await.version.as_str(), "1");
}

#[tokio::test]
async fn the_narrowest_setting_wins_and_only_changes_make_generations() {
    let world = World::new(1).await;
    world.publish("1", "dev").await;
    let node = world.node("akwa-1", "douala-akwa", "dev").await;
    world.node("akwa-2", "douala-akwa", "dev").await;
    world.call(world.order("1", "node=akwa-1")).await.unwrap();
    let port = |app: AssignedApp| app.settings.first().map(|(_, value)| value.to_string());
    for (value, to, expected) in [
        (Some("9000"), "env=dev", Some("9000")),
        (Some("9001"), "site=douala-akwa", Some("9001")),
        (Some("9002"), "node=akwa-1", Some("9002")),
        (None, "node=akwa-1", Some("9001")),
        (None, "site=douala-akwa", Some("9000")),
        (None, "env=dev", None),
    ] {
        let done = world.call(world.setting(value, to)).await.unwrap();
        assert_eq!(done.nodes, std::slice::from_ref(&node.name), "{to}");
        assert_eq!(port(world.app(&node).await).as_deref(), expected, "{to}");
    }
    let generation = world.assignment(&node).await.generation;
    assert_eq!(generation, 7);
    world
        .call(world.setting(Some("9001"), "node=akwa-1"))
        .await
        .unwrap();
    let same = world
        .call(world.setting(Some("9001"), "site=douala-akwa"))
        .await
        .unwrap();
    assert!(same.nodes.is_empty());
    assert_eq!(world.assignment(&node).await.generation, 8);
}

#[tokio::test]
async fn settings_fit_their_declaration_or_are_refused() {
    let world = World::new(1).await;
    let early = world.refused(world.setting(Some("9000"), "env=dev")).await;
    assert_eq!(early.0, code::BAD_SETTING);
    world.publish("1", "dev").await;
    for bad in ["80", "70000", "x", ""] {
        let refused = world.refused(world.setting(Some(bad), "env=dev")).await;
        assert_eq!(refused.0, code::BAD_SETTING, "{bad}");
    }
    let unknown = SetSetting {
        name: "prot".parse().unwrap(),
        ..world.setting(Some("9000"), "env=dev")
    };
    assert_eq!(world.refused(unknown).await.0, code::BAD_SETTING);
    assert!(world.context.store.settings().await.unwrap().is_empty());
}

#[tokio::test]
async fn holds_are_numbered_and_signed() {
    let world = World::new(1).await;
    let node = world.node("akwa-1", "douala-akwa", "dev").await;
    let hold = |node: Option<&Node>, on| SetHold {
        node: node.map(|node| node.name.clone()),
        on,
    };
    assert_eq!(world.call(hold(None, true)).await.unwrap().number, 1);
    let again = world.call(hold(None, true)).await.unwrap();
    assert_eq!((again.number, again.changed), (1, false));
    assert_eq!(world.call(hold(None, false)).await.unwrap().number, 2);
    assert_eq!(world.call(hold(Some(&node), true)).await.unwrap().number, 1);
    let at = path::hold(Some(&node.key));
    let bytes = world
        .context
        .repository
        .get(&at, 200)
        .await
        .unwrap()
        .unwrap();
    let read: Hold = envelope::open(&bytes, &[&world.director()]).unwrap();
    assert_eq!(
        (read.number, read.on, read.node_key),
        (1, true, Some(node.key))
    );
    let stranger = SetHold {
        node: Some("akwa-9".parse().unwrap()),
        on: true,
    };
    assert_eq!(
        world.refused(stranger).await,
        (code::NO_SUCH_NODE, "akwa-1".to_owned())
    );
}

#[tokio::test]
async fn a_new_director_signs_every_order_again_once_people_agree() {
    let world = World::new(1).await;
    let staged = world.publish("1", "dev").await;
    let node = world.node("akwa-1", "douala", "dev").await;
    world.call(world.order("1", "node=akwa-1")).await.unwrap();
    let hold = SetHold {
        node: None,
        on: true,
    };
    world.call(hold).await.unwrap();
    let before = world.assignment(&node).await;
    let old = world.director();

    let rotate = RotateOnline {
        role: "director".to_owned(),
    };
    let change = world.call(rotate).await.unwrap();
    assert_eq!(change.pending[0].pending.role, "targets");
    // Nothing changes before it is signed.
    assert_eq!(world.director(), old);
    assert_eq!(world.assignment(&node).await, before);
    assert!(world.sign(&change.pending[0], 0).await.current);

    let new = world.director();
    assert_ne!(new, old);
    // `assignment` opens with the new key.
    let after = world.assignment(&node).await;
    assert_eq!(after.generation, before.generation + 1);
    assert_eq!(after.apps[0].version, before.apps[0].version);
    assert_eq!(after.asked_in(&after.apps[0]), before.generation);
    let store = &world.context.store;
    let offers = store.offers_to(&staged.root).await.unwrap();
    assert!(!offers.is_empty());
    for offer in offers {
        envelope::open::<Offer>(&offer.signed, &[&new]).unwrap();
        assert!(envelope::open::<Offer>(&offer.signed, &[&old]).is_err());
    }
    for hold in store.holds().await.unwrap() {
        let hold: Hold = envelope::open(&hold.signed, &[&new]).unwrap();
        assert!(hold.on);
    }
    // The old key is gone from the disk, and what comes next is signed with the new one.
    let keys = ServerKeys::load(&world.context.home.server()).unwrap();
    assert_eq!(keys.public("director").unwrap(), new);
    world.call(world.order("1", "node=akwa-1")).await.unwrap();
    world.assignment(&node).await;
}
