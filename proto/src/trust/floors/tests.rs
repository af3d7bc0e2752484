//! Floors: what is lost, restated or torn, and what holds all the same.

use proptest::prelude::*;

use super::*;
use crate::trust::key::PublicKey;

fn set(keys: &[u8]) -> KeySet {
    let keys: Vec<_> = keys.iter().map(|n| PublicKey::Ed25519([*n; 32])).collect();
    KeySet::of(&keys, 1)
}

fn counter(keys: &KeySet, counter: u64, version: &str) -> CounterFloor {
    CounterFloor {
        environment: "production".parse().unwrap(),
        app: "shop".parse().unwrap(),
        keys: keys.clone(),
        counter,
        version: version.parse().unwrap(),
    }
}

fn online(timestamp_key: u8, timestamp: u64, at_s: i64) -> OnlineFloors {
    OnlineFloors {
        timestamp_keys: set(&[timestamp_key]),
        snapshot_keys: set(&[200]),
        timestamp,
        snapshot: timestamp,
        roles: [("targets".to_owned(), timestamp)].into(),
        signed_at: Some(TimeClaim {
            at_s,
            accepted: Moment::default(),
        }),
    }
}

fn root(timestamp_keys: &[u8]) -> RootFacts {
    RootFacts {
        version: 1,
        expires_s: 0,
        signed_at_s: None,
        consistent: true,
        root: set(&[1]),
        timestamp: set(timestamp_keys),
        snapshot: set(&[200]),
        targets: set(&[2]),
    }
}

#[test]
fn all_lost_is_not_a_first_run() {
    assert_eq!(Floors::recover([]), Err(TrustError::FloorsLost));
    assert_eq!(Floors::recover([Floors::default()]), Ok(Floors::default()));
}

#[test]
fn generations_start_again_only_when_a_director_key_is_taken_away() {
    let mut floors = Floors::default();
    floors.accept_generation(&set(&[1]), 7);
    floors.check_generation(&set(&[1]), 7).unwrap();
    let older = floors.check_generation(&set(&[1]), 6);
    assert!(matches!(
        older,
        Err(TrustError::Rollback { trusted: 7, .. })
    ));
    assert!(floors.check_generation(&set(&[1, 2]), 6).is_err());
    floors.check_generation(&set(&[2]), 1).unwrap();
}

#[test]
fn the_highest_hold_of_a_scope_wins() {
    let (mut floors, keys) = (Floors::default(), set(&[1]));
    let hold = |number, on| HoldFloor { number, on };
    floors.accept_hold(&keys, "all", hold(3, true));
    floors.accept_hold(&keys, "all", hold(2, false));
    floors.accept_hold(&keys, "all", hold(3, false));
    assert!(floors.held("all"));
    assert!(floors.check_hold(&keys, "all", 2).is_err());
    floors.accept_hold(&keys, "all", hold(4, false));
    assert!(!floors.held("all"));
    assert!(!floors.held("node/akwa-1"));
}

#[test]
fn a_downgrade_needs_permission_from_where_we_are() {
    let (mut floors, keys) = (Floors::default(), set(&[1]));
    floors.accept_counter(counter(&keys, 9, "1.9"));
    let (environment, app) = ("production".parse().unwrap(), "shop".parse().unwrap());
    let check = |counter, allow| floors.check_counter(&environment, &app, counter, allow);
    assert!(check(9, None).is_ok());
    assert!(check(8, None).is_err());
    assert!(check(8, Some(8)).is_err(), "allowed from 8 only, we saw 9");
    assert!(check(8, Some(9)).is_ok());
    assert!(
        floors
            .check_counter(&"dev".parse().unwrap(), &app, 1, None)
            .is_ok()
    );
}

#[test]
fn replaced_environment_keys_restate_their_counters() {
    let (old, new) = (set(&[1]), set(&[2]));
    let environment = "production".parse().unwrap();
    let app = "shop".parse().unwrap();
    let mut floors = Floors::default();
    floors.accept_counter(counter(&old, u64::MAX, "1.9"));
    let mut kept = floors.clone();
    kept.follow_environment(&environment, &set(&[1, 3]), |_| Some(4));
    assert_eq!(
        kept.counter(&environment, &app),
        u64::MAX,
        "a key was only added"
    );
    let mut restated = floors.clone();
    restated.follow_environment(&environment, &new, |release| {
        assert_eq!(release.to_string(), "shop@1.9");
        Some(4)
    });
    assert_eq!(restated.counter(&environment, &app), 4);
    // A copy from before the replacement does not bring the number back.
    let mut merged = restated.merge(floors.clone());
    merged.follow_environment(&environment, &new, |_| Some(4));
    assert_eq!(merged.counter(&environment, &app), 4);
    floors.follow_environment(&environment, &new, |_| None);
    assert_eq!(floors.counter(&environment, &app), 0);
}

#[test]
fn a_copy_from_before_a_rotation_does_not_bring_its_numbers_back() {
    let mut floors = Floors::default();
    floors.accept_online(online(10, 1_000_000, 4_000_000_000));
    let sidecar = floors.clone();
    assert!(floors.retain_under_root(&root(&[11])), "online floors went");
    floors.accept_online(online(11, 5, 1_800_000_000));
    let mut merged = floors.merge(sidecar);
    assert_eq!(merged.online_under(&root(&[11])).timestamp, 5);
    merged.retain_under_root(&root(&[11]));
    assert_eq!(merged.lower_s(0, &Moment::default()), 1_800_000_000);
}

#[test]
fn torn_empty_and_changed_bytes_are_damage() {
    let mut floors = Floors::default();
    floors.accept_online(online(1, 3, 5));
    floors.accept_counter(counter(&set(&[1]), 9, "1.9"));
    let bytes = floors.to_bytes().unwrap();
    assert_eq!(Floors::from_bytes(&bytes).unwrap(), floors);
    for cut in 0..bytes.len() {
        assert!(Floors::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(Floors::from_bytes(&flipped).is_err(), "flipped at {at}");
    }
}

prop_compose! {
    fn any_floors()(
        root in 0u64..5,
        online_parts in prop::collection::vec((0u8..3, 0u64..5, 0i64..5), 0..4),
        generations in prop::collection::vec((0u8..3, 0u64..5), 0..4),
        counters in prop::collection::vec((0u8..3, 0u64..5), 0..4),
    ) -> Floors {
        let mut floors = Floors { root, ..Floors::default() };
        for (key, version, at_s) in online_parts {
            floors.accept_online(online(key, version, at_s));
        }
        for (key, generation) in generations {
            floors.accept_generation(&set(&[key]), generation);
        }
        for (key, number) in counters {
            floors.accept_counter(counter(&set(&[key]), number, "1.0"));
        }
        floors
    }
}

proptest! {
    #[test]
    fn merging_takes_the_highest_in_any_order(a in any_floors(), b in any_floors(), key in 0u8..3) {
        let ab = a.clone().merge(b.clone());
        prop_assert_eq!(&ab, &b.clone().merge(a.clone()));
        prop_assert_eq!(&ab, &ab.clone().merge(a.clone()));
        let root = root(&[key]);
        let higher = a.online_under(&root).timestamp.max(b.online_under(&root).timestamp);
        prop_assert_eq!(ab.online_under(&root).timestamp, higher);
        for generation in 0..5 {
            let both = a.check_generation(&set(&[key]), generation).is_ok()
                && b.check_generation(&set(&[key]), generation).is_ok();
            prop_assert_eq!(ab.check_generation(&set(&[key]), generation).is_ok(), both);
        }
    }

    #[test]
    fn bytes_go_there_and_back(floors in any_floors()) {
        prop_assert_eq!(Floors::from_bytes(&floors.to_bytes().unwrap()).unwrap(), floors);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Floors::from_bytes(&bytes).is_err());
    }
}
