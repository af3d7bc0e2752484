//! What can be wrong with a pack.

use std::io;

use crate::code::{self, Code};
use crate::failure::{Args, Coded};
use crate::ids::TreeRoot;
use crate::tree::TreeError;

/// A pack that cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The pack cannot be read.
    #[error("the pack cannot be read")]
    Read(#[source] io::Error),
    /// It ends early.
    #[error("the pack ends at byte {offset}, in the middle of {what}")]
    CutShort {
        /// Where it ends, in pack bytes.
        offset: u64,
        /// What was being read.
        what: &'static str,
    },
    /// It does not begin as packs do.
    #[error("this is not a pack")]
    NotAPack,
    /// A newer program made it.
    #[error("the pack has {what} {number}, which this version does not know")]
    TooNew {
        /// `format version` or `codec`.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// It makes another tree than the one that is wanted.
    #[error("the pack makes tree {found}, not {wanted}")]
    WrongTree {
        /// The tree that is wanted.
        wanted: TreeRoot,
        /// The tree that the pack makes.
        found: TreeRoot,
    },
    /// A patch, without the tree that it starts from.
    #[error("the patch starts from tree {wanted}, which is not at hand")]
    WrongBase {
        /// The tree that the patch starts from.
        wanted: TreeRoot,
    },
    /// More than may be.
    #[error("{what}: more than {limit}")]
    TooBig {
        /// What is too big.
        what: &'static str,
        /// Its limit.
        limit: u64,
    },
    /// A part of it is not of its form.
    #[error("{part}: {problem}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A segment does not decode.
    #[error("segment {index}: {problem}")]
    Segment {
        /// Its number, from 0.
        index: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The tree that it makes breaks a rule.
    #[error("the pack's tree is not acceptable")]
    Tree(#[from] TreeError),
    /// A file of the base tree cannot be read as its list says.
    #[error("{path:?} of the base tree cannot be read")]
    Base {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl PackError {
    pub(super) fn malformed(part: &'static str, problem: &'static str) -> Self {
        Self::Malformed { part, problem }
    }
}

impl Coded for PackError {
    fn code(&self) -> Code {
        match self {
            Self::Read(error) if is_from_system(error) => code::DISK_FAULT,
            Self::Read(_)
            | Self::CutShort { .. }
            | Self::NotAPack
            | Self::WrongTree { .. }
            | Self::WrongBase { .. }
            | Self::Malformed { .. }
            | Self::Segment { .. }
            | Self::Tree(_) => code::BAD_PACK,
            Self::TooNew { .. } => code::AGENT_TOO_OLD,
            Self::TooBig { .. } => code::TOO_BIG,
            Self::Base { .. } => code::BASE_DAMAGED,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Read(error) => {
                Args::from([("path", "pack".to_owned()), ("problem", error.to_string())])
            }
            Self::Tree(error) => Args::from([("problem", error.to_string())]),
            Self::CutShort { .. }
            | Self::NotAPack
            | Self::WrongTree { .. }
            | Self::WrongBase { .. }
            | Self::Malformed { .. }
            | Self::Segment { .. } => Args::from([("problem", self.to_string())]),
            Self::TooNew { what, number } => Args::from([
                ("what", format!("{what} {number}")),
                ("problem", "not known here".to_owned()),
            ]),
            Self::TooBig { what, limit } => {
                Args::from([("what", (*what).to_owned()), ("limit", limit.to_string())])
            }
            Self::Base { path, .. } => Args::from([("path", path.clone())]),
        }
    }
}

/// Whether the operating system made the error, and not one of our readers.
fn is_from_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}

/// A decoding that ended early: because of the pack, or because the receiver said stop.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError<E> {
    /// The pack or its base is bad.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The receiver's own error.
    #[error("the receiver stopped")]
    Sink(#[source] E),
}
