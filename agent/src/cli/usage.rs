//! What is said to a command line that cannot be read. The parser knows what is wrong; the words
//! are ours, in the reader's language, with the code and exit code that every failure has.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure, nearest};

use super::speech::Speech;

/// Says what is wrong, or prints the help that was asked for.
pub fn answer(error: &Error, speech: &Speech) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // Help goes to stdout when asked for and to stderr when not; a closed one is no failure.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let failure = failure(error, speech);
    eprintln!("{}", speech.failure(&failure));
    ExitCode::from(failure.code().exit as u8)
}

/// The failure for a command line.
#[must_use]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums are open, and most of their values are of no use here"
)]
pub fn failure(error: &Error, speech: &Speech) -> Failure {
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
    let near = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ];
    let near = near.into_iter().filter_map(|kind| error.get(kind));
    let near: Vec<&str> = near.flat_map(list).collect();
    let closest = nearest(&argument, near.iter().copied());
    // Where none is close by our measure, the parser's best guess stands last.
    let near = match (closest.as_str(), near.last()) {
        ("", last) => last.copied(),
        (closest, _) => Some(closest),
    };
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let args = [
        ("argument", argument.as_str()),
        ("value", &given(ContextKind::InvalidValue)),
        ("valid", &given(ContextKind::ValidValue)),
        ("other", &given(ContextKind::PriorArg)),
        ("text", first.trim_start_matches("error: ")),
    ];
    let mut problem = speech.say(id, &args);
    if let Some(near) = near {
        problem.push_str(&speech.say("usage-near", &[("near", near)]));
    }
    Failure::new(code::BAD_USAGE).arg("problem", problem)
}

fn words(value: &ContextValue) -> String {
    list(value).join(", ")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums are open, and most of their values are of no use here"
)]
fn list(value: &ContextValue) -> Vec<&str> {
    match value {
        ContextValue::String(word) => vec![word],
        ContextValue::Strings(words) => words.iter().map(String::as_str).collect(),
        // Numbers, styled texts and kinds to come: none of them names an argument.
        _ => Vec::new(),
    }
}
