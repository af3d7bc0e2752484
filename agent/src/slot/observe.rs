//! What is really on disk, before each decision.

use std::collections::BTreeMap;
use std::io;

use super::SlotError;
use super::layout::{AppFolder, slot_number};
use super::links::named;
use super::sidecar::Sidecar;
use crate::update::{Seal, SlotNumber};

/// The slots and links of one app.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Every slot, whole or not.
    pub slots: BTreeMap<SlotNumber, Seal>,
    /// What `current` names.
    pub current: Option<SlotNumber>,
    /// What `previous` names.
    pub previous: Option<SlotNumber>,
}

/// Looks at an app's folder. `known` are the seals of an earlier look, which are not read again: a
/// slot never changes once it is in place.
///
/// # Errors
/// A fault of the disk. An app without a folder has nothing.
pub fn observe(app: &AppFolder, known: &BTreeMap<SlotNumber, Seal>) -> Result<Observed, SlotError> {
    let mut observed = Observed {
        current: named(&app.current())?,
        previous: named(&app.previous())?,
        ..Observed::default()
    };
    let slots = app.slots();
    let entries = match std::fs::read_dir(&slots) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(observed),
        Err(error) => return Err(SlotError::disk("read", &slots)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(SlotError::disk("read", &slots))?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(slot_number) else {
            continue;
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder {
            // A sidecar without its folder is half a removal.
            observed.slots.entry(number).or_insert(Seal::Unsealed);
            continue;
        }
        let seal = match known.get(&number) {
            Some(seal @ (Seal::Sealed(_) | Seal::Damaged(_)))
                if super::layout::sidecar_path(&entry.path()).is_file() =>
            {
                seal.clone()
            }
            Some(_) | None => seal_of(&entry.path()),
        };
        observed.slots.insert(number, seal);
    }
    Ok(observed)
}

fn seal_of(slot: &std::path::Path) -> Seal {
    match Sidecar::read(slot) {
        Ok(Some(sidecar)) => Seal::Sealed(sidecar.release),
        Ok(None) | Err(_) => Seal::Unsealed,
    }
}
