//! What is published: TUF role files, releases and the ways to them, and the orders to nodes.

use std::fmt;

use sanaga_proto::ids::{
    AppName, Counter, Digest, EnvironmentName, FrameRoot, NodeKeyId, NodeName, ReleaseName,
    SettingName, SiteName, TreeRoot, Version,
};
use sanaga_proto::manifest::Risk;
use sanaga_proto::wire::assignment::{Assignment, SettingValue};
use sanaga_proto::wire::hold::Hold;

/// One version of a TUF role's file: `root`, `targets`, `snapshot`, `timestamp`, or an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleFile {
    /// The role.
    pub role: String,
    /// The version; the highest of a role is its current one.
    pub version: u64,
    /// The file, as it is served.
    pub bytes: Vec<u8>,
    /// When it became current, seconds since 1970.
    pub at_s: u64,
}

/// The one version of a role that waits for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRole {
    /// The role.
    pub role: String,
    /// The version that it will have.
    pub version: u64,
    /// The file with the signatures so far.
    pub bytes: Vec<u8>,
    /// When it last changed, seconds since 1970.
    pub at_s: u64,
    /// What it will do, in a few words for `pending`: one line each.
    pub summary: Vec<String>,
}

/// A release: content that never changes under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The app.
    pub app: AppName,
    /// The version.
    pub version: Version,
    /// The manifest, as it is served.
    pub manifest: Vec<u8>,
    /// The SHA-256 of the manifest.
    pub manifest_digest: Digest,
    /// The Merkle root of the tree.
    pub root: TreeRoot,
    /// How much care it asks for.
    pub risk: Risk,
    /// All files together, bytes.
    pub unpacked_bytes: u64,
    /// Files, directories and links.
    pub entries: u64,
    /// When it was first published, seconds since 1970.
    pub published_at_s: u64,
    /// By whom.
    pub published_by: String,
    /// The environments that have signed it, in order of name; written by
    /// [`super::Change::Place`], ignored by [`super::Change::AddRelease`].
    pub placements: Vec<Placement>,
}

impl Release {
    /// `app@version`.
    #[must_use]
    pub fn name(&self) -> ReleaseName {
        ReleaseName {
            app: self.app.clone(),
            version: self.version.clone(),
        }
    }

    /// Its place in an environment, if that has signed it.
    #[must_use]
    pub fn placement(&self, environment: &EnvironmentName) -> Option<&Placement> {
        self.placements
            .iter()
            .find(|placement| placement.environment == *environment)
    }
}

/// A release in the order of an environment, once the environment's role has signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its place in the order of its app there; unique.
    pub counter: Counter,
    /// The counters that it may follow although they are higher, if it is a downgrade.
    pub allow_downgrade_from: Option<Counter>,
    /// When it was signed in, seconds since 1970.
    pub at_s: u64,
    /// By whom.
    pub actor: String,
}

/// One signed way to a tree, and its pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffer {
    /// Where it starts; none for a full pack.
    pub base: Option<TreeRoot>,
    /// Where it ends.
    pub root: TreeRoot,
    /// The pack's name.
    pub frame_root: FrameRoot,
    /// The pack without its hashes, bytes.
    pub pack_bytes: u64,
    /// The pack as it is served, bytes.
    pub file_bytes: u64,
    /// The offer, signed by the director.
    pub signed: Vec<u8>,
}

/// An assignment as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAssignment {
    /// What it says.
    pub document: Assignment,
    /// The same, signed by the director.
    pub signed: Vec<u8>,
    /// Who asked for it.
    pub actor: String,
}

/// Whom a setting is for. The narrower wins: node over site over environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All nodes of an environment.
    Environment(EnvironmentName),
    /// All nodes of a site.
    Site(SiteName),
    /// One node.
    Node(NodeName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env={name}"),
            Self::Site(name) => write!(f, "site={name}"),
            Self::Node(name) => write!(f, "node={name}"),
        }
    }
}

/// A setting of an app, for some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// For whom.
    pub scope: Scope,
    /// Of which app.
    pub app: AppName,
    /// Which setting.
    pub name: SettingName,
    /// Its value.
    pub value: SettingValue,
}

/// A hold as it was given; the highest number of its scope counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHold {
    /// What it says.
    pub document: Hold,
    /// The same, signed by the director.
    pub signed: Vec<u8>,
    /// When, seconds since 1970.
    pub at_s: u64,
    /// Who asked for it.
    pub actor: String,
}

impl StoredHold {
    /// The node that it stops; none for all.
    #[must_use]
    pub fn node_key(&self) -> Option<NodeKeyId> {
        self.document.node_key
    }
}

/// A file that is committed and not yet published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order of publishing.
    pub sequence: u64,
    /// Its path below `/v1/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}
