//! What can be wrong with the configuration.

use std::path::PathBuf;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Args, Coded};

/// A fault in the configuration; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that decides what runs as root can be written by somebody else.
    #[error("{} can be written by others than root", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML.
    #[error("{} line {line}: not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: toml::de::Error,
    },
    /// A key that there is not.
    #[error("{} line {line}: unknown key `{key}` in [{section}]", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The section; `top level` outside of all.
        section: String,
        /// What was probably meant, or empty.
        near: String,
    },
    /// A value of the wrong kind or out of bounds, in a file.
    #[error("{} line {line}: `{key}`: {problem}", path.display())]
    BadValue {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The same, in a flag or in the environment.
    #[error("{name}: {problem}")]
    BadWord {
        /// The flag or variable.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// No folder for the state: neither `--home`, nor root, nor a home folder.
    #[error("no folder for the agent's state")]
    NoHome,
}

impl Coded for ConfigError {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } | Self::Writable { .. } => code::CONFIG_UNREADABLE,
            Self::Syntax { .. } => code::CONFIG_SYNTAX,
            Self::UnknownKey { .. } => code::UNKNOWN_KEY,
            Self::BadValue { .. } => code::BAD_VALUE,
            Self::BadWord { .. } | Self::NoHome => code::BAD_USAGE,
        }
    }

    fn args(&self) -> Args {
        let words: Vec<(&'static str, String)> = match self {
            Self::Unreadable { path, source } => vec![
                ("path", path.display().to_string()),
                ("problem", source.to_string()),
            ],
            Self::Writable { path } => vec![
                ("path", path.display().to_string()),
                (
                    "problem",
                    "it can be written by others than root".to_owned(),
                ),
            ],
            Self::Syntax { path, line, source } => vec![
                ("path", path.display().to_string()),
                ("line", line.to_string()),
                ("problem", source.message().replace('\n', ", ")),
            ],
            Self::UnknownKey {
                path,
                line,
                key,
                section,
                near,
            } => vec![
                ("path", path.display().to_string()),
                ("line", line.to_string()),
                ("key", key.clone()),
                ("section", section.clone()),
                ("near", near.clone()),
            ],
            Self::BadValue {
                path,
                line,
                key,
                problem,
            } => vec![
                ("path", path.display().to_string()),
                ("line", line.to_string()),
                ("key", key.clone()),
                ("problem", problem.clone()),
            ],
            Self::BadWord { name, problem } => vec![("problem", format!("{name}: {problem}"))],
            Self::NoHome => vec![(
                "problem",
                "there is no folder for the agent's state: give --home DIR".to_owned(),
            )],
        };
        words.into_iter().collect()
    }
}
