//! The signature around a document: COSE_Sign1 (RFC 9052 §4.2), tagged, with the algorithm as its
//! only protected header. The type of the document is inside the signed payload.

use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana,
};

use super::document::{Document, WireError};

/// How a key signs; the two kinds that the project knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    EdDsa,
    /// ECDSA over P-256 with SHA-256; the signature is r ‖ s.
    Es256,
}

/// Makes one signature.
pub trait EnvelopeSigner {
    /// The key's algorithm.
    fn algorithm(&self) -> Algorithm;
    /// Signs the bytes of the Sig_structure.
    ///
    /// # Errors
    /// Whatever keeps the key from signing, in words.
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String>;
}

/// Checks one signature.
pub trait EnvelopeVerifier {
    /// Whether `signature` over `bytes` is by this key; false for another algorithm.
    fn verify(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool;
}

/// Signs a document.
///
/// # Errors
/// [`WireError::Malformed`] with the signer's words.
pub fn seal<D: Document>(document: &D, signer: &dyn EnvelopeSigner) -> Result<Vec<u8>, WireError> {
    let algorithm = match signer.algorithm() {
        Algorithm::EdDsa => iana::Algorithm::EdDSA,
        Algorithm::Es256 => iana::Algorithm::ES256,
    };
    CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(algorithm).build())
        .payload(document.to_bytes())
        .try_create_signature(D::WHAT.as_bytes(), |bytes| signer.sign(bytes))
        .map_err(|problem| WireError::malformed(D::WHAT, problem))?
        .build()
        .to_tagged_vec()
        .map_err(|error| WireError::malformed(D::WHAT, error.to_string()))
}

/// Opens an envelope that one of `keys` must have signed. `D::WHAT` is the external data of the
/// signature, so that an envelope of one type never passes for another.
///
/// # Errors
/// [`WireError::BadSignature`] when none of the keys signed it, else as [`Document::from_bytes`].
pub fn open<D: Document>(bytes: &[u8], keys: &[&dyn EnvelopeVerifier]) -> Result<D, WireError> {
    let envelope = parse(D::WHAT, bytes, D::BYTES_MAX)?;
    let bad = WireError::BadSignature { what: D::WHAT };
    let algorithm = match &envelope.protected.header.alg {
        Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::EdDSA)) => {
            Algorithm::EdDsa
        }
        Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)) => {
            Algorithm::Es256
        }
        Some(_) | None => return Err(bad),
    };
    let signed = keys.iter().any(|key| {
        envelope
            .verify_signature(D::WHAT.as_bytes(), |signature, tbs| {
                key.verify(algorithm, tbs, signature)
                    .then_some(())
                    .ok_or(())
            })
            .is_ok()
    });
    if !signed {
        return Err(bad);
    }
    D::from_bytes(envelope.payload.as_deref().unwrap_or_default())
}

/// Reads the payload without checking who signed it: for display, and to learn which key to ask.
///
/// # Errors
/// As [`Document::from_bytes`].
pub fn peek<D: Document>(bytes: &[u8]) -> Result<D, WireError> {
    let envelope = parse(D::WHAT, bytes, D::BYTES_MAX)?;
    D::from_bytes(envelope.payload.as_deref().unwrap_or_default())
}

fn parse(what: &'static str, bytes: &[u8], bytes_max: u64) -> Result<CoseSign1, WireError> {
    if bytes.len() as u64 > bytes_max {
        return Err(WireError::TooBig {
            what,
            limit: bytes_max,
        });
    }
    // Some writers leave the tag away; it adds nothing, so both are read.
    CoseSign1::from_tagged_slice(bytes)
        .or_else(|_| CoseSign1::from_slice(bytes))
        .map_err(|error| WireError::malformed(what, error.to_string()))
}
