//! What every verb has at hand: where things lie, how to speak, and the two streams.

use std::io::{self, ErrorKind, Write};

use sanaga_proto::code::{self, Exit};
use sanaga_proto::failure::Failure;
use serde_json::{Map, Value};

use super::speech::Speech;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environment, Override, Paths};

/// The version of the forms that `--output json` and `jsonl` print.
pub const SCHEMA_VERSION: u32 = 1;

/// The form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// For people, in their language.
    #[default]
    Table,
    /// One JSON document; always English.
    Json,
    /// One JSON object on each line; always English.
    Jsonl,
}

/// How a verb ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Done,
    /// With this exit code; everything was said already.
    Ended(Exit),
}

/// What every verb has at hand.
pub struct Context {
    /// What the choice of folders and values depends on.
    pub environment: Environment,
    /// Where the agent's files lie.
    pub paths: Paths,
    /// The form of the data.
    pub output: Output,
    /// How to speak.
    pub speech: Speech,
    /// Whether there are colours on stdout.
    pub colour: bool,
    /// Whether somebody sits there who can be asked.
    pub asks: bool,
    /// Whether stderr is a terminal, where a line of progress can be written over.
    pub live: bool,
    /// The clocks.
    pub clock: Box<dyn Clock>,
    /// Where data goes.
    pub out: Box<dyn Write>,
    /// Where everything else goes.
    pub err: Box<dyn Write>,
    /// Whether the reader of stdout has gone.
    pub closed: bool,
}

impl Context {
    /// The configuration in force with these flags. As root, files of others are refused.
    ///
    /// # Errors
    /// The first fault, with file and line.
    pub fn config(&self, flags: &[Override]) -> Result<Config, ConfigError> {
        let root_only = self.environment.root && self.paths.system;
        Config::load(&self.paths, &self.environment.variables, flags, root_only)
    }

    /// Whether people read the data, and not a program.
    #[must_use]
    pub fn for_people(&self) -> bool {
        self.output == Output::Table
    }

    /// A line of data. A reader that has gone (`| head`) is not a failure.
    ///
    /// # Errors
    /// [`code::DISK_FULL`] or [`code::DISK_FAULT`], when stdout is a file that cannot take it.
    pub fn print(&mut self, line: &str) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(output_failure(error)),
        }
    }

    /// A line of progress or a hint. Where stderr is gone there is nobody to tell.
    pub fn note(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// The next useful command; on the same folder, when one was named.
    pub fn next(&mut self, command: &str) {
        let mut command = command.to_owned();
        if let Some(home) = &self.environment.home_flag {
            command.push_str(&format!(" --home {}", home.display()));
        }
        let line = self.speech.say("next", &[("command", &command)]);
        self.note(&line);
    }

    /// One JSON document with its `schema_version` first.
    ///
    /// # Errors
    /// See [`Context::print`].
    pub fn print_json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let value = versioned(value)?;
        let text = match self.output {
            Output::Json => serde_json::to_string_pretty(&value),
            Output::Table | Output::Jsonl => serde_json::to_string(&value),
        };
        self.print(&text.map_err(not_json)?)
    }

    /// A list: one document that holds it as `name`, or one object on each line.
    ///
    /// # Errors
    /// See [`Context::print`].
    pub fn print_list(
        &mut self,
        name: &str,
        list: &[impl serde::Serialize],
    ) -> Result<(), Failure> {
        if self.output == Output::Jsonl {
            return list.iter().try_for_each(|item| self.print_json(item));
        }
        let list = serde_json::to_value(list).map_err(not_json)?;
        self.print_json(&Map::from_iter([(name.to_owned(), list)]))
    }
}

fn versioned(value: &impl serde::Serialize) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(value).map_err(not_json)?;
    if let Some(object) = value.as_object_mut() {
        let version = Value::from(SCHEMA_VERSION);
        object.entry("schema_version").or_insert(version);
    }
    Ok(value)
}

fn not_json(error: serde_json::Error) -> Failure {
    Failure::new(code::INTERNAL)
        .arg("problem", &error)
        .because(error)
}

fn output_failure(error: io::Error) -> Failure {
    let full = matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    );
    let code = if full {
        code::DISK_FULL
    } else {
        code::DISK_FAULT
    };
    Failure::new(code)
        .arg("path", "stdout")
        .arg("problem", &error)
        .arg("needed", "")
        .arg("free", 0)
        .because(error)
}
