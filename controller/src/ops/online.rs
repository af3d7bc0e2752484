//! What the server signs by itself: the snapshot and the timestamp. Whenever an offline role has a
//! new version they follow, in the same batch, and the whole set is verified before it is committed.

use std::collections::BTreeMap;

use sanaga_proto::failure::Failure;
use sanaga_proto::trust::{
    MetaPin, Sigstore, Verifier as _, add_signature, envelope, expires_after, snapshot, timestamp,
};
use serde_json::Value;

use super::context::{Actor, Context};
use super::role_file::read_head;
use super::rotation;
use crate::fleet::{Change, Note, RoleFile};

/// The timestamp is signed again when it is older, seconds.
const TIMESTAMP_AGE_S: u64 = 86_400;
/// The snapshot is signed again when less of its time is left, seconds.
const SNAPSHOT_LEFT_S: i64 = 30 * 86_400;

/// The role files that are current, or will be.
#[derive(Debug, Clone, Default)]
pub(super) struct RoleSet(BTreeMap<String, RoleFile>);

impl RoleSet {
    /// Those that are current now.
    pub async fn current(context: &Context) -> Result<Self, Failure> {
        let all = context.store.roles().await.map_err(Failure::of)?;
        Ok(Self(
            all.into_iter()
                .map(|file| (file.role.clone(), file))
                .collect(),
        ))
    }

    /// Puts a file in the place of the former one.
    pub fn put(&mut self, file: RoleFile) {
        self.0.insert(file.role.clone(), file);
    }

    fn version(&self, role: &str) -> u64 {
        self.0.get(role).map_or(0, |file| file.version)
    }

    /// The file of a role.
    pub fn get(&self, role: &str) -> Result<&RoleFile, Failure> {
        self.0.get(role).ok_or_else(|| missing(role))
    }

    /// The files that the snapshot names: targets and the environments.
    fn named(&self) -> impl Iterator<Item = &RoleFile> {
        self.0
            .values()
            .filter(|file| !matches!(file.role.as_str(), "root" | "snapshot" | "timestamp"))
    }

    /// Signs the next snapshot and timestamp over the set.
    pub fn renew(&mut self, context: &Context, with_snapshot: bool) -> Result<(), Failure> {
        let now_s = context.now_signed_s();
        if with_snapshot {
            let version = self.version("snapshot") + 1;
            let pins = self
                .named()
                .map(|file| (file.role.clone(), MetaPin::of(file.version, &file.bytes)))
                .collect();
            let body = snapshot(version, expires_after("snapshot", now_s), &pins);
            self.sign(context, "snapshot", version, &body)?;
        }
        let version = self.version("timestamp") + 1;
        let pin = self
            .0
            .get("snapshot")
            .map(|file| MetaPin::of(file.version, &file.bytes))
            .ok_or_else(|| missing("snapshot"))?;
        let body = timestamp(version, expires_after("timestamp", now_s), now_s, pin);
        self.sign(context, "timestamp", version, &body)
    }

    /// Signs with the key that the set's root names.
    fn sign(
        &mut self,
        context: &Context,
        role: &str,
        version: u64,
        body: &Value,
    ) -> Result<(), Failure> {
        let root = self.get("root")?;
        let named = rotation::under_root(root, role)?;
        let key = context.keys.signer(role, &named.keys)?;
        let unsigned = envelope(body, &[]).map_err(Failure::of)?;
        self.put(RoleFile {
            role: role.to_owned(),
            version,
            bytes: add_signature(&unsigned, key.as_ref()).map_err(Failure::of)?,
            at_s: context.now_s(),
        });
        Ok(())
    }

    /// Reads the set as a node would, from the current root on.
    pub fn verify(&self) -> Result<(), Failure> {
        let bytes = |role: &str| {
            self.0
                .get(role)
                .map(|file| file.bytes.as_slice())
                .ok_or_else(|| missing(role))
        };
        let mut reader = Sigstore::default();
        reader.start(bytes("root")?).map_err(Failure::of)?;
        reader
            .take_timestamp(bytes("timestamp")?)
            .map_err(Failure::of)?;
        reader
            .take_snapshot(bytes("snapshot")?)
            .map_err(Failure::of)?;
        reader
            .take_targets(bytes("targets")?)
            .map_err(Failure::of)?;
        Ok(())
    }

    /// Whether an environment's file is signed as the set's targets ask.
    pub fn verify_environment(&self, role: &str) -> Result<(), Failure> {
        let mut reader = Sigstore::default();
        for (name, file) in ["root", "timestamp", "snapshot", "targets", role]
            .iter()
            .filter_map(|name| Some((*name, self.0.get(*name)?)))
        {
            let bytes = &file.bytes;
            match name {
                "root" => reader.start(bytes).map(drop),
                "timestamp" => reader.take_timestamp(bytes),
                "snapshot" => reader.take_snapshot(bytes).map(drop),
                "targets" => reader.take_targets(bytes).map(drop),
                environment => reader
                    .take_delegated(bytes, environment, "targets")
                    .map(drop),
            }
            .map_err(Failure::of)?;
        }
        Ok(())
    }

    /// The changes that make this set current, given what is current now. Parents come first, and
    /// the timestamp last: a reader in between finds the former set whole.
    pub fn changes_from(&self, before: &Self) -> Vec<Change> {
        let rank = |role: &str| match role {
            "root" => 0,
            "snapshot" => 3,
            "timestamp" => 4,
            "targets" => 1,
            _ => 2,
        };
        let mut changed: Vec<&RoleFile> = self
            .0
            .values()
            .filter(|file| before.version(&file.role) != file.version)
            .collect();
        changed.sort_by_key(|file| rank(&file.role));
        changed
            .into_iter()
            .map(|file| Change::PublishRole(file.clone()))
            .collect()
    }
}

/// What [`renew_online`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Whether anything was signed.
    pub signed: bool,
}

/// Signs the timestamp again once a day, and the snapshot before it runs out. The server calls it
/// when it starts and every few minutes.
///
/// # Errors
/// What the store says, or `BAD_SIGNATURE` when the online keys are not those of root.
pub async fn renew_online(context: &Context, actor: &Actor) -> Result<Renewed, Failure> {
    let _turn = context.turn().await;
    // A crash may have come between a new key's metadata and the end of the old key.
    rotation::forget_old_keys(context).await?;
    let before = RoleSet::current(context).await?;
    let (Some(timestamp), Some(snapshot)) = (before.0.get("timestamp"), before.0.get("snapshot"))
    else {
        return Err(missing("timestamp"));
    };
    let left_s = read_head("snapshot", &snapshot.bytes)?.expires_s - context.now_signed_s();
    let snapshot_due = left_s < SNAPSHOT_LEFT_S;
    if !snapshot_due && context.now_s() < timestamp.at_s.saturating_add(TIMESTAMP_AGE_S) {
        return Ok(Renewed { signed: false });
    }
    let mut after = before.clone();
    after.renew(context, snapshot_due)?;
    after.verify()?;
    let mut batch = context.batch(actor, Note::new("renew", "timestamp"));
    batch.changes = after.changes_from(&before);
    context.commit(batch).await?;
    Ok(Renewed { signed: true })
}

fn missing(role: &str) -> Failure {
    Failure::new(sanaga_proto::code::MISSING_DOCUMENT).arg("what", format!("{role}.json"))
}
