//! What is stored: which of it still verifies, what was signed by replaced keys, what is damaged.

use super::{Alarm, Clock, Floors, Policy, Refresh, Role, Stage, Stored, TrustError, Verifier};

impl Refresh {
    /// A refresh with any verifier.
    ///
    /// # Errors
    /// [`TrustError::StoreDamaged`] if no stored root verifies.
    pub fn with_verifier(
        mut verifier: Box<dyn Verifier>,
        stored: Stored,
        mut floors: Floors,
        clock: Clock,
        policy: Policy,
    ) -> Result<Self, TrustError> {
        let persisted = floors.clone();
        let mut alarms = Vec::new();
        let damaged = || TrustError::StoreDamaged {
            what: Role::Root.store_name(),
        };
        let root = match (verifier.start(&stored.root), stored.pinned_root) {
            (Ok(root), _) => root,
            (Err(error), pinned) => {
                let problem = error.to_string();
                let what = Role::Root.store_name();
                alarms.push(Alarm { what, problem });
                verifier
                    .start(&pinned.ok_or_else(damaged)?)
                    .map_err(|_| damaged())?
            }
        };
        let root_floor = floors.root;
        floors.root = floors.root.max(root.version);
        let mut refresh = Self {
            verifier,
            root,
            documents: stored.documents,
            floors,
            persisted,
            root_floor,
            documents_checked: false,
            clock,
            policy,
            stage: Stage::New,
            persisting: false,
            root_steps: 0,
            attempt_s: i64::MIN,
            timestamp: None,
            snapshot: None,
            targets: None,
            environment: None,
            environment_problem: None,
            alarms,
        };
        if refresh.root.version >= root_floor {
            refresh.check_documents();
            refresh.floors.retain_under_root(&refresh.root);
        } else if refresh.alarms.is_empty() {
            // A root that verifies but is older than its floor was put back by somebody.
            let error = super::super::floors::at_least("root", root_floor, refresh.root.version);
            if let Err(error) = error {
                refresh.alarm(&Role::Root.store_name(), &error);
            }
        }
        Ok(refresh)
    }

    /// Takes out, with an alarm, every top-level document that does not verify under the root that
    /// was stored with it, that is older than its floor, or that is gone though its floor is there.
    /// Documents of replaced keys were deleted by the change that stored the root.
    pub(super) fn check_documents(&mut self) {
        self.documents_checked = true;
        let floor = self.floors.online_under(&self.root);
        let checks = [
            (Role::Timestamp, floor.timestamp),
            (Role::Snapshot, 0),
            (Role::Targets, 0),
        ];
        for (role, version_min) in checks {
            let name = role.store_name();
            let version = match self.documents.get(&name) {
                Some(bytes) => self.peek_version(&role, bytes),
                None if version_min > 0 => Err(TrustError::Missing { what: name.clone() }),
                None => continue,
            };
            let checked = version.and_then(|version| {
                super::super::floors::at_least(role.name(), version_min, version)
            });
            if let Err(error) = checked {
                self.documents.remove(&name);
                self.alarm(&name, &error);
            }
        }
    }

    /// 5.3.11: after a step of root, floors and documents of replaced keys go. Returns the names of
    /// the documents. If root replaces the timestamp or the snapshot keys, both files go.
    pub(super) fn follow_root(&mut self) -> Vec<String> {
        let replaced = self.floors.retain_under_root(&self.root);
        let mut forget = Vec::new();
        for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
            let name = role.store_name();
            let Some(bytes) = self.documents.get(&name) else {
                continue;
            };
            let goes = replaced && role != Role::Targets;
            if goes || self.peek_version(&role, bytes).is_err() {
                self.documents.remove(&name);
                forget.push(name);
            }
        }
        forget
    }

    fn peek_version(&self, role: &Role, bytes: &[u8]) -> Result<u64, TrustError> {
        match role {
            Role::Timestamp => Ok(self.verifier.peek_timestamp(bytes)?.version),
            Role::Snapshot => Ok(self.verifier.peek_snapshot(bytes)?.version),
            Role::Targets => Ok(self.verifier.peek_targets(bytes)?.version),
            Role::Root | Role::Delegated(_) => Err(TrustError::Misuse {
                problem: "only top-level roles are looked at here",
            }),
        }
    }
}
