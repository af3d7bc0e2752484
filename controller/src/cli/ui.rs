//! How the command line speaks: data on stdout, everything else on stderr, in the operator's
//! language. JSON is always English.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use sanaga_proto::code;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::text::{Catalog, Language, Locale};
use serde::Serialize;
use serde_json::Value;

/// The messages of this program.
pub const LOCALE: Locale = Locale {
    en: include_str!("../../locales/en.ftl"),
    fr: include_str!("../../locales/fr.ftl"),
};

/// The version of the JSON that commands print. It grows when a field changes its meaning or goes.
const SCHEMA_VERSION: u64 = 1;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object.
    Json,
    /// One JSON object for each row.
    Jsonl,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` or `TERM=dumb` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The operator's screen.
pub struct Ui {
    catalog: Catalog,
    /// The language of messages.
    pub language: Language,
    /// How data is printed.
    pub output: Output,
    color: bool,
    /// The user's folder, which is written `~`.
    pub user_home: Option<PathBuf>,
    /// Questions are answered with yes.
    pub yes: bool,
}

impl Ui {
    /// A screen in the language of `--lang`, `SANAGA_LANG`, `LC_ALL` or `LANG`.
    #[must_use]
    pub fn new(language: Option<&str>, output: Output, color: Color) -> Self {
        let variable = |name| std::env::var(name).ok();
        let language = language
            .map(str::to_owned)
            .or_else(|| variable("SANAGA_LANG"))
            .or_else(|| variable("LC_ALL").filter(|tag| !tag.is_empty()))
            .or_else(|| variable("LANG"))
            .and_then(|tag| Language::from_tag(&tag))
            .unwrap_or_default();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            catalog: Catalog::new(language, &[LOCALE]),
            language,
            output,
            color: match color {
                Color::Auto => !plain && io::stderr().is_terminal(),
                Color::Always => true,
                Color::Never => false,
            },
            user_home: std::env::var_os("HOME").map(PathBuf::from),
            yes: false,
        }
    }

    /// Whether stderr gets colours.
    #[must_use]
    pub fn colours(&self) -> bool {
        self.color
    }

    /// A message by its id.
    #[must_use]
    pub fn say(&self, id: &str, args: &[(&str, &str)]) -> String {
        let mut words = args.to_vec();
        // Messages choose between one and several by `NAME_form`.
        let forms: Vec<(String, &str)> = args
            .iter()
            .filter_map(|(name, value)| Some((format!("{name}_form"), self.form(value)?)))
            .collect();
        words.extend(forms.iter().map(|(name, form)| (name.as_str(), *form)));
        self.catalog.say(id, &words)
    }

    /// `one` or `other`, for a count.
    fn form(&self, value: &str) -> Option<&'static str> {
        let count: u64 = value.parse().ok()?;
        let one = match self.language {
            Language::English => count == 1,
            Language::French => count <= 1,
        };
        Some(if one { "one" } else { "other" })
    }

    /// Bytes in the operator's language.
    #[must_use]
    pub fn bytes(&self, count: u64) -> String {
        super::format::bytes(count, self.language)
    }

    /// Prints data for people; nothing when JSON was asked for.
    pub fn data(&self, text: &str) {
        if self.output == Output::Table {
            print(text);
        }
    }

    /// Prints an answer as JSON, when that was asked for. `rows` names the field whose items are
    /// the lines of `jsonl`.
    ///
    /// # Errors
    /// `INTERNAL` when the answer is no JSON object, which no input causes.
    pub fn json<T: Serialize>(&self, answer: &T, rows: Option<&str>) -> Result<(), Failure> {
        let internal = |problem: &str| Failure::new(code::INTERNAL).arg("problem", problem);
        let value = serde_json::to_value(answer).map_err(|error| internal(&error.to_string()))?;
        let items = match (self.output, rows) {
            (Output::Table, _) => return Ok(()),
            (Output::Jsonl, Some(rows)) => match value.get(rows) {
                Some(Value::Array(items)) => items.clone(),
                Some(_) | None => return Err(internal("the answer has no rows")),
            },
            (Output::Json | Output::Jsonl, _) => vec![value],
        };
        for item in items {
            let Value::Object(mut object) = item else {
                return Err(internal("the answer is no object"));
            };
            object.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
            print(&Value::Object(object).to_string());
        }
        Ok(())
    }

    /// Says something that is not data.
    pub fn note(&self, text: &str) {
        // Nobody is there to be told when stderr is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says a message that is not data.
    pub fn tell(&self, id: &str, args: &[(&str, &str)]) {
        self.note(&self.say(id, args));
    }

    /// Says what to do next.
    pub fn next(&self, command: &str) {
        self.tell("next", &[("command", command)]);
    }

    /// Says what went wrong and what to do about it.
    pub fn failure(&self, failure: &dyn Coded) {
        let text = self.catalog.failure(failure);
        if !self.color {
            return self.note(&text);
        }
        match text.split_once(':') {
            Some((head, rest)) => self.note(&format!("\u{1b}[1;31m{head}\u{1b}[0m:{rest}")),
            None => self.note(&text),
        }
    }

    /// Asks a question that costs money or destroys something.
    ///
    /// # Errors
    /// `NEEDS_TERMINAL` when nobody can answer and `--yes` was not given, `DECLINED` on a no.
    pub fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::new(code::NEEDS_TERMINAL).arg("flag", "--yes"));
        }
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question} [{}] ", self.say("yes-no", &[]));
        let _ = err.flush();
        let mut line = String::new();
        let _ = io::stdin().lock().read_line(&mut line);
        let answer = line.trim().to_lowercase();
        if ["y", "yes", "o", "oui"].contains(&answer.as_str()) {
            return Ok(());
        }
        Err(Failure::new(code::DECLINED))
    }

    /// Whether stderr is a screen on which a line can be drawn again.
    #[must_use]
    pub fn draws(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }
}

/// Prints a line of data. A reader that went away wants no more of it.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_several_are_told_apart_in_both_languages() {
        let say = |language, count: &str| {
            let ui = Ui::new(Some(language), Output::Table, Color::Never);
            ui.say("assign-question", &[("count", count)])
        };
        assert_eq!(say("en", "1"), "Assign to 1 node?");
        assert_eq!(say("en", "0"), "Assign to 0 nodes?");
        assert_eq!(say("en", "12"), "Assign to 12 nodes?");
        assert_eq!(say("fr", "1"), "Assigner à 1 nœud ?");
        assert_eq!(say("fr", "2"), "Assigner à 2 nœuds ?");
    }

    #[test]
    fn every_message_is_there_in_both_languages() {
        let ids = |text: &str| -> std::collections::BTreeSet<String> {
            text.lines()
                .filter_map(|line| line.split_once(" ="))
                .map(|(id, _)| id.to_owned())
                .filter(|id| id.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect()
        };
        assert_eq!(ids(LOCALE.en), ids(LOCALE.fr));
        assert!(ids(LOCALE.en).len() > 100);
    }
}
