//! The sidecar of a slot: all that is needed to run, check and take back a release without a
//! network, a clock or the database.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use sanaga_proto::fields;
use sanaga_proto::ids::Digest;
use sanaga_proto::tree::HashedTree;
use sanaga_proto::wire::Document;
use sanaga_proto::wire::document::Bytes;

use super::SlotError;
use super::layout::sidecar_path;
use crate::update::Release;

/// What a sidecar begins with; its SHA-256 and its content follow.
const MAGIC: &[u8; 8] = b"SNGREL1\n";
/// A sidecar, bytes: the longest list of entries with its hashes, and the documents.
const BYTES_MAX: u64 = 96 << 20;

fields! {
    /// The content of a sidecar.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Content ("sidecar") {
        /// The release, as the journal names it: JSON.
        3 required release: String,
        /// The manifest.
        4 required manifest: Bytes,
        /// The tree with the hash of each file; it hashes to the tree root.
        5 required tree: Bytes,
        /// The documents that it was verified by, by name.
        6 list documents: (String, Bytes),
        /// The floors when it was staged.
        7 optional floors: Bytes,
    }
}

impl Document for Content {
    const WHAT: &'static str = "sidecar";
    const TYPE: u64 = 14;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = BYTES_MAX;
}

/// A sidecar, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// The release.
    pub release: Release,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The tree.
    pub tree: HashedTree,
    /// The documents that it was verified by, by name.
    pub documents: Vec<(String, Vec<u8>)>,
    /// The floors when it was staged.
    pub floors: Option<Vec<u8>>,
}

impl Sidecar {
    /// Writes the sidecar of a slot; from then on the slot counts.
    ///
    /// # Errors
    /// A fault of the disk.
    pub(super) fn write(&self, slot: &Path) -> Result<(), SlotError> {
        let path = sidecar_path(slot);
        let release = serde_json::to_string(&self.release).map_err(|error| SlotError::Sidecar {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        let content = Content {
            release,
            manifest: Bytes(self.manifest.clone()),
            tree: Bytes(self.tree.encode()),
            documents: self
                .documents
                .iter()
                .map(|(name, bytes)| (name.clone(), Bytes(bytes.clone())))
                .collect(),
            floors: self.floors.clone().map(Bytes),
        };
        let content = content.to_bytes();
        let bytes = [MAGIC.as_slice(), &Digest::of(&content).0, &content].concat();
        Ok(sanaga_durable::write_file(&path, &bytes, 0o644)?)
    }

    /// What tells whether the sidecar of a slot is still the one that was read: its length and when it
    /// was written; none when there is no such file.
    #[must_use]
    pub fn stamp(slot: &Path) -> Option<(u64, SystemTime)> {
        let found = std::fs::metadata(sidecar_path(slot)).ok()?;
        Some((found.len(), found.modified().ok()?))
    }

    /// Reads the sidecar of a slot; none when there is no such file.
    ///
    /// # Errors
    /// A fault of the disk, or a file that is not whole.
    pub fn read(slot: &Path) -> Result<Option<Self>, SlotError> {
        let path = sidecar_path(slot);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                file.take(BYTES_MAX)
                    .read_to_end(&mut bytes)
                    .map_err(SlotError::disk("read", &path))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SlotError::disk("open", &path)(error)),
        }
        parse(&bytes)
            .map(Some)
            .map_err(|problem| SlotError::Sidecar { path, problem })
    }
}

fn parse(bytes: &[u8]) -> Result<Sidecar, String> {
    let rest = bytes
        .strip_prefix(MAGIC.as_slice())
        .ok_or("is not a sidecar")?;
    let (digest, content) = rest.split_first_chunk::<32>().ok_or("is cut short")?;
    if Digest::of(content).0 != *digest {
        return Err("does not match its checksum".to_owned());
    }
    let content = Content::from_bytes(content).map_err(|error| error.to_string())?;
    let release: Release =
        serde_json::from_str(&content.release).map_err(|error| error.to_string())?;
    let tree = HashedTree::decode(&content.tree.0).map_err(|error| error.to_string())?;
    if tree.root() != release.root {
        return Err("its list is not that of the release".to_owned());
    }
    Ok(Sidecar {
        release,
        manifest: content.manifest.0,
        tree,
        documents: content
            .documents
            .into_iter()
            .map(|(name, bytes)| (name, bytes.0))
            .collect(),
        floors: content.floors.map(|floors| floors.0),
    })
}
