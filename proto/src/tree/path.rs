//! The rules for names: what a path and a link's target may be, and when two names are the same
//! to a file system that ignores case or Unicode form.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::limits::{PATH_BYTES_MAX, PATH_DEPTH_MAX};

/// One component of a path, bytes: what Linux file systems take.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// Checks a path of a tree.
///
/// # Errors
/// The rule that it breaks: empty, absolute, too long or too deep, an empty, `.` or `..`
/// component, a control character, or not in Unicode form NFC.
pub fn check(path: &str) -> Result<(), &'static str> {
    check_text(path)?;
    let mut depth = 0;
    for component in path.split('/') {
        depth += 1;
        match component {
            "" => return Err("has an empty component"),
            "." | ".." => return Err("has a component `.` or `..`"),
            _ if component.len() > COMPONENT_BYTES_MAX => {
                return Err("has a component longer than 255 bytes");
            }
            _ => {}
        }
    }
    if depth > PATH_DEPTH_MAX {
        return Err("is deeper than 32 components");
    }
    Ok(())
}

/// Checks the target of the link at `path` (which must have passed [`check`]).
///
/// `..` may stand only at the front. The parent of an entry is a real directory, so such a target
/// climbs real directories only and then goes down; a chain of links can leave the tree no more
/// than one link can. A `..` behind a name could climb from wherever another link leads.
///
/// # Errors
/// The rule that it breaks.
pub fn check_target(path: &str, target: &str) -> Result<(), &'static str> {
    check_text(target)?;
    let mut climb_max = path.split('/').count().saturating_sub(1);
    let mut depth = 0;
    for component in target.split('/') {
        match component {
            "" => return Err("has an empty component"),
            "." => {}
            ".." if depth > 0 => return Err("has `..` behind a name"),
            ".." => {
                climb_max = climb_max.checked_sub(1).ok_or("leaves the tree")?;
            }
            _ if component.len() > COMPONENT_BYTES_MAX => {
                return Err("has a component longer than 255 bytes");
            }
            _ => depth += 1,
        }
    }
    if depth > PATH_DEPTH_MAX {
        return Err("is deeper than 32 components");
    }
    Ok(())
}

/// The directory that a path stands in; `None` at the top.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// The last component.
#[must_use]
pub fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What follows the last dot of the last component, unless that dot is its first character.
#[must_use]
pub fn extension(path: &str) -> &str {
    match base_name(path).rsplit_once('.') {
        Some(("", _)) | None => "",
        Some((_, extension)) => extension,
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > PATH_BYTES_MAX {
        return Err("is longer than 1024 bytes");
    }
    if text.starts_with('/') {
        return Err("is absolute");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    if !unicode_normalization::is_nfc(text) {
        return Err("is not in Unicode form NFC");
    }
    Ok(())
}

/// 128 bits of a hash stand for a name in the sets below: equal names are always found, and 200,000
/// names take a few megabytes however long they are.
pub(super) type NameHash = [u8; 16];

pub(super) fn hash(name: &str) -> NameHash {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let mut out = NameHash::default();
    out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    out
}

/// Equal for names that are a canonical caseless match (Unicode 3.13, D145).
pub(super) fn folded_hash(name: &str) -> NameHash {
    if name.is_ascii() {
        return hash(&name.to_ascii_lowercase());
    }
    let decomposed: String = name.nfd().collect();
    hash(
        &caseless::default_case_fold_str(&decomposed)
            .nfd()
            .collect::<String>(),
    )
}
