//! Wrong clocks. A clock that the kernel does not vouch for decides nothing.

use sanaga_proto::trust::TrustError;

use crate::repository::{DAY_S, Node, Repository, START_S};

/// Seeded numbers, so that a failing seed can be run again: SplitMix64 (Steele, Lea, Flood 2014).
struct Source(u64);

impl Source {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// A year with an update a month, whatever the wall clock says at each boot.
fn a_year(wall_s: impl Fn(i64) -> i64) {
    let mut repository = Repository::new();
    let mut node = Node::new(&repository);
    for month in 1..=12u64 {
        repository.pass_days(30);
        let release = format!("shop@1.{month}");
        repository.publish("production", &release, month);
        node.reboot();
        node.set_wall(wall_s(repository.now_s), false);
        node.install(&repository.served, &release).unwrap();
        let old = format!("shop@1.{}", month.saturating_sub(1).max(1));
        if month > 1 {
            let refused = node.install(&repository.served, &old).unwrap_err();
            assert!(
                matches!(refused, TrustError::Rollback { .. }),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn at_1970() {
    a_year(|_| 0);
}

#[test]
fn five_years_back() {
    a_year(|now_s| now_s - 5 * 365 * DAY_S);
}

#[test]
fn ten_years_ahead() {
    a_year(|now_s| now_s + 10 * 365 * DAY_S);
}

#[test]
fn anything_from_1970_to_2060_at_every_boot_in_200_seeds() {
    let span_s = 90 * 365 * DAY_S + 23 * DAY_S;
    // The repository's story is one for all seeds; each seed is a node with its own clock.
    let mut repository = Repository::new();
    let mut nodes: Vec<_> = (0..200)
        .map(|seed| (Node::new(&repository), Source(seed)))
        .collect();
    for month in 1..=6u64 {
        repository.pass_days(61);
        let release = format!("shop@1.{month}");
        repository.publish("production", &release, month);
        for (seed, (node, source)) in nodes.iter_mut().enumerate() {
            node.reboot();
            node.set_wall(source.below(span_s), false);
            let installed = node.install(&repository.served, &release);
            assert!(
                installed.is_ok(),
                "seed {seed}, month {month}: {installed:?}"
            );
        }
    }
}

/// A node that was up to date, then in the dark for 18 months, with everything that a repository
/// does in that time, root rotations included.
fn dark() -> (Repository, Node, crate::repository::Served) {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    repository.publish("production", "shop@1.1", 2);
    let mut node = Node::new(&repository);
    node.install(&repository.served, "shop@1.1").unwrap();
    let old = repository.served.clone();
    for _ in 0..6 {
        repository.pass_days(91);
    }
    repository.publish("production", "shop@2.0", 3);
    node.reboot();
    (repository, node, old)
}

fn comes_back(wall_offset_s: i64, sure: bool) {
    let (repository, mut node, old) = dark();
    node.set_wall(repository.now_s + wall_offset_s, sure);
    // An old repository, whole and once valid, is refused whatever the clock says …
    assert!(node.install(&repository.served, "shop@1.0").is_err());
    node.install(&repository.served, "shop@2.0").unwrap();
    assert!(node.refresh(&old).is_err());
    // … and so is the oldest release of the new one.
    let refused = node.install(&repository.served, "shop@1.1").unwrap_err();
    assert!(
        matches!(refused, TrustError::Rollback { .. }),
        "{refused:?}"
    );
}

#[test]
fn eighteen_months_dark_with_a_right_clock() {
    comes_back(0, true);
}

#[test]
fn eighteen_months_dark_with_a_clock_that_nobody_set() {
    comes_back(-START_S, false);
    comes_back(-10 * 365 * DAY_S, false);
    comes_back(30 * 365 * DAY_S, false);
}

#[test]
fn eighteen_months_dark_with_a_wrong_clock_that_claims_to_be_right() {
    // Behind: what is signed now is not hidden by it.
    comes_back(-400 * DAY_S, true);
    // Ahead: everything looks expired. Nothing of that is kept, so that the corrected clock works
    // at once.
    let (repository, mut node, _) = dark();
    let before = node.floors();
    node.set_wall(repository.now_s + 10 * 365 * DAY_S, true);
    let refused = node.install(&repository.served, "shop@2.0").unwrap_err();
    assert!(matches!(refused, TrustError::Expired { .. }), "{refused:?}");
    let lower_s = |node: &Node| node.floors().lower_s(0, &node.clock.now);
    assert!(lower_s(&node) < repository.now_s + 61 && before.root < node.floors().root);
    node.set_wall(repository.now_s, true);
    node.install(&repository.served, "shop@2.0").unwrap();
}

#[test]
fn an_expired_repository_in_the_dark_is_seen_by_uptime_alone() {
    let mut repository = Repository::new();
    repository.publish("production", "shop@1.0", 1);
    let mut node = Node::new(&repository);
    node.refresh(&repository.served).unwrap();
    node.clock.now.uptime_s += 31 * DAY_S as u64;
    let refused = node.install(&repository.served, "shop@1.0").unwrap_err();
    assert!(matches!(refused, TrustError::Expired { .. }), "{refused:?}");
}
