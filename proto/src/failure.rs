//! What a person is told when something goes wrong: a code and the words that fill its message.
//! The message itself lives in the locale files, so that it can be said in French.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use crate::code::{Code, Retry};

/// The named words of a message, in order of name.
pub type Args = BTreeMap<&'static str, String>;

/// Implemented by every error enum at a module boundary.
pub trait Coded: Error {
    /// The stable code.
    fn code(&self) -> Code;
    /// The words that fill the code's message.
    fn args(&self) -> Args;
    /// What a retry is worth; the code says so unless the error knows better.
    fn retry(&self) -> Retry {
        self.code().retry
    }
}

/// Every name that a word of a message can have.
pub(crate) const WORDS: &[&str] = &[
    "address",
    "app",
    "cause",
    "environment",
    "expected",
    "expired",
    "flag",
    "found",
    "free",
    "from",
    "have",
    "host",
    "key",
    "keys",
    "known",
    "length_min",
    "limit",
    "line",
    "missing",
    "name",
    "near",
    "need",
    "needed",
    "node",
    "offered",
    "offset",
    "path",
    "probe",
    "problem",
    "rehearsal",
    "release",
    "role",
    "rule",
    "running",
    "scope",
    "seconds",
    "section",
    "selector",
    "setting",
    "signed",
    "site",
    "threshold",
    "to",
    "trusted",
    "used",
    "value",
    "wait",
    "what",
    "window",
];

/// A failure on its way to a person. `Display` is the English-only form for logs.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    args: Args,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure with no words yet.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            args: Args::new(),
            source: None,
        }
    }

    /// Adds one word of the message.
    #[must_use]
    pub fn arg(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.insert(name, value.to_string());
        self
    }

    /// Adds one word whose name came over a wire; a name that no message has is left away.
    #[must_use]
    pub fn named(self, name: &str, value: &str) -> Self {
        match WORDS.iter().find(|known| **known == name) {
            Some(known) => self.arg(
                known,
                value
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(400)
                    .collect::<String>(),
            ),
            None => self,
        }
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Takes code and words of a typed error, which becomes the cause.
    pub fn of<E: Coded + Send + Sync + 'static>(error: E) -> Self {
        Self {
            code: error.code(),
            args: error.args(),
            source: Some(Box::new(error)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.code.id)?;
        for (name, value) in &self.args {
            write!(f, " {name}={value:?}")?;
        }
        Ok(())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|e| e as &(dyn Error + 'static))
    }
}

impl Coded for Failure {
    fn code(&self) -> Code {
        self.code
    }
    fn args(&self) -> Args {
        self.args.clone()
    }
}

/// The name in `known` that a person probably meant, or an empty string.
#[must_use]
pub fn nearest<'a>(meant: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(meant, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name.to_owned())
        .unwrap_or_default()
}
