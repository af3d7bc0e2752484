//! The roles of a repository: their names, files and bounds.

use std::fmt;

use crate::ids::EnvironmentName;
use crate::limits;

/// The environment whose signed dates count for the time floor: its keys are offline. (The key of
/// `dev` is in CI, that of `staging` signs alone.)
pub const OFFLINE_ENVIRONMENT: &str = "production";

/// A role of TUF metadata.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The keys of all others.
    Root,
    /// What is newest; never prefixed by a version.
    Timestamp,
    /// The versions of all targets files.
    Snapshot,
    /// The delegations and TLS authorities.
    Targets,
    /// A delegated role, in our repositories an environment.
    Delegated(String),
}

impl Role {
    /// The role by its name; the four names of the top level are never delegated roles.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "root" => Self::Root,
            "timestamp" => Self::Timestamp,
            "snapshot" => Self::Snapshot,
            "targets" => Self::Targets,
            other => Self::Delegated(other.to_owned()),
        }
    }

    /// The role of an environment.
    #[must_use]
    pub fn environment(name: &EnvironmentName) -> Self {
        Self::Delegated(name.as_str().to_owned())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
            Self::Delegated(name) => name,
        }
    }

    /// The name under which it is stored: `targets.json`. Names of delegated roles are
    /// percent-encoded, so that they stay one file name.
    #[must_use]
    pub fn store_name(&self) -> String {
        format!("{}.json", encode(self.name()))
    }

    /// The name under which it is fetched: `3.targets.json` if the repository keeps consistent
    /// snapshots. Root always has its version, timestamp never.
    #[must_use]
    pub fn file_name(&self, version: u64, consistent: bool) -> String {
        let versioned = match self {
            Self::Root => true,
            Self::Timestamp => false,
            Self::Snapshot | Self::Targets | Self::Delegated(_) => consistent,
        };
        if versioned {
            format!("{version}.{}", self.store_name())
        } else {
            self.store_name()
        }
    }

    /// The most bytes that such a file may have (rule 12).
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        match self {
            Self::Root => limits::ROOT_BYTES_MAX,
            Self::Timestamp => limits::TIMESTAMP_BYTES_MAX,
            Self::Snapshot => limits::SNAPSHOT_BYTES_MAX,
            Self::Targets | Self::Delegated(_) => limits::TARGETS_BYTES_MAX,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, as python-tuf does.
fn encode(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_those_of_the_specification() {
        assert_eq!(Role::Root.file_name(3, false), "3.root.json");
        assert_eq!(Role::Timestamp.file_name(3, true), "timestamp.json");
        assert_eq!(Role::Snapshot.file_name(3, true), "3.snapshot.json");
        assert_eq!(Role::Targets.file_name(3, false), "targets.json");
        let odd = Role::from_name("../a/é");
        assert_eq!(odd.file_name(1, true), "1...%2Fa%2F%C3%A9.json");
    }
}
