//! Decodes a fresh pack again and compares the tree root of what it makes with what was scanned:
//! a file that changed while it was packed, or a fault of the encoder, never leaves this machine.

use std::convert::Infallible;
use std::io::Read;

use sanaga_proto::ids::Digest;
use sanaga_proto::pack::{self, Base as _, DecodeError, Event, TreeSink};
use sanaga_proto::tree::TreeList;
use sha2::{Digest as _, Sha256};

use super::PublishError;
use super::scan::TreeDir;

/// Checks that `pack` makes `new` from `old`.
pub(super) fn check(
    pack: impl Read,
    old: Option<&TreeDir>,
    new: &TreeDir,
) -> Result<(), PublishError> {
    let mut sink = Hashes::default();
    let base = old.map(|old| old as &dyn pack::Base);
    let decoded = pack::decode(std::io::BufReader::new(pack), &new.root(), base, &mut sink);
    if let Err(DecodeError::Pack(error)) = decoded {
        return Err(PublishError::Pack(error));
    }
    for (number, entry) in (0_u32..).zip(new.list().files()) {
        let expected = new.tree().hash(number);
        let found = match sink.found.get(number as usize) {
            Some(Some(Found::Hash(hash))) => Some(hash),
            Some(Some(Found::Old(file))) => old.and_then(|old| old.tree().hash(*file)),
            Some(None) | None => None,
        };
        if sink.list != *new.list() || found != expected {
            let path = new
                .list()
                .get(*entry)
                .map_or("", |entry| &entry.path)
                .to_owned();
            return Err(PublishError::Changed { path });
        }
    }
    Ok(())
}

enum Found {
    Hash(Digest),
    Old(u32),
}

#[derive(Default)]
struct Hashes {
    list: TreeList,
    /// By file number.
    found: Vec<Option<Found>>,
    hasher: Sha256,
}

impl Hashes {
    fn put(&mut self, file: u32, found: Found) {
        if let Some(slot) = self.found.get_mut(file as usize) {
            *slot = Some(found);
        }
    }
}

impl TreeSink for Hashes {
    type Error = Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::List(list) => {
                self.list = list.clone();
                self.found = list.files().iter().map(|_| None).collect();
            }
            Event::Reuse { new, old } => self.put(new, Found::Old(old)),
            Event::Begin { .. } => self.hasher = Sha256::new(),
            Event::Data(data) => self.hasher.update(data),
            Event::End { file } => {
                let hash = Digest(self.hasher.finalize_reset().into());
                self.put(file, Found::Hash(hash));
            }
            Event::Done => {}
        }
        Ok(())
    }
}
