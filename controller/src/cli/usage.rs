//! What is said to a command line that cannot be read. The parser knows what is wrong; the words
//! are ours, in the reader's language, with the code and exit code that every failure has.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use sanaga_proto::code::{self, Exit};
use sanaga_proto::failure::{Failure, nearest};

use super::ui::{Color, Output, Ui};

/// Says what is wrong, or prints the help that was asked for. Gives the exit code.
pub fn answer(error: &Error, language: Option<&str>) -> u8 {
    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage as u8
        }
        _ => {
            let ui = Ui::new(language, Output::Table, Color::Auto);
            let problem = problem(error, &ui);
            ui.failure(&Failure::new(code::BAD_USAGE).arg("problem", problem));
            Exit::Usage as u8
        }
    }
}

/// What is wrong, in the reader's language.
#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
fn problem(error: &Error, ui: &Ui) -> String {
    let given = |kind| error.get(kind).map(words).unwrap_or_default();
    let id = match error.kind() {
        ErrorKind::UnknownArgument => "usage-unknown-argument",
        ErrorKind::InvalidSubcommand => "usage-unknown-command",
        ErrorKind::MissingRequiredArgument => "usage-missing",
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => "usage-bad-value",
        ErrorKind::ArgumentConflict => "usage-conflict",
        ErrorKind::MissingSubcommand => "usage-no-command",
        // The rest is rare enough to be said in the parser's own English.
        _ => "usage-other",
    };
    let argument = match error.kind() {
        ErrorKind::InvalidSubcommand => given(ContextKind::InvalidSubcommand),
        _ => given(ContextKind::InvalidArg),
    };
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let args = [
        ("argument", argument.as_str()),
        ("value", &given(ContextKind::InvalidValue)),
        ("other", &given(ContextKind::PriorArg)),
        ("text", first.trim_start_matches("error: ")),
    ];
    let mut problem = ui.say(id, &args);
    // Why a value is not valid is said by whoever parsed it.
    if error.kind() == ErrorKind::ValueValidation
        && let Some((_, why)) = first.rsplit_once("': ")
    {
        problem.push_str(&format!(": {why}"));
    }
    if let Some(near) = near(error, &argument) {
        problem.push_str(&ui.say("usage-near", &[("near", &near)]));
    }
    problem
}

/// What was probably meant. Where none is close by our measure, it is the parser's best guess.
fn near(error: &Error, argument: &str) -> Option<String> {
    let kinds = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    let near: Vec<&str> = kinds
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(list)
        .collect();
    match nearest(argument, near.iter().copied()) {
        closest if closest.is_empty() => near.last().map(|near| (*near).to_owned()),
        closest => Some(closest),
    }
}

fn words(value: &ContextValue) -> String {
    list(value).join(", ")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
fn list(value: &ContextValue) -> Vec<&str> {
    match value {
        ContextValue::String(word) => vec![word],
        ContextValue::Strings(words) => words.iter().map(String::as_str).collect(),
        // Numbers, styled texts and kinds to come: none of them names an argument.
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn a_wrong_command_line_is_told_in_the_readers_language() {
        let say = |language, args: &[&str]| {
            let error = Cli::try_parse_from(args).unwrap_err();
            problem(
                &error,
                &Ui::new(Some(language), Output::Table, Color::Never),
            )
        };
        let wrong = ["sanaga", "asign"];
        assert_eq!(
            say("en", &wrong),
            "unknown command `asign`; did you mean `assign`?"
        );
        assert_eq!(
            say("fr", &wrong),
            "commande inconnue « asign » ; vouliez-vous dire « assign » ?"
        );
        let wrong = ["sanaga", "assign", "shop", "--to", "node=a"];
        let english = say("en", &wrong);
        assert!(english.starts_with("`shop` is not a valid value for <APP@VERSION>: "));
        assert!(say("en", &["sanaga", "hold"]).ends_with("is missing"));
    }
}
