//! Public keys: Ed25519 and ECDSA P-256, as TUF writes them and as COSE uses them.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canonical::to_canonical;
use super::error::TrustError;
use crate::ids::Digest;
use crate::wire::envelope::{Algorithm, EnvelopeVerifier};

/// DER of a P-256 `SubjectPublicKeyInfo` up to the 65 bytes of the point (RFC 5480).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The longest textual key that is looked at, bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// The kinds of keys that we make and accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// Ed25519 (RFC 8032), the default.
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256, for tokens that have nothing else.
    P256,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicKey {
    /// The 32 raw bytes.
    Ed25519([u8; 32]),
    /// The 65 bytes of the uncompressed point.
    P256([u8; 65]),
}

impl PublicKey {
    /// A key from its raw bytes (32, or 65 that begin with 4).
    ///
    /// # Errors
    /// [`TrustError::BadMetadata`] for any other length or form.
    pub fn from_raw(kind: KeyKind, raw: &[u8]) -> Result<Self, TrustError> {
        match kind {
            KeyKind::Ed25519 => raw
                .try_into()
                .map(Self::Ed25519)
                .map_err(|_| bad("an Ed25519 key has 32 bytes")),
            KeyKind::P256 => match <[u8; 65]>::try_from(raw) {
                Ok(point) if point.first() == Some(&4) => Ok(Self::P256(point)),
                Ok(_) | Err(_) => Err(bad("a P-256 key has 65 bytes and begins with 4")),
            },
        }
    }

    /// A key from its TUF object (`keytype`, `scheme`, `keyval.public`).
    ///
    /// # Errors
    /// [`TrustError::BadMetadata`] for another kind, or bytes that are not a key.
    pub fn from_tuf(value: &Value) -> Result<Self, TrustError> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let public = value
            .pointer("/keyval/public")
            .and_then(Value::as_str)
            .filter(|public| public.len() <= TEXT_BYTES_MAX)
            .ok_or_else(|| bad("no keyval.public"))?;
        match (text("keytype"), text("scheme")) {
            (Some("ed25519"), Some("ed25519")) => {
                Self::from_raw(KeyKind::Ed25519, &from_hex(public)?)
            }
            (Some("ecdsa" | "ecdsa-sha2-nistp256"), Some("ecdsa-sha2-nistp256")) => {
                Self::from_pem(public)
            }
            (_, _) => Err(bad("neither Ed25519 nor P-256")),
        }
    }

    /// The TUF object of this key.
    #[must_use]
    pub fn to_tuf(&self) -> Value {
        match self {
            Self::Ed25519(raw) => json!({
                "keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": to_hex(raw)},
            }),
            Self::P256(point) => json!({
                "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem(point)},
            }),
        }
    }

    /// The key id that securesystemslib computes: the SHA-256 of the canonical TUF object.
    #[must_use]
    pub fn id(&self) -> Digest {
        // Only integers could make the encoding fail, and there is none.
        to_canonical(&self.to_tuf()).map_or_else(|_| Digest::of(&[]), |bytes| Digest::of(&bytes))
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::P256(_) => KeyKind::P256,
        }
    }

    /// The raw bytes: 32, or the 65 of the point.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        match self {
            Self::Ed25519(raw) => raw,
            Self::P256(point) => point,
        }
    }

    /// Checks a signature as TUF carries it: raw Ed25519, or ECDSA in ASN.1 DER.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`].
    pub fn verify_tuf(&self, message: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        match self {
            Self::Ed25519(_) => self.check(&ED25519, message, signature),
            Self::P256(_) => self.check(&ECDSA_P256_SHA256_ASN1, message, signature),
        }
    }

    /// Checks a signature as COSE carries it (RFC 9053): raw Ed25519, or ECDSA as r‖s, 64 bytes.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`].
    pub fn verify_cose(&self, message: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        match self {
            Self::Ed25519(_) => self.check(&ED25519, message, signature),
            Self::P256(_) => self.check(&ECDSA_P256_SHA256_FIXED, message, signature),
        }
    }

    /// How it signs in COSE.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    fn check<A: VerificationAlgorithm>(
        &self,
        algorithm: &'static A,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TrustError> {
        UnparsedPublicKey::new(algorithm, self.raw())
            .verify(message, signature)
            .map_err(|_| TrustError::BadSignature {
                role: self.id().short(),
                problem: "the signature does not match".to_owned(),
            })
    }

    fn from_pem(text: &str) -> Result<Self, TrustError> {
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or_else(|| bad("not a PEM public key"))?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = BASE64
            .decode(body)
            .map_err(|_| bad("PEM that is not base64"))?;
        let point = der
            .strip_prefix(&P256_SPKI)
            .ok_or_else(|| bad("not a P-256 key"))?;
        Self::from_raw(KeyKind::P256, point)
    }
}

impl EnvelopeVerifier for PublicKey {
    fn verify(&self, algorithm: Algorithm, bytes: &[u8], signature: &[u8]) -> bool {
        algorithm == self.algorithm() && self.verify_cose(bytes, signature).is_ok()
    }
}

/// The keys that may sign for a role, by content, and how many must. Floors carry the set that
/// signed them (rule 8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct KeySet {
    /// The ids of the keys, computed from the keys and not taken from the metadata.
    pub keys: BTreeSet<Digest>,
    /// How many different ones must sign.
    pub threshold: u64,
}

impl KeySet {
    /// A set of keys.
    #[must_use]
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a PublicKey>, threshold: u64) -> Self {
        Self {
            keys: keys.into_iter().map(PublicKey::id).collect(),
            threshold,
        }
    }

    /// Whether something signed under this set is still signed under `now`: every key is still
    /// there and no more are asked for. If a key was taken away, the answer is no.
    #[must_use]
    pub fn holds_under(&self, now: &Self) -> bool {
        self.keys.is_subset(&now.keys) && self.threshold >= now.threshold
    }

    /// One number for the whole set, for the eyes and for documents that name it.
    #[must_use]
    pub fn id(&self) -> Digest {
        let mut text = self.threshold.to_string();
        for key in &self.keys {
            text.push(' ');
            text.push_str(&key.to_string());
        }
        Digest::of(text.as_bytes())
    }
}

fn bad(problem: &str) -> TrustError {
    TrustError::BadMetadata {
        what: "public key".to_owned(),
        problem: problem.to_owned(),
    }
}

fn pem(point: &[u8; 65]) -> String {
    let mut der = P256_SPKI.to_vec();
    der.extend_from_slice(point);
    let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut column = 0;
    for c in BASE64.encode(der).chars() {
        if column == 64 {
            text.push('\n');
            column = 0;
        }
        text.push(c);
        column += 1;
    }
    text.push_str("\n-----END PUBLIC KEY-----\n");
    text
}

/// Lower-case hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes from hexadecimal of either case.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, TrustError> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("not hexadecimal"));
    }
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default();
    Ok(text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            // Two digits are at most 255.
            [high, low] => u8::try_from(digit(*high) * 16 + digit(*low)).unwrap_or_default(),
            _ => 0,
        })
        .collect())
}

#[cfg(test)]
mod tests;
