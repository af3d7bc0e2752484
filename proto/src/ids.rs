//! Names and numbers as types, checked once where they come in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A name or number from outside that does not have the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{value}`: {rule}")]
pub struct BadId {
    /// What it should have been.
    pub what: &'static str,
    /// What it was (cut to 80 characters).
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn check(what: &'static str, value: &str, len_max: usize, extra: &str) -> Result<(), BadId> {
    let bad = |rule| {
        Err(BadId {
            what,
            value: value.chars().take(80).collect(),
            rule,
        })
    };
    let mut chars = value.chars();
    if value.len() > len_max {
        return bad("too long");
    }
    match chars.next() {
        Some(c) if c.is_ascii_alphanumeric() => {}
        Some(_) | None => return bad("must start with a letter or digit"),
    }
    if !chars.all(|c| c.is_ascii_alphanumeric() || extra.contains(c)) {
        return bad("has a character that is not allowed");
    }
    Ok(())
}

macro_rules! names {
    ($($(#[doc = $doc:literal])* $name:ident, $what:literal, $len_max:literal, $extra:literal, $lower:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(value: &str) -> Result<Self, BadId> {
                check($what, value, $len_max, $extra)?;
                if $lower && value.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(BadId { what: $what, value: value.to_owned(), rule: "must be lower case" });
                }
                Ok(Self(value.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(value: String) -> Result<Self, BadId> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

names! {
    /// An app: `shop`. Lower case, 1 to 63 of `a-z 0-9 . _ -`.
    AppName, "app", 63, "._-", true;
    /// A version: `1.4.2`. 1 to 64 of `a-z A-Z 0-9 . _ + -`.
    Version, "version", 64, "._+-", false;
    /// An environment, which is a delegated TUF role.
    EnvironmentName, "environment", 31, "_-", true;
    /// A site.
    SiteName, "site", 63, "._-", true;
    /// A node, unique in the repository.
    NodeName, "node", 63, "._-", true;
    /// A person's or machine's signing key.
    KeyName, "key", 63, "._-", true;
    /// A setting of an app.
    SettingName, "setting", 63, "_", true;
}

/// An app at a version, written `shop@1.4.2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseName {
    /// The app.
    pub app: AppName,
    /// Its version.
    pub version: Version,
}

impl ReleaseName {
    /// The TUF target path in an environment: `production/shop/1.4.2`.
    #[must_use]
    pub fn target_path(&self, environment: &EnvironmentName) -> String {
        format!("{environment}/{}/{}", self.app, self.version)
    }
}

impl FromStr for ReleaseName {
    type Err = BadId;
    fn from_str(value: &str) -> Result<Self, BadId> {
        let (app, version) = value.split_once('@').ok_or_else(|| BadId {
            what: "release",
            value: value.chars().take(80).collect(),
            rule: "must be written APP@VERSION",
        })?;
        Ok(Self {
            app: app.parse()?,
            version: version.parse()?,
        })
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.app, self.version)
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first 16 hexadecimal digits, as in slot names.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = BadId;
    fn from_str(value: &str) -> Result<Self, BadId> {
        let bad = || BadId {
            what: "digest",
            value: value.chars().take(80).collect(),
            rule: "must be 64 hexadecimal digits in lower case",
        };
        let hex = value.as_bytes();
        if hex.len() != 64 || hex.iter().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut out = [0u8; 32];
        for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
            let text = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(text, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadId;
    fn try_from(value: String) -> Result<Self, BadId> {
        value.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// The Merkle root of an installed tree (see [`crate::tree`]).
pub type TreeRoot = Digest;
/// The hash that authenticates a pack (see [`crate::pack::frame`]).
pub type FrameRoot = Digest;
/// The SHA-256 of a repository's first `1.root.json`: which repository this is.
pub type RepositoryId = Digest;
/// The SHA-256 of a node's public signing key (32 raw Ed25519 bytes).
pub type NodeKeyId = Digest;
/// The number of a node's assignment; grows with each one under the same director keys.
pub type Generation = u64;
/// The order of a release in its environment and app; signed in the target's `custom`.
pub type Counter = u64;
