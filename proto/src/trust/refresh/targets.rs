//! Targets and the role of the environment.

use super::super::error::TrustError;
use super::super::facts::{Pin, TargetsFacts};
use super::super::key::KeySet;
use super::super::roles::OFFLINE_ENVIRONMENT;
use super::super::trusted::{Target, director_of};
use super::{Refresh, Role, Stage, Step};
use crate::ids::EnvironmentName;

impl Refresh {
    /// 5.6.1, unless the stored one is the one that is asked for.
    pub(super) fn ask_targets(&mut self) -> Result<Step, TrustError> {
        let pin = self.pin("targets").ok_or_else(|| TrustError::BadMetadata {
            what: "snapshot".to_owned(),
            problem: "names no targets".to_owned(),
        })?;
        if let Some(bytes) = self.documents.get(&Role::Targets.store_name())
            && let Ok(facts) = self.verifier.take_targets(bytes)
        {
            return self.judge_targets(facts, None);
        }
        Ok(self.fetch(&Role::Targets, pin.version, pin.length_bytes))
    }

    /// 5.6.2 to 5.6.6. Documents of roles whose keys were replaced here go with the same change.
    pub(super) fn have_targets(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        let facts = self.verifier.take_targets(&bytes)?;
        self.judge_targets(facts, Some(bytes))
    }

    fn judge_targets(
        &mut self,
        facts: TargetsFacts,
        new: Option<Vec<u8>>,
    ) -> Result<Step, TrustError> {
        let timestamp = self.timestamp.clone().ok_or(super::OUT_OF_TURN)?;
        if timestamp.signed_at_s > Some(facts.expires_s) && self.known_s() < facts.expires_s {
            return Err(TrustError::BadSignedDate {
                role: "timestamp".to_owned(),
                problem: "signed after targets expires".to_owned(),
            });
        }
        self.fresh("targets", facts.expires_s, false)?;
        let mut online = self.floors.online_under(&self.root);
        self.accept_timestamp_date(&timestamp, &mut online);
        self.floors.accept_online(online);
        let keys = self.root.targets.clone();
        self.accept_offline_date("targets", &keys, &facts)?;
        let director = director_of(&facts).map(|director| director.set);
        self.floors.retain_under_targets(&facts, director.as_ref());
        let forget = if new.is_some() {
            self.orphans(&facts)
        } else {
            Vec::new()
        };
        self.targets = Some(facts);
        self.go_on(Stage::Environment, &Role::Targets, new, forget)
    }

    /// 5.6.7 for the one role that this node follows.
    pub(super) fn ask_environment(&mut self) -> Result<Step, TrustError> {
        let Some((role, pin)) = self.followed() else {
            self.stage = Stage::Finish;
            return self.proceed();
        };
        if let Some(bytes) = self.documents.get(&role.store_name()) {
            if let Ok(facts) = self.verifier.take_delegated(bytes, role.name(), "targets") {
                return self.judge_environment(facts, None);
            }
            if let Err(error) = self.verifier.peek_delegated(bytes, role.name(), "targets") {
                self.alarm(&role.store_name(), &error);
            }
        }
        Ok(self.fetch(&role, pin.version, pin.length_bytes))
    }

    pub(super) fn have_environment(&mut self, bytes: Vec<u8>) -> Result<Step, TrustError> {
        let environment = self.policy.environment.as_ref().ok_or(super::OUT_OF_TURN)?;
        let facts = self
            .verifier
            .take_delegated(&bytes, environment.as_str(), "targets")?;
        self.judge_environment(facts, Some(bytes))
    }

    /// The environment's role. Expiry stops new releases of the environment, not the refresh: the
    /// director's holds are still to be heard.
    fn judge_environment(
        &mut self,
        facts: TargetsFacts,
        new: Option<Vec<u8>>,
    ) -> Result<Step, TrustError> {
        let environment = self.policy.environment.clone().ok_or(super::OUT_OF_TURN)?;
        let role = Role::environment(&environment);
        if let Err(error) = self.fresh(role.name(), facts.expires_s, false) {
            self.environment_problem = Some(error);
            self.stage = Stage::Finish;
            return self.proceed();
        }
        let keys = self.delegated_keys(role.name()).unwrap_or_default();
        if role.name() == OFFLINE_ENVIRONMENT {
            self.accept_offline_date(role.name(), &keys, &facts)?;
        }
        self.follow_counters(&environment, &keys);
        self.environment = Some(facts);
        self.go_on(Stage::Finish, &role, new, Vec::new())
    }

    fn follow_counters(&mut self, environment: &EnvironmentName, keys: &KeySet) {
        let verifier = &self.verifier;
        self.floors
            .follow_environment(environment, keys, |release| {
                let path = release.target_path(environment);
                let facts = verifier.target(environment.as_str(), &path)?;
                Target::parse(&path, facts)
                    .ok()
                    .map(|target| target.counter)
            });
    }

    /// The environment's role and its pin, if `targets` delegates it and the snapshot names it. An
    /// environment for which nothing was ever signed has no file.
    fn followed(&self) -> Option<(Role, Pin)> {
        let role = Role::environment(self.policy.environment.as_ref()?);
        self.delegated_keys(role.name())?;
        Some((role.clone(), self.pin(role.name())?))
    }

    fn pin(&self, role: &str) -> Option<Pin> {
        self.snapshot.as_ref()?.pins.get(role).copied()
    }

    fn delegated_keys(&self, role: &str) -> Option<KeySet> {
        let delegations = &self.targets.as_ref()?.delegations;
        let found = delegations.iter().find(|d| d.name == role)?;
        Some(found.keys.clone())
    }

    /// Stored documents of roles that `targets` now delegates to other keys. One whose keys stayed
    /// but that does not verify is left in place, where its next use raises the alarm.
    fn orphans(&mut self, targets: &TargetsFacts) -> Vec<String> {
        let before = self.documents.get(&Role::Targets.store_name());
        let before = before.and_then(|bytes| self.verifier.peek_targets(bytes).ok());
        let same_keys = |name: &str, keys: &KeySet| {
            let before = before.iter().flat_map(|targets| &targets.delegations);
            before
                .filter(|old| old.name == name)
                .any(|old| old.keys.holds_under(keys))
        };
        let mut forget = Vec::new();
        for delegation in &targets.delegations {
            let name = Role::from_name(&delegation.name).store_name();
            let Some(bytes) = self.documents.get(&name) else {
                continue;
            };
            let peeked = self
                .verifier
                .peek_delegated(bytes, &delegation.name, "targets");
            if peeked.is_err() && !same_keys(&delegation.name, &delegation.keys) {
                self.documents.remove(&name);
                forget.push(name);
            }
        }
        forget
    }

    /// Rule 6 for offline roles: their dates count for the floor that a rotation falls back to.
    fn accept_offline_date(
        &mut self,
        role: &str,
        keys: &KeySet,
        facts: &TargetsFacts,
    ) -> Result<(), TrustError> {
        let Some(at_s) = facts.signed_at_s else {
            return Ok(());
        };
        let targets_expires_s = self.targets.as_ref().map_or(i64::MAX, |t| t.expires_s);
        let limit_s = facts
            .expires_s
            .min(self.root.expires_s)
            .min(targets_expires_s);
        if at_s > limit_s {
            return Err(TrustError::BadSignedDate {
                role: role.to_owned(),
                problem: "signed after it, targets or root expires".to_owned(),
            });
        }
        let claim = self.claim(at_s);
        self.floors.accept_signed_at(role, keys, claim);
        Ok(())
    }
}
