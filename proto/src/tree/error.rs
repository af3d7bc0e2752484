//! What can be wrong with a tree.

use crate::code::{self, Code};
use crate::failure::{Args, Coded};

/// A tree that breaks a rule. The path is cut to 200 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A path breaks a rule.
    #[error("{path:?}: {problem}")]
    Path {
        /// The path.
        path: String,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// A link's target breaks a rule.
    #[error("{path:?}: the link's target {target:?} {problem}")]
    Target {
        /// The link.
        path: String,
        /// Where it points to.
        target: String,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// Not after its predecessor in bytewise order.
    #[error("{path:?}: out of order")]
    Order {
        /// The path.
        path: String,
    },
    /// Another entry has the same name but for case or Unicode form.
    #[error("{path:?}: the same name as another one but for case or Unicode form")]
    Duplicate {
        /// The later one of the two.
        path: String,
    },
    /// Its parent is not a directory of the tree.
    #[error("{path:?}: its parent is not a directory of the tree")]
    Parent {
        /// The path.
        path: String,
    },
    /// Mode bits beyond `0o777` (setuid, setgid, sticky).
    #[error("{path:?}: mode {mode:o} has bits beyond 777")]
    Mode {
        /// The path.
        path: String,
        /// Its mode.
        mode: u64,
    },
    /// An entry kind that does not exist (devices, pipes and sockets have none).
    #[error("{path:?}: entry kind {kind} does not exist")]
    Kind {
        /// The path.
        path: String,
        /// The number that stands for the kind.
        kind: u64,
    },
    /// Too many entries, or too many bytes.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The binary form of a list is not readable.
    #[error("the entry list is malformed: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
}

impl TreeError {
    pub(super) fn path(path: &str, problem: &'static str) -> Self {
        Self::Path {
            path: shown(path),
            problem,
        }
    }
}

/// At most 200 characters of a path, for messages.
pub(super) fn shown(path: &str) -> String {
    path.chars().take(200).collect()
}

impl Coded for TreeError {
    fn code(&self) -> Code {
        code::BAD_TREE
    }

    fn args(&self) -> Args {
        let (path, problem) = match self {
            Self::Path { path, problem } => (path.clone(), (*problem).to_owned()),
            Self::Target {
                path,
                target,
                problem,
            } => (path.clone(), format!("its target {target:?} {problem}")),
            Self::Order { path } => (path.clone(), "out of order".to_owned()),
            Self::Duplicate { path } => (
                path.clone(),
                "same name as another one but for case or Unicode form".to_owned(),
            ),
            Self::Parent { path } => (
                path.clone(),
                "its parent is not a directory of the tree".to_owned(),
            ),
            Self::Mode { path, mode } => {
                (path.clone(), format!("mode {mode:o} has bits beyond 777"))
            }
            Self::Kind { path, kind } => {
                (path.clone(), format!("entry kind {kind} does not exist"))
            }
            Self::TooMuch { .. } | Self::Malformed { .. } => (".".to_owned(), self.to_string()),
        };
        Args::from([("path", path), ("problem", problem)])
    }
}
