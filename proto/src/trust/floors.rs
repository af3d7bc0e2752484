//! Floors: what was seen, so that nothing older is accepted (rules 6, 8, 9).
//!
//! Every floor carries the keys that signed it and holds while none of them was taken away, so that
//! a stolen key that signed absurdly high numbers is recovered from by replacing it. Copies that
//! are older than such a replacement can therefore be merged without bringing its numbers back.

mod codec;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::TrustError;
use super::facts::{RootFacts, SnapshotFacts, TargetsFacts};
use super::key::KeySet;
use super::time::{Moment, TimeClaim};
use crate::ids::{AppName, Counter, EnvironmentName, Generation, ReleaseName, Version};

/// What the timestamp and snapshot keys signed. It goes when root replaces either of them, as the
/// specification's 5.3.11 deletes both files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OnlineFloors {
    /// The timestamp's keys.
    pub timestamp_keys: KeySet,
    /// The snapshot's keys.
    pub snapshot_keys: KeySet,
    /// The version of the timestamp.
    pub timestamp: u64,
    /// The version of the snapshot.
    pub snapshot: u64,
    /// The versions of the targets files that the snapshot named, by role.
    pub roles: BTreeMap<String, u64>,
    /// The best `x-signed-at` of a timestamp.
    pub signed_at: Option<TimeClaim>,
}

/// The best `x-signed-at` of an offline role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAt {
    /// The role.
    pub role: String,
    /// Its keys.
    pub keys: KeySet,
    /// The date.
    pub claim: TimeClaim,
}

/// The newest hold of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldFloor {
    /// Its number.
    pub number: u64,
    /// Whether it stops or frees.
    pub on: bool,
}

/// What the director keys signed. It goes when `targets` takes one of them away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DirectorFloors {
    /// The director's keys.
    pub keys: KeySet,
    /// The newest assignment.
    pub generation: Generation,
    /// The newest hold of each scope.
    pub holds: BTreeMap<String, HoldFloor>,
}

/// The highest counter of an app in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterFloor {
    /// The environment.
    pub environment: EnvironmentName,
    /// The app.
    pub app: AppName,
    /// The keys of the environment's role.
    pub keys: KeySet,
    /// The counter.
    pub counter: Counter,
    /// The version that had it.
    pub version: Version,
}

/// All floors of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Floors {
    /// The version of root; it never goes.
    pub root: u64,
    /// Signed dates of offline roles.
    pub offline: Vec<SignedAt>,
    /// What the online roles signed; more than one entry only after copies were merged.
    pub online: Vec<OnlineFloors>,
    /// What the director signed; more than one entry only after copies were merged.
    pub director: Vec<DirectorFloors>,
    /// Counters.
    pub counters: Vec<CounterFloor>,
}

impl Floors {
    /// The floors from whatever copies can still be read: the highest of each. Only for a node that
    /// had floors; a node at enrolment starts with [`Floors::default`].
    ///
    /// # Errors
    /// [`TrustError::FloorsLost`] if no copy is left (rule 8).
    pub fn recover(copies: impl IntoIterator<Item = Self>) -> Result<Self, TrustError> {
        copies
            .into_iter()
            .reduce(Self::merge)
            .ok_or(TrustError::FloorsLost)
    }

    /// The highest of two copies, for each set of keys.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.root = self.root.max(other.root);
        for signed in other.offline {
            self.accept_signed_at(&signed.role, &signed.keys, signed.claim);
        }
        for online in other.online {
            self.accept_online(online);
        }
        for director in other.director {
            self.accept_generation(&director.keys, director.generation);
            for (scope, hold) in director.holds {
                self.accept_hold(&director.keys, &scope, hold);
            }
        }
        for floor in other.counters {
            self.accept_counter(floor);
        }
        self
    }

    /// It cannot be earlier than this now: the later of build time and every signed date, carried on
    /// by the monotonic clock. Seconds since 1970.
    #[must_use]
    pub fn lower_s(&self, build_s: i64, now: &Moment) -> i64 {
        let online = self.online.iter().filter_map(|online| online.signed_at);
        online
            .map(|claim| claim.bound_s(now))
            .fold(self.offline_s(build_s, now), i64::max)
    }

    /// The same by what offline roles signed alone, which no server can set forward.
    #[must_use]
    pub fn offline_s(&self, build_s: i64, now: &Moment) -> i64 {
        let offline = self.offline.iter();
        offline
            .map(|signed| signed.claim.bound_s(now))
            .fold(build_s, i64::max)
    }

    /// Drops what was signed by keys that this root no longer trusts. Returns whether the floors of
    /// the online roles went.
    pub fn retain_under_root(&mut self, root: &RootFacts) -> bool {
        let count = self.online.len();
        self.online.retain(|online| {
            online.timestamp_keys.holds_under(&root.timestamp)
                && online.snapshot_keys.holds_under(&root.snapshot)
        });
        self.offline.retain(|signed| match signed.role.as_str() {
            "root" => signed.keys.holds_under(&root.root),
            "targets" => signed.keys.holds_under(&root.targets),
            _ => true,
        });
        count != self.online.len()
    }

    /// Drops what was signed by keys to which `targets` no longer delegates: dates of an
    /// environment, and everything of a replaced director. Counters of a replaced environment are
    /// kept until [`Floors::follow_environment`] knows what the new keys say.
    pub fn retain_under_targets(&mut self, targets: &TargetsFacts, director: Option<&KeySet>) {
        let keys = |role: &str| {
            let found = targets.delegations.iter().find(|d| d.name == role);
            found.map(|delegation| &delegation.keys)
        };
        self.offline.retain(|signed| {
            matches!(signed.role.as_str(), "root" | "targets")
                || keys(&signed.role).is_some_and(|now| signed.keys.holds_under(now))
        });
        self.director
            .retain(|floors| director.is_some_and(|now| floors.keys.holds_under(now)));
    }

    /// Brings the counters of an environment whose keys were replaced over to the new keys: to what
    /// the new keys say of the release that had set them, and away if they no longer list it.
    pub fn follow_environment(
        &mut self,
        environment: &EnvironmentName,
        keys: &KeySet,
        counter_of: impl Fn(&ReleaseName) -> Option<Counter>,
    ) {
        for mut floor in std::mem::take(&mut self.counters) {
            if floor.environment == *environment && !floor.keys.holds_under(keys) {
                let release = ReleaseName {
                    app: floor.app.clone(),
                    version: floor.version.clone(),
                };
                let Some(counter) = counter_of(&release) else {
                    continue;
                };
                floor.counter = counter;
                floor.keys = keys.clone();
            }
            self.accept_counter(floor);
        }
    }

    /// The online floors that hold under a root.
    #[must_use]
    pub fn online_under(&self, root: &RootFacts) -> OnlineFloors {
        let mut all = OnlineFloors {
            timestamp_keys: root.timestamp.clone(),
            snapshot_keys: root.snapshot.clone(),
            ..OnlineFloors::default()
        };
        for online in &self.online {
            if online.timestamp_keys.holds_under(&root.timestamp)
                && online.snapshot_keys.holds_under(&root.snapshot)
            {
                raise(&mut all, online);
            }
        }
        all
    }

    /// Sets the versions that a snapshot names. A targets file that it no longer names keeps its
    /// floor: removal is refused (specification 5.5.5).
    pub(super) fn raise_roles(online: &mut OnlineFloors, snapshot: &SnapshotFacts) {
        for (role, pin) in &snapshot.pins {
            let floor = online.roles.entry(role.clone()).or_default();
            *floor = pin.version.max(*floor);
        }
    }

    /// Raises the online floors.
    pub fn accept_online(&mut self, online: OnlineFloors) {
        let same = |old: &&mut OnlineFloors| {
            old.timestamp_keys == online.timestamp_keys && old.snapshot_keys == online.snapshot_keys
        };
        if let Some(old) = self.online.iter_mut().find(same) {
            raise(old, &online);
            return;
        }
        self.online.push(online);
        self.online.sort_by(|a, b| {
            (&a.timestamp_keys, &a.snapshot_keys).cmp(&(&b.timestamp_keys, &b.snapshot_keys))
        });
    }

    /// Raises the signed date of an offline role.
    pub fn accept_signed_at(&mut self, role: &str, keys: &KeySet, claim: TimeClaim) {
        let same = |signed: &&mut SignedAt| signed.role == role && signed.keys == *keys;
        if let Some(signed) = self.offline.iter_mut().find(same) {
            signed.claim = signed.claim.later(claim);
            return;
        }
        self.offline.push(SignedAt {
            role: role.to_owned(),
            keys: keys.clone(),
            claim,
        });
        self.offline
            .sort_by(|a, b| (&a.role, &a.keys).cmp(&(&b.role, &b.keys)));
    }

    /// Refuses an assignment older than one that the same director keys signed.
    ///
    /// # Errors
    /// [`TrustError::Rollback`].
    pub fn check_generation(
        &self,
        director: &KeySet,
        generation: Generation,
    ) -> Result<(), TrustError> {
        let floor = self.directors(director).map(|floors| floors.generation);
        at_least("assignment", floor.max().unwrap_or_default(), generation)
    }

    /// Raises the floor of assignments.
    pub fn accept_generation(&mut self, director: &KeySet, generation: Generation) {
        let floors = self.director_mut(director);
        floors.generation = floors.generation.max(generation);
    }

    /// Refuses a hold older than one of the same scope that the same director keys signed.
    ///
    /// # Errors
    /// [`TrustError::Rollback`].
    pub fn check_hold(
        &self,
        director: &KeySet,
        scope: &str,
        number: u64,
    ) -> Result<(), TrustError> {
        let floor = self
            .directors(director)
            .filter_map(|floors| floors.holds.get(scope));
        let floor = floor.map(|hold| hold.number).max().unwrap_or_default();
        at_least("hold", floor, number)
    }

    /// Takes a hold if it is the newest of its scope; of two with one number the first stays.
    pub fn accept_hold(&mut self, director: &KeySet, scope: &str, hold: HoldFloor) {
        let holds = &mut self.director_mut(director).holds;
        match holds.get_mut(scope) {
            Some(old) if hold.number <= old.number => {}
            Some(old) => *old = hold,
            None => {
                holds.insert(scope.to_owned(), hold);
            }
        }
    }

    /// Whether the newest hold of a scope stops it, of those that the director of today has signed:
    /// a copy of the floors may still carry one of a director that was replaced.
    #[must_use]
    pub fn held_under(&self, director: &KeySet, scope: &str) -> bool {
        self.directors(director)
            .filter_map(|floors| floors.holds.get(scope))
            .max_by_key(|hold| (hold.number, hold.on))
            .is_some_and(|hold| hold.on)
    }

    /// Whether the newest hold of a scope stops it, whoever signed it.
    #[must_use]
    pub fn held(&self, scope: &str) -> bool {
        self.director
            .iter()
            .filter_map(|floors| floors.holds.get(scope))
            .max_by_key(|hold| (hold.number, hold.on))
            .is_some_and(|hold| hold.on)
    }

    /// The highest counter of an app in an environment.
    #[must_use]
    pub fn counter(&self, environment: &EnvironmentName, app: &AppName) -> Counter {
        self.counters
            .iter()
            .filter(|floor| floor.environment == *environment && floor.app == *app)
            .map(|floor| floor.counter)
            .max()
            .unwrap_or_default()
    }

    /// Refuses a release older than the newest one seen, unless its environment's role allows the
    /// downgrade from there (rule 9): `allow_downgrade_from` is the highest counter that it may
    /// replace.
    ///
    /// # Errors
    /// [`TrustError::Rollback`].
    pub fn check_counter(
        &self,
        environment: &EnvironmentName,
        app: &AppName,
        counter: Counter,
        allow_downgrade_from: Option<Counter>,
    ) -> Result<(), TrustError> {
        let floor = self.counter(environment, app);
        if allow_downgrade_from.is_some_and(|from| from >= floor) {
            return Ok(());
        }
        at_least(&format!("{app} in {environment}"), floor, counter)
    }

    /// Raises the counter of an app in an environment. It never goes down, not even by an allowed
    /// downgrade.
    pub fn accept_counter(&mut self, floor: CounterFloor) {
        let same = |old: &&mut CounterFloor| {
            old.environment == floor.environment && old.app == floor.app && old.keys == floor.keys
        };
        if let Some(old) = self.counters.iter_mut().find(same) {
            if floor.counter > old.counter {
                *old = floor;
            }
            return;
        }
        self.counters.push(floor);
        self.counters.sort_by(|a, b| {
            (&a.environment, &a.app, &a.keys).cmp(&(&b.environment, &b.app, &b.keys))
        });
    }

    fn directors<'a>(&'a self, now: &'a KeySet) -> impl Iterator<Item = &'a DirectorFloors> {
        self.director
            .iter()
            .filter(|floors| floors.keys.holds_under(now))
    }

    fn director_mut(&mut self, keys: &KeySet) -> &mut DirectorFloors {
        let at = match self.director.binary_search_by(|d| d.keys.cmp(keys)) {
            Ok(at) => at,
            Err(at) => {
                let keys = keys.clone();
                self.director.insert(
                    at,
                    DirectorFloors {
                        keys,
                        ..DirectorFloors::default()
                    },
                );
                at
            }
        };
        // Found or just put there.
        #[expect(clippy::indexing_slicing, reason = "`at` was found or just inserted")]
        &mut self.director[at]
    }
}

fn raise(into: &mut OnlineFloors, from: &OnlineFloors) {
    into.timestamp = into.timestamp.max(from.timestamp);
    into.snapshot = into.snapshot.max(from.snapshot);
    for (role, version) in &from.roles {
        let floor = into.roles.entry(role.clone()).or_default();
        *floor = (*floor).max(*version);
    }
    into.signed_at = match (into.signed_at, from.signed_at) {
        (Some(a), Some(b)) => Some(a.later(b)),
        (a, b) => a.or(b),
    };
}

/// Refuses a number below its floor.
pub(super) fn at_least(what: &str, trusted: u64, offered: u64) -> Result<(), TrustError> {
    if offered >= trusted {
        return Ok(());
    }
    Err(TrustError::Rollback {
        what: what.to_owned(),
        trusted,
        offered,
    })
}

#[cfg(test)]
mod tests;
