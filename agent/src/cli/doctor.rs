//! `doctor`: looks for anything that needs attention, and says what to do. What was found is
//! gathered here and judged in [`checks`], which touches nothing.

mod checks;
mod gather;

use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::text::Language;
use serde::Serialize;

use super::speech::Speech;
use super::table::{Cell, Table, Tone};
use super::{Context, FOUND, Outcome};
use checks::{Check, Finding, State, Word};

/// One check, for programs.
#[derive(Serialize)]
struct Told {
    check: &'static str,
    state: &'static str,
    finding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

pub fn run(context: &mut Context) -> Result<Outcome, Failure> {
    let findings = gather::gather(context);
    let checks = checks::judge(&findings);
    if context.for_people() {
        for line in lines(&checks, &context.speech, context.colour) {
            context.print(&line)?;
        }
    } else {
        let english = Speech::new(Language::English, jiff::tz::TimeZone::system());
        let told: Vec<Told> = checks.iter().map(|check| told(check, &english)).collect();
        context.print_list("checks", &told)?;
    }
    if checks.iter().any(|check| check.state == State::Problem) {
        return Ok(FOUND);
    }
    context.next("sanaga-agent status");
    Ok(Outcome::Done)
}

/// The page as people see it: one line for each check, and what to do under it.
#[must_use]
fn lines(checks: &[Check], speech: &Speech, colour: bool) -> Vec<String> {
    let heads = ["col-check", "col-state", "col-finding"];
    let mut table = Table::new(heads.iter().map(|id| speech.say(id, &[])).collect());
    let mut advice = vec![None];
    for check in checks {
        let told = told(check, speech);
        let tone = match check.state {
            State::Good => Tone::Good,
            State::Notice => Tone::Notice,
            State::Problem => Tone::Bad,
        };
        table.row(vec![
            speech.word("check", check.subject).into(),
            Cell {
                text: speech.word("found", told.state),
                tone,
            },
            told.finding.into(),
        ]);
        advice.push(told.advice);
    }
    let hint = speech.say("hint-word", &[]);
    let mut out = Vec::new();
    for (line, advice) in table.lines(colour).into_iter().zip(advice) {
        out.push(line);
        out.extend(advice.map(|advice| format!("  {hint}: {advice}")));
    }
    out
}

fn told(check: &Check, speech: &Speech) -> Told {
    let (finding, advice) = match &check.finding {
        Finding::Message(id, words) => {
            let words: Vec<(&str, String)> = words
                .iter()
                .map(|(name, word)| (*name, spoken(word, speech)))
                .collect();
            texts(id, &words, speech)
        }
        Finding::Failure(failure) => {
            let words: Vec<(&str, String)> = failure.args().into_iter().collect();
            let (finding, advice) = texts(failure.code().id, &words, speech);
            (format!("{}: {finding}", failure.code()), advice)
        }
    };
    Told {
        check: check.subject,
        state: check.state.as_str(),
        finding,
        advice: advice.filter(|_| check.state != State::Good),
    }
}

/// A message and its hint.
fn texts(id: &str, words: &[(&str, String)], speech: &Speech) -> (String, Option<String>) {
    let words: Vec<(&str, &str)> = words
        .iter()
        .map(|(name, word)| (*name, word.as_str()))
        .collect();
    let hint = speech.find(&format!("{id}.hint"), &words);
    (speech.say(id, &words), hint)
}

fn spoken(word: &Word, speech: &Speech) -> String {
    match word {
        Word::Text(text) => text.clone(),
        Word::Size(bytes) => speech.size(*bytes),
        Word::Age(seconds) => speech.age(*seconds),
        Word::Date(seconds) => speech.date(*seconds),
    }
}

#[cfg(test)]
mod tests;
