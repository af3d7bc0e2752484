//! Timestamp and snapshot: what is newest, and the one attempt time.

use super::super::error::TrustError;
use super::super::floors::{Floors, OnlineFloors, at_least};
use super::super::time::{attempt_time_s, check_fresh};
use super::{Refresh, Role, SnapshotFacts, Stage, Step, TimestampFacts};

impl Refresh {
    /// 5.4.1.
    pub(super) fn ask_timestamp(&mut self) -> Result<Step, TrustError> {
        // The stored one makes the verifier refuse what is older, besides our floors.
        if let Some(bytes) = self.documents.get(&Role::Timestamp.store_name()) {
            self.verifier.take_timestamp(bytes)?;
        }
        Ok(self.fetch(&Role::Timestamp, 0, None))
    }

    /// 5.4.2 to 5.4.5: signatures, then the attempt time, then versions and expiry.
    pub(super) fn have_timestamp(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        let name = Role::Timestamp.store_name();
        let mut facts = self.verifier.peek_timestamp(&bytes)?;
        let mut online = self.floors.online_under(&self.root);
        at_least("timestamp", online.timestamp, facts.version)?;
        let mut fresh_bytes = Some(bytes);
        if let Some(stored) = self.documents.get(&name) {
            let kept = self.verifier.peek_timestamp(stored)?;
            if kept.version == facts.version {
                // 5.4.3.1: of an equal version the one that we have is kept.
                (facts, fresh_bytes) = (kept, None);
            }
        }
        at_least("snapshot", online.snapshot, facts.snapshot.version)?;
        self.fix_attempt_time(&facts)?;
        if let Some(bytes) = &fresh_bytes {
            self.verifier.take_timestamp(bytes)?;
        }
        online.timestamp = facts.version;
        online.snapshot = facts.snapshot.version;
        let known_targets = self.documents.get(&Role::Targets.store_name());
        let known_targets = known_targets.and_then(|bytes| self.verifier.peek_targets(bytes).ok());
        if known_targets.is_some_and(|targets| facts.signed_at_s < Some(targets.expires_s)) {
            self.accept_timestamp_date(&facts, &mut online);
        }
        self.floors.accept_online(online);
        self.timestamp = Some(facts);
        self.go_on(Stage::Snapshot, &Role::Timestamp, fresh_bytes, Vec::new())
    }

    /// Rules 5 and 6: the attempt time is fixed here, once; an impossible date is refused.
    fn fix_attempt_time(&mut self, facts: &TimestampFacts) -> Result<(), TrustError> {
        let impossible = |problem: &str| {
            Err(TrustError::BadSignedDate {
                role: "timestamp".to_owned(),
                problem: problem.to_owned(),
            })
        };
        if facts.signed_at_s > Some(facts.expires_s) {
            return impossible("signed after it expires");
        }
        if facts.signed_at_s > Some(self.root.expires_s) {
            return impossible("signed after root expires");
        }
        self.attempt_s = attempt_time_s(self.known_s(), facts.signed_at_s, &self.clock);
        self.fresh("root", self.root.expires_s, false)?;
        self.fresh("timestamp", facts.expires_s, true)
    }

    /// Rule 6: the floor of time moves, by a date that root and targets outlive.
    pub(super) fn accept_timestamp_date(&self, facts: &TimestampFacts, online: &mut OnlineFloors) {
        if let Some(at_s) = facts.signed_at_s {
            let claim = self.claim(at_s);
            online.signed_at = Some(online.signed_at.map_or(claim, |old| old.later(claim)));
        }
    }

    /// 5.5.1, unless the stored one is the one that is asked for: nothing is fetched twice.
    pub(super) fn ask_snapshot(&mut self) -> Result<Step, TrustError> {
        let pin = self.timestamp.as_ref().ok_or(super::OUT_OF_TURN)?.snapshot;
        if let Some(bytes) = self.documents.get(&Role::Snapshot.store_name())
            && let Ok(facts) = self.verifier.take_snapshot(bytes)
        {
            return self.judge_snapshot(facts, None);
        }
        Ok(self.fetch(&Role::Snapshot, pin.version, pin.length_bytes))
    }

    /// 5.5.2 to 5.5.7. Nothing that was named before may be gone or older (mix-and-match).
    pub(super) fn have_snapshot(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        let facts = self.verifier.take_snapshot(&bytes)?;
        self.judge_snapshot(facts, Some(bytes))
    }

    fn judge_snapshot(
        &mut self,
        facts: SnapshotFacts,
        new: Option<Vec<u8>>,
    ) -> Result<Step, TrustError> {
        let mut online = self.floors.online_under(&self.root);
        at_least("snapshot", online.snapshot, facts.version)?;
        for (role, floor) in &online.roles {
            let pin = facts
                .pins
                .get(role)
                .ok_or_else(|| TrustError::BadMetadata {
                    what: "snapshot".to_owned(),
                    problem: format!("no longer names {role}"),
                })?;
            at_least(role, *floor, pin.version)?;
        }
        self.fresh("snapshot", facts.expires_s, true)?;
        Floors::raise_roles(&mut online, &facts);
        self.floors.accept_online(online);
        self.snapshot = Some(facts);
        self.go_on(Stage::Targets, &Role::Snapshot, new, Vec::new())
    }

    /// Persists what is new, and goes on without a write where nothing is.
    pub(super) fn go_on(
        &mut self,
        then: Stage,
        role: &Role,
        new: Option<Vec<u8>>,
        forget: Vec<String>,
    ) -> Result<Step, TrustError> {
        match new {
            Some(bytes) => Ok(self.persist(then, role, bytes, forget)),
            None => {
                self.stage = then;
                self.proceed()
            }
        }
    }

    pub(super) fn fresh(&self, role: &str, expires_s: i64, online: bool) -> Result<(), TrustError> {
        check_fresh(
            role,
            expires_s,
            self.attempt_s,
            online,
            self.policy.allowance,
        )
    }
}
