//! Signing keys of people and machines, and how they sign: key files, and ceremonies in which one
//! key signs at a time, on whatever machine it is.
//!
//! What must not live here: where pending metadata is kept, prompts, and any online key.

pub mod ceremony;
pub mod file;

use std::path::{Path, PathBuf};

use sanaga_durable::DurableError;
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::ids::KeyName;
use sanaga_proto::trust::TrustError;

/// What can go wrong with keys and signatures.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key of that name is there.
    #[error("a key named {name} exists")]
    NameTaken {
        /// The name.
        name: KeyName,
    },
    /// No key of that name is there.
    #[error("no key {key}")]
    NoSuchKey {
        /// The name.
        key: String,
        /// The name that was probably meant, or nothing.
        near: String,
    },
    /// The passphrase does not open the file.
    #[error("wrong passphrase for {key}")]
    WrongPassphrase {
        /// The key.
        key: String,
    },
    /// The passphrase is too easily guessed.
    #[error("the passphrase is shorter than {length_min} characters")]
    PassphraseShort {
        /// The least number of characters.
        length_min: usize,
    },
    /// The file is not a key file of ours.
    #[error("{path} is not a key file", path = path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The key may not sign for that role.
    #[error("{key} does not sign for {role}")]
    NotInRole {
        /// The id of the key.
        key: String,
        /// The role.
        role: String,
    },
    /// A threshold that the keys cannot meet.
    #[error("{threshold} of {keys} keys cannot sign for {role}")]
    BadThreshold {
        /// The role.
        role: String,
        /// How many must sign.
        threshold: u64,
        /// How many keys there are.
        keys: usize,
    },
    /// The disk.
    #[error("{operation} {path}", path = path.display())]
    Disk {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The disk, while writing.
    #[error("write {path}", path = path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: DurableError,
    },
    /// Keys or metadata.
    #[error("the metadata is refused")]
    Trust(#[from] TrustError),
}

impl Coded for KeyError {
    fn code(&self) -> Code {
        match self {
            Self::NameTaken { .. } => code::NAME_TAKEN,
            Self::NoSuchKey { .. } => code::NO_SUCH_KEY,
            Self::WrongPassphrase { .. } => code::WRONG_PASSPHRASE,
            Self::PassphraseShort { .. } => code::PASSPHRASE_SHORT,
            Self::NotAKey { .. } => code::CONFIG_UNREADABLE,
            Self::NotInRole { .. } => code::KEY_NOT_IN_ROLE,
            Self::BadThreshold { .. } => code::BAD_THRESHOLD,
            Self::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                code::DISK_FULL
            }
            Self::Disk { .. } => code::DISK_FAULT,
            Self::NotWritten { source, .. } => crate::disk::code_of(source),
            Self::Trust(error) => error.code(),
        }
    }

    fn args(&self) -> Args {
        let text = |path: &Path| path.display().to_string();
        match self {
            Self::NameTaken { name } => {
                Args::from([("what", "key".to_owned()), ("name", name.to_string())])
            }
            Self::NoSuchKey { key, near } => {
                Args::from([("key", key.clone()), ("near", near.clone())])
            }
            Self::WrongPassphrase { key } => Args::from([("key", key.clone())]),
            Self::PassphraseShort { length_min } => {
                Args::from([("length_min", length_min.to_string())])
            }
            Self::NotAKey { path, problem } => {
                Args::from([("path", text(path)), ("problem", problem.clone())])
            }
            Self::NotInRole { key, role } => {
                Args::from([("key", key.clone()), ("role", role.clone())])
            }
            Self::BadThreshold {
                role,
                threshold,
                keys,
            } => Args::from([
                ("role", role.clone()),
                ("threshold", threshold.to_string()),
                ("keys", keys.to_string()),
            ]),
            Self::Disk { path, source, .. } => {
                Args::from([("path", text(path)), ("problem", source.to_string())])
            }
            Self::NotWritten { path, source } => Args::from([
                ("path", text(path)),
                ("problem", source.source.to_string()),
                ("needed", String::new()),
                ("free", String::new()),
            ]),
            Self::Trust(error) => error.args(),
        }
    }
}
