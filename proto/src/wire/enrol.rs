//! Joining: the token that an operator hands over, and the two requests that need no certificate.

use super::document::{Bytes, Document, WireError};
use crate::ids::{Digest, EnvironmentName, NodeKeyId, NodeName, RepositoryId, SiteName};
use crate::{fields, limits};

/// What a token starts with.
pub const TOKEN_PREFIX: &str = "sanaga1:";

fields! {
    /// Everything that a new node must know to trust the right controller.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Token ("token") {
        /// Where the controller is, without a path.
        3 required url: String,
        /// The SHA-256 of 1.root.json.
        4 required repository: RepositoryId,
        /// The SHA-256 of the TLS CA's SubjectPublicKeyInfo.
        5 required ca_key: Digest,
        /// The node's environment.
        6 required environment: EnvironmentName,
        /// The node's name.
        7 required node: NodeName,
        /// The node's site.
        8 required site: SiteName,
        /// Good for one enrolment.
        9 required secret: [u8; 16],
        /// Until when, seconds since 1970; the controller's clock decides.
        10 required expires_at_s: u64,
    }
}

impl Document for Token {
    const WHAT: &'static str = "token";
    const TYPE: u64 = 8;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = 1_024;
}

impl Token {
    /// The string that is handed over.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{TOKEN_PREFIX}{}", base64url(&self.to_bytes()))
    }

    /// Reads the string.
    ///
    /// # Errors
    /// [`WireError`] when it was cut, changed, or is something else.
    pub fn from_text(text: &str) -> Result<Self, WireError> {
        let malformed = || WireError::malformed("token", "is not a whole token");
        let body = text
            .trim()
            .strip_prefix(TOKEN_PREFIX)
            .ok_or_else(malformed)?;
        Self::from_bytes(&base64url_decode(body).ok_or_else(malformed)?)
    }
}

fields! {
    /// `POST /v1/enroll`, signed by the new node key.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EnrolRequest ("enrolment") {
        /// From the token.
        3 required secret: [u8; 16],
        /// The node's signing key: 32 raw Ed25519 bytes.
        4 required node_key: [u8; 32],
        /// The certificate request of the node's TLS key, DER.
        5 required csr: Bytes,
    }
}

impl Document for EnrolRequest {
    const WHAT: &'static str = "enrolment";
    const TYPE: u64 = 9;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = 8_192;
}

fields! {
    /// `POST /v1/renew`, signed by the node key: possession is all that it takes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RenewRequest ("renewal") {
        /// Which node.
        3 required node_key: NodeKeyId,
        /// Random, so that two requests never look alike.
        4 required nonce: [u8; 16],
        /// The certificate request of the node's TLS key, DER.
        5 required csr: Bytes,
    }
}

impl Document for RenewRequest {
    const WHAT: &'static str = "renewal";
    const TYPE: u64 = 10;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = 8_192;
}

fields! {
    /// The answer to both.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Welcome ("welcome") {
        /// The node's certificate, DER, for 90 days.
        3 required certificate: Bytes,
        /// The CA's certificate, DER.
        4 required ca: Bytes,
        /// 1.root.json; its digest is in the token. Left out when renewing.
        5 optional root: Bytes,
    }
}

impl Document for Welcome {
    const WHAT: &'static str = "welcome";
    const TYPE: u64 = 11;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = limits::ROOT_BYTES_MAX + 16_384;
}

fields! {
    /// The body of an answer that refuses: a stable code and the words of its message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Refusal ("refusal") {
        /// The failure's number.
        3 required code: u64,
        /// The words of its message, in order of name.
        4 list args: (String, String),
    }
}

impl Document for Refusal {
    const WHAT: &'static str = "refusal";
    const TYPE: u64 = 12;
    const VERSION: u64 = 1;
    const BYTES_MAX: u64 = 4_096;
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base 64 for URLs, without padding (RFC 4648 §5).
fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = (word >> (18 - 6 * place)) & 63;
            out.extend(ALPHABET.get(index as usize).map(|byte| char::from(*byte)));
        }
    }
    out
}

fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for byte in chunk {
            let index = ALPHABET.iter().position(|known| known == byte)?;
            word = word << 6 | u32::try_from(index).ok()?;
        }
        word <<= 6 * (4 - chunk.len());
        let kept = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        out.extend(word.to_be_bytes().iter().skip(1).take(kept));
    }
    Some(out)
}
