//! The offline bundle: one file that carries the static paths that an install needs. It is an
//! index and then the files, so that it can be read in one pass from a slow stick.
//!
//! `"SNGBNDL1" ‖ u32 index length ‖ index (CBOR) ‖ files one after the other`

use super::WireError;
use super::document::Document;
use crate::fields;
use crate::ids::RepositoryId;

/// What a bundle file starts with.
pub const MAGIC: &[u8; 8] = b"SNGBNDL1";
/// The index, bytes.
pub const INDEX_BYTES_MAX: u64 = 4_000_000;

fields! {
    /// What is in the bundle.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Index ("bundle index") {
        /// Which repository.
        3 required repository: RepositoryId,
        /// The static path of each file below `/v1/`, and its length in bytes, in file order.
        4 list files: (String, u64),
    }
}

impl Document for Index {
    const WHAT: &'static str = "bundle index";
    const TYPE: u64 = 13;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = INDEX_BYTES_MAX;
}

/// The head of a bundle file, before the first file.
#[must_use]
pub fn head(index: &Index) -> Vec<u8> {
    let body = index.to_bytes();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [MAGIC.as_slice(), &length.to_be_bytes(), &body].concat()
}

/// The length of the index, from the first 12 bytes of the file.
///
/// # Errors
/// [`WireError`] when it is no bundle, or its index is too big.
pub fn index_bytes(start: &[u8]) -> Result<u64, WireError> {
    let not = || WireError::malformed("bundle", "is not a Sanaga bundle");
    let rest = start.strip_prefix(MAGIC.as_slice()).ok_or_else(not)?;
    let length = rest.first_chunk::<4>().ok_or_else(not)?;
    let length = u64::from(u32::from_be_bytes(*length));
    if length > INDEX_BYTES_MAX {
        return Err(WireError::TooBig {
            what: "bundle index",
            limit: INDEX_BYTES_MAX,
        });
    }
    Ok(length)
}
