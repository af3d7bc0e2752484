//! Writes as values: what an operation changes, and the notes that explain it to the audit log.

use sanaga_proto::ids::{AppName, Digest, EnvironmentName, NodeName, SettingName, Version};

use super::audit::Note;
use super::model::{Controller, EnrolToken, Environment, Site};
use super::published::{
    PendingRole, Placement, Release, RoleFile, Scope, Setting, StoredAssignment, StoredHold,
    StoredOffer,
};

/// One change. Those that name a file put it into the outbox, in the order of the batch.
#[derive(Debug, Clone)]
pub enum Change {
    /// Writes who the controller is.
    SetController(Controller),
    /// Adds an environment or changes it.
    SetEnvironment(Environment),
    /// Adds a site; nothing happens if it is there.
    AddSite(Site),
    /// Keeps a token that is handed out. Adds its site.
    AddToken(EnrolToken),
    /// Refuses a node's key from now on.
    RevokeNode(NodeName),
    /// Notes a node's new certificate.
    SetCertificate {
        /// The node.
        node: NodeName,
        /// Its serial number.
        serial: Vec<u8>,
        /// When it expires, seconds since 1970.
        expires_at_s: u64,
    },
    /// Makes a role file the current one: its version must be one more than the last. Removes the
    /// pending version of that role.
    PublishRole(RoleFile),
    /// Puts a role's pending version in the place of the former one.
    SetPending(PendingRole),
    /// Drops a role's pending version.
    DropPending {
        /// The role.
        role: String,
    },
    /// Adds a release. The same again is nothing; another content under its name is a conflict.
    AddRelease(Release),
    /// Puts a release into the order of an environment, once that has signed it.
    Place {
        /// The app.
        app: AppName,
        /// The version.
        version: Version,
        /// Where, and in which place.
        placement: Placement,
    },
    /// Takes a release out of an environment.
    Withdraw {
        /// The app.
        app: AppName,
        /// The version.
        version: Version,
        /// From where.
        environment: EnvironmentName,
    },
    /// Adds an offer or puts it in the place of the one between the same trees. Its pack must have
    /// been published before.
    SetOffer(StoredOffer),
    /// Gives a node its next assignment: the generation must be one more than the last.
    Assign(StoredAssignment),
    /// Gives a hold: its number must be higher than the last of its scope.
    SetHold(StoredHold),
    /// Adds a setting or changes it.
    SetSetting(Setting),
    /// Removes a setting.
    DropSetting {
        /// For whom it was.
        scope: Scope,
        /// Of which app.
        app: AppName,
        /// Which setting.
        name: SettingName,
    },
    /// Publishes bytes that stand for themselves, such as a bundle's index.
    PublishFile {
        /// Its path below `/v1/`.
        path: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// Drops a token that nobody used.
    DropToken {
        /// The SHA-256 of its secret.
        secret_hash: Digest,
    },
}

/// Some changes that are true together or not at all.
#[derive(Debug, Clone)]
pub struct Batch {
    /// When, seconds since 1970.
    pub at_s: u64,
    /// Who: `cli:ada`, `serve`, `node:akwa-1`.
    pub actor: String,
    /// What, in order.
    pub changes: Vec<Change>,
    /// Why, for the audit log.
    pub notes: Vec<Note>,
}

impl Batch {
    /// A batch with its first note; there is none without.
    #[must_use]
    pub fn new(at_s: u64, actor: impl Into<String>, note: Note) -> Self {
        Self {
            at_s,
            actor: actor.into(),
            changes: Vec::new(),
            notes: vec![note],
        }
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}
