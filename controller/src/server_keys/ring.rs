//! The key of one online role, and the one that is to take its place. Which of them signs is decided
//! by signed metadata: the new one lies beside the old one until root or targets names it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sanaga_proto::failure::Failure;
use sanaga_proto::trust::{KeyKind, MemorySigner, PublicKey, Signer as _};

use super::{read_signer, write_private};

/// The keys of one role.
#[derive(Debug)]
pub(super) struct Ring {
    path: PathBuf,
    keys: RwLock<Keys>,
}

#[derive(Debug)]
struct Keys {
    active: Arc<MemorySigner>,
    next: Option<Arc<MemorySigner>>,
}

impl Ring {
    /// Makes the role's key if there is none.
    pub(super) fn create(folder: &Path, role: &str) -> Result<(), Failure> {
        let path = file(folder, role);
        if !path.exists() {
            write_private(&path, &new_key()?.to_pkcs8())?;
        }
        Ok(())
    }

    /// Reads the role's key, and the next one if it was made.
    pub(super) fn load(folder: &Path, role: &str) -> Result<Self, Failure> {
        let path = file(folder, role);
        let next = next_path(&path);
        let keys = Keys {
            active: Arc::new(read_signer(&path)?),
            next: match next.exists() {
                true => Some(Arc::new(read_signer(&next)?)),
                false => None,
            },
        };
        Ok(Self {
            path,
            keys: RwLock::new(keys),
        })
    }

    /// The key that signs.
    pub(super) fn active(&self) -> Arc<MemorySigner> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys.active)
    }

    /// Whichever of both is among these.
    pub(super) fn among(&self, named: &[PublicKey]) -> Option<Arc<MemorySigner>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let both = [Some(&keys.active), keys.next.as_ref()];
        let mut both = both.into_iter().flatten();
        both.find(|key| named.contains(key.public())).cloned()
    }

    /// The next key, made now if there is none: a rotation that was broken off goes on with its key.
    pub(super) fn prepare(&self) -> Result<PublicKey, Failure> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = &keys.next {
            return Ok(next.public().clone());
        }
        let next = new_key()?;
        write_private(&next_path(&self.path), &next.to_pkcs8())?;
        let public = next.public().clone();
        keys.next = Some(Arc::new(next));
        Ok(public)
    }

    /// Once metadata that names the next key is current, the old key is written over.
    pub(super) fn follow(&self, named: &[PublicKey]) -> Result<(), Failure> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if named.contains(keys.active.public()) {
            return Ok(());
        }
        let Some(next) = keys.next.clone().filter(|key| named.contains(key.public())) else {
            return Ok(());
        };
        sanaga_durable::rename(&next_path(&self.path), &self.path)
            .map_err(|error| super::not_writable(&self.path, &error))?;
        *keys = Keys {
            active: next,
            next: None,
        };
        Ok(())
    }
}

fn file(folder: &Path, role: &str) -> PathBuf {
    folder.join(format!("{role}.pkcs8"))
}

fn next_path(path: &Path) -> PathBuf {
    path.with_extension("next.pkcs8")
}

fn new_key() -> Result<MemorySigner, Failure> {
    MemorySigner::generate(KeyKind::Ed25519).map_err(Failure::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_key_waits_until_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        Ring::create(folder.path(), "director").unwrap();
        let ring = Ring::load(folder.path(), "director").unwrap();
        let old = ring.active().public().clone();
        let new = ring.prepare().unwrap();
        assert_eq!(ring.prepare().unwrap(), new);
        // Metadata still names the old one; also after a restart.
        ring.follow(std::slice::from_ref(&old)).unwrap();
        let ring = Ring::load(folder.path(), "director").unwrap();
        assert_eq!(*ring.active().public(), old);
        let found = ring.among(std::slice::from_ref(&new)).unwrap();
        assert_eq!(*found.public(), new);
        ring.follow(std::slice::from_ref(&new)).unwrap();
        assert_eq!(*ring.active().public(), new);
        let ring = Ring::load(folder.path(), "director").unwrap();
        assert_eq!(*ring.active().public(), new);
        assert!(ring.among(std::slice::from_ref(&old)).is_none());
        // Nobody's key: nothing is thrown away.
        ring.follow(std::slice::from_ref(&old)).unwrap();
        assert_eq!(*ring.active().public(), new);
    }
}
