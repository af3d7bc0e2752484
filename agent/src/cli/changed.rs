//! How a change is told: from which version to which, how long it took, and whether it is healthy.

use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{AppName, Version};

use super::speech::{Speech, form};
use super::{Context, Outcome};
use crate::control::{Change, Done, failure_of};

/// `shop 1.4.2 → 1.4.1`; none when the change is not about an app.
#[must_use]
pub fn versions(done: &Done) -> Option<String> {
    let app = done.app.as_ref()?;
    Some(from_to(app, done.from.as_ref(), done.to.as_ref()))
}

fn from_to(app: &AppName, from: Option<&Version>, to: Option<&Version>) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from != to => format!("{app} {from} → {to}"),
        (_, Some(to)) => format!("{app} {to}"),
        (Some(from), None) => format!("{app} {from} → –"),
        (None, None) => app.to_string(),
    }
}

/// `Activated in 0.4 s, probe passing.`
#[must_use]
pub fn activated(done: &Done, speech: &Speech) -> String {
    activation(done.took_ms, done.probes, speech)
}

fn activation(took_ms: u64, (passing, all): (u64, u64), speech: &Speech) -> String {
    let took = speech.took(took_ms);
    let health = match (passing, all) {
        (_, 0) => return speech.say("activated", &[("took", &took)]),
        (1, 1) => speech.say("probe-passing", &[]),
        (_, _) => {
            let args = [
                ("passing", &*passing.to_string()),
                ("all", &*all.to_string()),
                ("form", form(all, speech)),
            ];
            speech.say("probes-passing", &args)
        }
    };
    speech.say("activated-probes", &[("took", &took), ("health", &health)])
}

/// `shop 1.4.1 → 1.4.2   NOTE`, then whether it runs, or how far it is.
#[must_use]
pub fn lines(change: &Change, note: Option<&str>, speech: &Speech) -> Vec<String> {
    let head = from_to(&change.app, change.from.as_ref(), Some(&change.to));
    let phase = speech.word("phase", &change.phase);
    match note {
        Some(note) if change.activated => {
            let end = activation(change.took_ms, change.probes, speech);
            vec![format!("{head}   {note}"), end]
        }
        Some(_) | None => vec![format!("{head}   {phase}")],
    }
}

/// Tells why apps do not run what they should; the first such failure gives the exit code.
#[must_use]
pub fn troubles(done: &Done, context: &mut Context) -> Outcome {
    let mut outcome = Outcome::Done;
    for change in &done.changes {
        let Some((number, words)) = &change.failure else {
            continue;
        };
        let failure = failure_of(*number, words);
        let line = context.speech.failure(&failure);
        context.note(&line);
        if outcome == Outcome::Done {
            outcome = Outcome::Ended(failure.code().exit);
        }
    }
    outcome
}

/// Prints the change as JSON when a program reads it; says whether it did.
///
/// # Errors
/// See [`Context::print`].
pub fn for_program(done: &Done, context: &mut Context) -> Result<bool, Failure> {
    if context.for_people() {
        return Ok(false);
    }
    context.print_json(done)?;
    Ok(true)
}
