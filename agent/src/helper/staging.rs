//! Staging as the helper does it: the pack's events are only orders to write; what was written is
//! compared with the root that the environment's keys signed.

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::AppName;
use sanaga_proto::pack::{self, Event, TreeSink};
use sanaga_proto::tree::HashedTree;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name;

use super::Helper;
use crate::slot::{AppFolder, Base, Sidecar, SlotError, Staging};
use crate::store::state;
use crate::update::{Release, Target};
use crate::worker::Decoder;

impl Helper {
    /// Makes the target's slot from a pack. Blocking; everything of it can be repeated.
    ///
    /// # Errors
    /// [`code::BASE_DAMAGED`] when the base cannot be used, [`code::BAD_PACK`], [`code::TREE_MISMATCH`],
    /// or a fault of the disk. What was written is removed.
    pub fn stage(
        &self,
        app: &AppName,
        target: &Target,
        offer: &Offer,
        decoder: Decoder,
        reserve_bytes: u64,
    ) -> Result<(), Failure> {
        let folder = self.folder(app);
        let base = offer
            .base
            .map(|root| Base::find(&folder, &root, target.slot))
            .transpose()
            .map_err(Failure::of)?;
        let manifest = self
            .manifest(&target.release.manifest)?
            .ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", "manifest"))?;
        let mut writer = Writer {
            folder: &folder,
            target,
            unpacked_bytes: manifest.unpacked_bytes,
            entries: manifest.entries,
            base: base.as_ref(),
            reserve_bytes,
            staging: None,
        };
        let base_of_pack = base.as_ref().map(|base| base as &dyn pack::Base);
        let sealed = decoder
            .run(base_of_pack, &mut writer)
            .and_then(|()| {
                let empty = || SlotError::Unfitting {
                    problem: "an empty pack".into(),
                };
                writer.staging.ok_or_else(|| Failure::of(empty()))
            })
            .and_then(|staging| self.seal(staging, target));
        sealed.map_err(|failure| blame(failure, base.as_ref()))
    }

    /// Makes the target's slot from another whole slot of the same tree.
    ///
    /// # Errors
    /// As [`Helper::stage`].
    pub fn stage_copy(
        &self,
        app: &AppName,
        target: &Target,
        reserve_bytes: u64,
    ) -> Result<(), Failure> {
        let folder = self.folder(app);
        let base = Base::find(&folder, &target.release.root, target.slot).map_err(Failure::of)?;
        let list = base.list().clone();
        let files = list.files().len() as u32;
        let mut staging = Staging::begin(
            &folder,
            target.slot,
            &target.release.root,
            list,
            reserve_bytes,
        )
        .map_err(Failure::of)?;
        for number in 0..files {
            staging.reuse(number, &base, number).map_err(Failure::of)?;
        }
        self.seal(staging, target)
    }

    fn seal(&self, staging: Staging, target: &Target) -> Result<(), Failure> {
        let (stored, floors, _) = self.load_trust()?;
        let wanted = name::manifest(&target.release.manifest);
        let manifest = self.store.read(|db| state::document(db, &wanted))?;
        let manifest =
            manifest.ok_or_else(|| Failure::new(code::MISSING_DOCUMENT).arg("what", &wanted))?;
        let mut documents: Vec<(String, Vec<u8>)> = stored.documents.into_iter().collect();
        documents.push(("root.json".to_owned(), stored.root));
        if let Some(bytes) = self
            .store
            .read(|db| state::document(db, name::ASSIGNMENT))?
        {
            documents.push((name::ASSIGNMENT.to_owned(), bytes));
        }
        let floors = floors.to_bytes().map_err(Failure::of)?;
        let sidecar = |tree: HashedTree| Sidecar {
            release: target.release.clone(),
            manifest,
            tree,
            documents,
            floors: Some(floors),
        };
        staging.finish(sidecar).map_err(Failure::of)
    }

    /// The manifest of an installed release, from its own sidecar.
    ///
    /// # Errors
    /// A sidecar that is missing or not whole.
    pub fn installed_manifest(
        &self,
        folder: &AppFolder,
        slot: u32,
    ) -> Result<(Release, sanaga_proto::manifest::Manifest), Failure> {
        let path = folder
            .find_slot(slot)
            .unwrap_or_else(|| folder.slots().join(format!("{slot:04}")));
        let missing = || Failure::new(code::DRIFT).arg("path", path.display());
        let sidecar = Sidecar::read(&path)
            .map_err(Failure::of)?
            .ok_or_else(missing)?;
        let manifest =
            sanaga_proto::wire::Document::from_bytes(&sidecar.manifest).map_err(Failure::of)?;
        Ok((sidecar.release, manifest))
    }
}

/// An authentic patch that makes another tree, or none, was given a base that is not what it was:
/// the damaged file is named, so that the full pack is fetched instead.
fn blame(failure: Failure, base: Option<&Base>) -> Failure {
    let is_of_content = [code::BAD_PACK, code::TREE_MISMATCH].contains(&failure.code());
    match base.filter(|_| is_of_content).and_then(Base::damaged) {
        Some(path) => Failure::of(SlotError::BaseDamaged { path }),
        None => failure,
    }
}

/// Carries out what the decoder says.
struct Writer<'a> {
    folder: &'a AppFolder,
    target: &'a Target,
    /// What the signed manifest says of its size: no more is written before the root is compared.
    unpacked_bytes: u64,
    entries: u64,
    base: Option<&'a Base>,
    reserve_bytes: u64,
    staging: Option<Staging>,
}

impl TreeSink for Writer<'_> {
    type Error = SlotError;

    fn event(&mut self, event: Event<'_>) -> Result<(), SlotError> {
        let unfitting = |problem: &str| SlotError::Unfitting {
            problem: problem.to_owned(),
        };
        if let Event::List(list) = event {
            if self.staging.is_some() {
                return Err(unfitting("two lists"));
            }
            let entries = list.entries().len() as u64;
            if (list.file_bytes(), entries) != (self.unpacked_bytes, self.entries) {
                return Err(unfitting("another size than the manifest says"));
            }
            let root = &self.target.release.root;
            let staging = Staging::begin(
                self.folder,
                self.target.slot,
                root,
                list.clone(),
                self.reserve_bytes,
            )?;
            self.staging = Some(staging);
            return Ok(());
        }
        let staging = self.staging.as_mut().ok_or_else(|| unfitting("no list"))?;
        match event {
            Event::List(_) | Event::Done => Ok(()),
            Event::Reuse { new, old } => {
                let base = self.base.ok_or_else(|| unfitting("no base"))?;
                staging.reuse(new, base, old)
            }
            Event::Begin { file } => staging.begin_file(file),
            Event::Data(bytes) => staging.data(bytes),
            Event::End { .. } => staging.end_file().map(|_| ()),
        }
    }
}
