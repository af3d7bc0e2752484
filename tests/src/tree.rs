//! Two trees, compared byte for byte, with nothing of the programs under test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

/// What one path is: kind, mode, and content or target.
type Listing = BTreeMap<String, String>;

/// Lists a tree.
///
/// # Errors
/// When something cannot be read.
pub fn list(root: &Path) -> Result<Listing> {
    let mut listing = Listing::new();
    walk(root, root, &mut listing)?;
    Ok(listing)
}

/// Both trees have the same paths, modes, links and bytes.
///
/// # Errors
/// The first difference.
pub fn same(left: &Path, right: &Path) -> Result<usize> {
    let (ours, theirs) = (list(left)?, list(right)?);
    for (path, what) in &ours {
        match theirs.get(path) {
            Some(other) if other == what => {}
            Some(other) => bail!(
                "{path}: {what} in {}, {other} in {}",
                left.display(),
                right.display()
            ),
            None => bail!("{path} is missing in {}", right.display()),
        }
    }
    if let Some(path) = theirs.keys().find(|path| !ours.contains_key(*path)) {
        bail!("{path} is only in {}", right.display());
    }
    Ok(ours.len())
}

fn walk(root: &Path, folder: &Path, listing: &mut Listing) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        let there = fs::symlink_metadata(&path)?;
        let mode = there.permissions().mode() & 0o7777;
        let what = if there.is_symlink() {
            format!("link to {}", fs::read_link(&path)?.display())
        } else if there.is_dir() {
            format!("folder {mode:o}")
        } else {
            let digest = Sha256::digest(fs::read(&path)?);
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("file {mode:o} {} {digest}", there.len())
        };
        listing.insert(name, what);
        if there.is_dir() {
            walk(root, &path, listing)?;
        }
    }
    Ok(())
}
