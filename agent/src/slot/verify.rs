//! Hashing an installed slot again, against its own sidecar.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sanaga_proto::ids::Digest;
use sanaga_proto::tree::{Entry, Kind};
use sha2::{Digest as _, Sha256};

use super::SlotError;
use super::layout::sidecar_path;
use super::sidecar::Sidecar;

/// How a file differs from what was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Its path in the tree.
    pub path: String,
    /// `missing`, `extra`, `changed`, `mode`, `kind` or `target`.
    pub how: &'static str,
}

/// What a look at a slot found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Regular files looked at.
    pub files: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// What differs.
    pub drift: Vec<Drift>,
}

/// Compares a slot with its sidecar, byte for byte.
///
/// # Errors
/// A sidecar that is missing or not whole.
pub fn verify(slot: &Path) -> Result<Verified, SlotError> {
    let sidecar = Sidecar::read(slot)?.ok_or_else(|| SlotError::Sidecar {
        path: sidecar_path(slot),
        problem: "is missing".to_owned(),
    })?;
    let mut found = Verified::default();
    let mut hashes = sidecar.tree.hashes().iter();
    let mut known = BTreeSet::new();
    for entry in sidecar.tree.list().entries() {
        let hash = entry.file_size().and_then(|_| hashes.next());
        if let Some(how) = difference(slot, entry, hash, &mut found) {
            found.drift.push(Drift {
                path: entry.path.clone(),
                how,
            });
        }
        known.insert(entry.path.as_str());
    }
    extra(slot, "", &known, &mut found.drift);
    Ok(found)
}

fn difference(
    slot: &Path,
    entry: &Entry,
    hash: Option<&Digest>,
    found: &mut Verified,
) -> Option<&'static str> {
    let path = slot.join(&entry.path);
    let Ok(there) = fs::symlink_metadata(&path) else {
        return Some("missing");
    };
    match &entry.kind {
        Kind::Symlink { target } => {
            let same = fs::read_link(&path).is_ok_and(|link| link.as_os_str() == target.as_str());
            (!same).then_some("target")
        }
        Kind::Directory { mode } if there.is_dir() => other_mode(&there, *mode),
        Kind::File { mode, .. } if there.is_file() => {
            found.files += 1;
            found.bytes += there.len();
            match File::open(&path).and_then(digest_of) {
                Ok(digest) if Some(&digest) == hash => other_mode(&there, *mode),
                Ok(_) | Err(_) => Some("changed"),
            }
        }
        Kind::Directory { .. } | Kind::File { .. } => Some("kind"),
    }
}

fn other_mode(there: &fs::Metadata, mode: u16) -> Option<&'static str> {
    (there.permissions().mode() & 0o7777 != u32::from(mode)).then_some("mode")
}

/// The hash of a file's content.
pub(super) fn digest_of(mut file: File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hasher.finalize().into())),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn extra(top: &Path, below: &str, known: &BTreeSet<&str>, drift: &mut Vec<Drift>) {
    for entry in fs::read_dir(top.join(below))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if !known.contains(path.as_str()) {
            drift.push(Drift { path, how: "extra" });
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            extra(top, &path, known, drift);
        }
    }
}
