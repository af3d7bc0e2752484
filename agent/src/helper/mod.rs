//! The privileged side. It trusts nothing that it is told: it gets metadata, assignments, manifests
//! and packs as bytes and verifies them itself; it alone writes slots and links, holds the node's
//! key, and signs only what it has done. It never touches the network.

mod adopt;
mod documents;
mod judge;
mod receipts;
mod recover;
mod renewal;
pub mod settings;
mod staging;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub use adopt::{Adopted, Incoming, poll_name};
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{AppName, NodeKeyId};
use sanaga_proto::trust::{Alarm, CounterFloor, Floors, KeySet, Stored};
pub use settings::Settings;

use crate::clock::Reading;
use crate::identity::{self, Identity, IdentityFiles, NodeKey};
use crate::slot::{AppFolder, Sidecar};
use crate::store::shared::SharedStore;
use crate::store::state;
use crate::update::Release;

/// The name of the note that holds the director's keys, for the floors of holds.
const DIRECTOR_KEYS: &str = "trust/director-keys";
/// The name of the note that holds the keys of the environment's role, for the floors of counters.
const ENVIRONMENT_KEYS: &str = "trust/environment-keys";

/// The privileged side of one node.
pub struct Helper {
    store: Arc<SharedStore>,
    identity: Identity,
    node_key: NodeKey,
    files: IdentityFiles,
    apps: PathBuf,
    /// Floors of sidecars, as long as these are the ones that were read.
    known_floors: Mutex<BTreeMap<PathBuf, Known>>,
}

/// The stamp of a sidecar, and its floors.
type Known = ((u64, SystemTime), Option<Floors>);

impl Helper {
    /// Opens the helper of an enrolled node. The first time, trust begins with the enrolled root; a
    /// database that was `lost` is filled again from what else is on the disk.
    ///
    /// # Errors
    /// [`sanaga_proto::code::NOT_ENROLLED`], or a fault of the disk.
    pub fn open(
        store: Arc<SharedStore>,
        lost: Option<String>,
        identity: Identity,
        files: IdentityFiles,
        apps: PathBuf,
        now: Reading,
    ) -> Result<Self, Failure> {
        let node_key = NodeKey::load(&files)?;
        let helper = Self {
            store,
            identity,
            node_key,
            files,
            apps,
            known_floors: Mutex::default(),
        };
        helper.begin_or_recover(lost, now)?;
        Ok(helper)
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The node's key.
    #[must_use]
    pub fn node_key_id(&self) -> NodeKeyId {
        self.node_key.id()
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The folder of an app.
    #[must_use]
    pub fn folder(&self, app: &AppName) -> AppFolder {
        AppFolder::new(&self.apps, app)
    }

    /// Raises the floor of an app's counter: from now on nothing older comes from afar (rule 9).
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn raise_counter(&self, app: &AppName, release: &Release) -> Result<(), Failure> {
        let (_, mut floors, _) = self.load_trust()?;
        let keys = self.note_of_keys(ENVIRONMENT_KEYS)?.unwrap_or_default();
        floors.accept_counter(CounterFloor {
            environment: self.identity.environment.clone(),
            app: app.clone(),
            keys,
            counter: release.counter,
            version: release.version.clone(),
        });
        self.store.keep(&floors, &[])
    }

    /// Whether a hold stops this node. Without floors nobody knows, and nothing new may begin; what
    /// runs does not depend on it.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn is_held(&self) -> Result<bool, Failure> {
        let floors = match self.load_trust() {
            Ok((_, floors, _)) => floors,
            Err(failure) if failure.code() == code::FLOORS_LOST => return Ok(true),
            Err(failure) => {
                // What runs must not depend on it.
                tracing::warn!(%failure, "holds cannot be read");
                return Ok(true);
            }
        };
        let scopes = ["all".to_owned(), self.node_key_id().to_string()];
        let director = self.note_of_keys(DIRECTOR_KEYS)?;
        let held = |scope: &String| match &director {
            Some(director) => floors.held_under(director, scope),
            // Nothing was adopted yet: whoever signed it.
            None => floors.held(scope),
        };
        Ok(scopes.iter().any(held))
    }

    fn note_of_keys(&self, name: &str) -> Result<Option<KeySet>, Failure> {
        let json = self.store.read(|db| state::note(db, name))?;
        Ok(json.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    pub(crate) fn load_trust(&self) -> Result<(Stored, Floors, Vec<Alarm>), Failure> {
        let pinned = identity::read_optional(&self.files.root())?;
        self.store.load_trust(self.sidecar_floors(), pinned)
    }

    /// The floors that installed releases carry.
    fn sidecar_floors(&self) -> Vec<Floors> {
        let slots = self.sidecars().into_iter();
        slots.filter_map(|slot| self.floors_of(&slot)).collect()
    }

    /// The slots of all apps, which their sidecars stand beside.
    fn sidecars(&self) -> Vec<PathBuf> {
        let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
        folders(&self.apps)
            .flat_map(|app| folders(&app.path().join("slots")))
            .filter(|slot| slot.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|slot| slot.path())
            .collect()
    }

    /// The floors of one slot's sidecar. They are asked for at every turn, and a sidecar may hold a
    /// hundred thousand entries: it is read once.
    fn floors_of(&self, slot: &Path) -> Option<Floors> {
        let stamp = Sidecar::stamp(slot)?;
        let mut known = self
            .known_floors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((of, floors)) = known.get(slot)
            && *of == stamp
        {
            return floors.clone();
        }
        let bytes = Sidecar::read(slot).ok().flatten()?.floors;
        let floors = bytes.and_then(|bytes| Floors::from_bytes(&bytes).ok());
        known.retain(|slot, _| slot.exists());
        known.insert(slot.to_owned(), (stamp, floors.clone()));
        floors
    }
}
