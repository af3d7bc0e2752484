//! Floors as bytes: `SNGFLRS1`, the SHA-256 of the rest, and the floors in CBOR.

use super::Floors;
use crate::ids::Digest;
use crate::trust::error::TrustError;

const MAGIC: &[u8; 8] = b"SNGFLRS1";
/// Far more than any node has, bytes.
const BYTES_MAX: usize = 1 << 20;

impl Floors {
    /// The floors with their checksum; equal floors give equal bytes.
    ///
    /// # Errors
    /// [`TrustError::TooBig`] over 1 MiB.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrustError> {
        let mut body = Vec::new();
        ciborium::into_writer(self, &mut body).map_err(|error| TrustError::BadMetadata {
            what: "floors".to_owned(),
            problem: error.to_string(),
        })?;
        if body.len() > BYTES_MAX {
            return Err(TrustError::TooBig {
                what: "floors".to_owned(),
                limit: BYTES_MAX as u64,
            });
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&Digest::of(&body).0);
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// The floors from their bytes.
    ///
    /// # Errors
    /// [`TrustError::StoreDamaged`] if they are torn, empty, changed or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        let damaged = || TrustError::StoreDamaged {
            what: "floors".to_owned(),
        };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (digest, body) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        if body.len() > BYTES_MAX || Digest::of(body).0 != *digest {
            return Err(damaged());
        }
        ciborium::from_reader(body).map_err(|_| damaged())
    }
}
