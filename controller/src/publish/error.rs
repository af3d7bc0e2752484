//! What can go wrong between a folder and its packs.

use std::io;
use std::path::PathBuf;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};
use sanaga_proto::pack::PackError;
use sanaga_proto::tree::TreeError;

/// A tree that cannot be shipped, or a pack that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Something in the folder cannot be shipped.
    #[error("{path:?}: {problem}")]
    Refused {
        /// Where, relative to the folder.
        path: String,
        /// Why.
        problem: &'static str,
    },
    /// The folder's entries break a rule of trees.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file or folder cannot be read.
    #[error("{path:?} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file changed while it was packed.
    #[error("{path:?} changed while it was packed")]
    Changed {
        /// Which.
        path: String,
    },
    /// The pack cannot be written.
    #[error("the pack cannot be written")]
    Write(#[source] io::Error),
    /// zstd failed.
    #[error("zstd: {problem}")]
    Zstd {
        /// What it says.
        problem: &'static str,
    },
    /// A stored or fresh pack does not decode.
    #[error("the pack does not decode")]
    Pack(#[source] PackError),
}

impl PublishError {
    pub(super) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        Self::Read { path, source }
    }
}

impl Coded for PublishError {
    fn code(&self) -> Code {
        match self {
            Self::Refused { .. } | Self::Tree(_) | Self::Changed { .. } => code::BAD_TREE,
            Self::Read { .. } => code::BAD_TREE,
            Self::Write(error) => crate::disk::code_of(error),
            Self::Zstd { .. } => code::INTERNAL,
            Self::Pack(error) => error.code(),
        }
    }

    fn args(&self) -> Args {
        let path_problem =
            |path: String, problem: String| Args::from([("path", path), ("problem", problem)]);
        match self {
            Self::Refused { path, problem } => path_problem(path.clone(), (*problem).to_owned()),
            Self::Tree(error) => error.args(),
            Self::Read { path, source } => {
                path_problem(path.display().to_string(), source.to_string())
            }
            Self::Changed { path } => {
                path_problem(path.clone(), "it changed while it was packed".to_owned())
            }
            Self::Write(error) => {
                let mut args = path_problem("pack".to_owned(), error.to_string());
                args.extend([("needed", String::new()), ("free", "0".to_owned())]);
                args
            }
            Self::Zstd { problem } => Args::from([("problem", (*problem).to_owned())]),
            Self::Pack(error) => error.args(),
        }
    }
}
