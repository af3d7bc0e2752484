//! The documents that were accepted, as they are read again: the assignment in force, its manifests,
//! and the offers that lead to them. What nothing names any more is forgotten.

use std::collections::BTreeSet;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, TreeRoot};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::Judge;
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::assignment::Assignment;
use sanaga_proto::wire::envelope;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;

use super::Helper;
use crate::store::state;

impl Helper {
    /// The assignment in force, as it was verified when it came.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn assignment(&self) -> Result<Option<Assignment>, Failure> {
        let Some(bytes) = self
            .store
            .read(|db| state::document(db, name::ASSIGNMENT))?
        else {
            return Ok(None);
        };
        envelope::peek(&bytes).map(Some).map_err(Failure::of)
    }

    /// The manifest with this digest, if it came.
    ///
    /// # Errors
    /// A fault of the database, or a manifest that does not read back.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self
            .store
            .read(|db| state::document(db, &name::manifest(digest)))?
        else {
            return Ok(None);
        };
        Manifest::from_bytes(&bytes).map(Some).map_err(Failure::of)
    }

    /// The offers that lead to a tree.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn offers(&self, root: &Digest) -> Result<Vec<Offer>, Failure> {
        let stored = self.store.read(|db| state::documents(db, "offer/"))?;
        let offers = stored
            .iter()
            .filter_map(|(_, bytes)| envelope::peek::<Offer>(bytes).ok());
        Ok(offers.filter(|offer| offer.root == *root).collect())
    }

    /// The documents of the offers that lead to one of these trees, by their names in polls.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn offers_for(
        &self,
        roots: &BTreeSet<TreeRoot>,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        if roots.is_empty() {
            return Ok(Vec::new());
        }
        let mut stored = self.store.read(|db| state::documents(db, "offer/"))?;
        stored.retain(|(_, bytes)| {
            envelope::peek::<Offer>(bytes).is_ok_and(|offer| roots.contains(&offer.root))
        });
        Ok(stored)
    }

    /// Forgets offers and manifests that neither this assignment nor the one before it needs: what is
    /// being staged is still of the one before.
    pub(super) fn forget_old(&self, before: Option<&Assignment>) -> Result<(), Failure> {
        let now = self.assignment()?;
        let named: BTreeSet<Digest> = [before, now.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|assignment| assignment.apps.iter().map(|app| app.manifest))
            .collect();
        let mut keep = BTreeSet::new();
        let mut roots = BTreeSet::new();
        for digest in &named {
            keep.insert(name::manifest(digest));
            roots.extend(self.manifest(digest)?.map(|manifest| manifest.root));
        }
        keep.extend(self.offers_for(&roots)?.into_iter().map(|(name, _)| name));
        self.store.write(|db| {
            for kind in ["manifest/", "offer/"] {
                for (name, _) in state::documents(db, kind)? {
                    if !keep.contains(&name) {
                        state::forget_document(db, &name)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Orders of a director that has been replaced are void: apps stay as they are until the new one
    /// says otherwise. Holds fall with the floors of its keys.
    pub(super) fn forget_void(&self, judge: &Judge<'_>) -> Result<(), Failure> {
        let mut void = Vec::new();
        for (name, bytes) in self.store.read(|db| state::documents(db, "offer/"))? {
            if !judge.is_signed::<Offer>(&bytes) {
                void.push(name);
            }
        }
        let assignment = self
            .store
            .read(|db| state::document(db, name::ASSIGNMENT))?;
        if assignment.is_some_and(|bytes| !judge.is_signed::<Assignment>(&bytes)) {
            void.push(name::ASSIGNMENT.to_owned());
        }
        if void.is_empty() {
            return Ok(());
        }
        self.store.write(|db| {
            void.iter()
                .try_for_each(|name| state::forget_document(db, name))
        })
    }
}
