//! A release that migrates data comes into production only after staging has shown, by receipts of its
//! nodes, that the migration is committed there and that its way back works.

use std::collections::BTreeMap;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, NodeKeyId};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::wire::receipt::{Event, EventKind};
use serde::{Deserialize, Serialize};

use super::context::{Actor, Context};
use crate::fleet::{Note, Receipt};

/// Environments that need a rehearsal, each with the one that gives it.
const REHEARSALS: [(&str, &str); 1] = [("production", "staging")];
/// So many of the newest receipts of a node are looked at.
const RECEIPTS_MAX: u64 = 10_000;

/// How far the rehearsal of a release is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Where it is.
    pub environment: EnvironmentName,
    /// A node there has committed the release after its migration.
    pub committed: bool,
    /// A node there has gone back from it after its migration.
    pub rolled_back: bool,
}

impl Rehearsal {
    /// What is missing, in English words; empty when nothing is.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (self.committed, "a committed migration"),
            (self.rolled_back, "a roll back of it"),
        ];
        let missing = parts.into_iter().filter(|(is_there, _)| !is_there);
        missing.map(|(_, what)| what).collect()
    }
}

/// Refuses a release that was not rehearsed. Somebody who gives a reason takes it on themselves, and
/// stands in the audit log with it.
pub(super) async fn require(
    context: &Context,
    actor: &Actor,
    manifest: &Manifest,
    environment: &EnvironmentName,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let Some(rehearsal) = of_environment(context, manifest, environment).await? else {
        return Ok(());
    };
    let missing = rehearsal.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else {
        return Err(Failure::new(code::NOT_REHEARSED)
            .arg("release", manifest.release())
            .arg("environment", environment)
            .arg("rehearsal", &rehearsal.environment)
            .arg("missing", missing.join(", ")));
    };
    let object = format!("{} → {environment}", manifest.release());
    let note = Note::new("promote without rehearsal", object)
        .before(format!("missing: {}", missing.join(", ")))
        .after(reason.to_owned());
    context.commit(context.batch(actor, note)).await
}

/// How far the rehearsal of a release is, wherever it is to go; none when it needs none.
pub(super) async fn of_release(
    context: &Context,
    manifest: &Manifest,
) -> Result<Option<Rehearsal>, Failure> {
    for (environment, _) in REHEARSALS {
        let Ok(environment) = environment.parse() else {
            continue;
        };
        if let Some(found) = of_environment(context, manifest, &environment).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

async fn of_environment(
    context: &Context,
    manifest: &Manifest,
    environment: &EnvironmentName,
) -> Result<Option<Rehearsal>, Failure> {
    let known = REHEARSALS
        .iter()
        .find(|(of, _)| environment.as_str() == *of);
    let rehearsal = known.and_then(|(_, rehearsal)| rehearsal.parse().ok());
    let Some(rehearsal) = rehearsal.filter(|_| manifest.migrate.is_some()) else {
        return Ok(None);
    };
    let mut found = Rehearsal {
        environment: rehearsal,
        committed: false,
        rolled_back: false,
    };
    for node in context.store.nodes().await.map_err(Failure::of)? {
        if node.environment == found.environment {
            let receipts = context.store.receipts(&node.name, RECEIPTS_MAX).await;
            found.look(manifest, receipts.map_err(Failure::of)?);
        }
    }
    Ok(Some(found))
}

impl Rehearsal {
    /// Takes note of what a node's receipts (newest first) show of a release: what follows its migration
    /// in the same chain. What an unprivileged worker merely claims does not count.
    fn look(&mut self, manifest: &Manifest, receipts: Vec<Receipt>) {
        let is_of_release = |event: &Event| {
            event.app.as_ref() == Some(&manifest.app)
                && event.version.as_ref() == Some(&manifest.version)
                && event.root == Some(manifest.root)
                && event.claimed != Some(true)
        };
        let mut migrated: BTreeMap<(NodeKeyId, u64), u64> = BTreeMap::new();
        let mut all: Vec<Receipt> = receipts;
        all.sort_by_key(|receipt| (receipt.node_key, receipt.epoch, receipt.number));
        for receipt in all.iter().filter(|receipt| is_of_release(&receipt.event)) {
            let chain = (receipt.node_key, receipt.epoch);
            if receipt.event.kind == EventKind::Migrated {
                migrated.insert(chain, receipt.number);
            }
            let is_after = migrated.contains_key(&chain);
            self.committed |= is_after && receipt.event.kind == EventKind::Committed;
            self.rolled_back |= is_after && receipt.event.kind == EventKind::RolledBack;
        }
    }
}
