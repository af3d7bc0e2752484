//! Signing, for TUF metadata and for COSE documents, with one key at a time.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use zeroize::Zeroizing;

use super::error::TrustError;
use super::key::{KeyKind, PublicKey};
use crate::wire::envelope::{Algorithm, EnvelopeSigner};

/// Something that signs: a key in memory, later perhaps one in a token.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public(&self) -> &PublicKey;

    /// A signature in the form that TUF carries: raw Ed25519, or ECDSA in ASN.1 DER.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`] if the key cannot sign.
    fn sign_tuf(&self, message: &[u8]) -> Result<Vec<u8>, TrustError>;

    /// A signature in the form that COSE carries (RFC 9053): raw Ed25519, or ECDSA as r‖s.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`] if the key cannot sign.
    fn sign_cose(&self, message: &[u8]) -> Result<Vec<u8>, TrustError>;
}

enum Pair {
    Ed25519(Box<Ed25519KeyPair>),
    P256 {
        asn1: Box<EcdsaKeyPair>,
        fixed: Box<EcdsaKeyPair>,
    },
}

/// A private key in memory.
pub struct MemorySigner {
    public: PublicKey,
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl MemorySigner {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// [`TrustError::BadSignature`] if the system gives none.
    pub fn generate(kind: KeyKind) -> Result<Self, TrustError> {
        let unable = |_| unable("no key could be made");
        let document = match kind {
            KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()),
            KeyKind::P256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            }
        }
        .map_err(unable)?;
        Self::from_pkcs8(document.as_ref())
    }

    /// A key from PKCS#8 DER (RFC 5958, either version).
    ///
    /// # Errors
    /// [`TrustError::BadSignature`] if it is neither Ed25519 nor P-256.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, TrustError> {
        let pkcs8 = Zeroizing::new(der.to_vec());
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            let public = PublicKey::from_raw(KeyKind::Ed25519, pair.public_key().as_ref())?;
            return Ok(Self {
                public,
                pair: Pair::Ed25519(Box::new(pair)),
                pkcs8,
            });
        }
        let ecdsa = |algorithm| {
            EcdsaKeyPair::from_pkcs8(algorithm, der)
                .map(Box::new)
                .map_err(|_| unable("not an Ed25519 or P-256 private key"))
        };
        let asn1 = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let fixed = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let public = PublicKey::from_raw(KeyKind::P256, asn1.public_key().as_ref())?;
        Ok(Self {
            public,
            pair: Pair::P256 { asn1, fixed },
            pkcs8,
        })
    }

    /// The private key as PKCS#8 DER, to be written into a protected file; wiped when dropped.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    fn sign_either(&self, message: &[u8], cose: bool) -> Result<Vec<u8>, TrustError> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message),
            Pair::P256 { asn1, fixed } => {
                let pair = if cose { fixed } else { asn1 };
                pair.sign(&SystemRandom::new(), message)
            }
        }
        .map(|signature| signature.as_ref().to_vec())
        .map_err(|_| unable("the key does not sign"))
    }
}

impl Signer for MemorySigner {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign_tuf(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.sign_either(message, false)
    }

    fn sign_cose(&self, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.sign_either(message, true)
    }
}

impl EnvelopeSigner for MemorySigner {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.sign_cose(bytes).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemorySigner({})", self.public.id().short())
    }
}

fn unable(problem: &str) -> TrustError {
    TrustError::BadSignature {
        role: "private key".to_owned(),
        problem: problem.to_owned(),
    }
}
