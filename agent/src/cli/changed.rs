//! How a change is told: from which version to which, how long it took, and whether it is healthy.

use sanaga_proto::failure::Failure;

use super::Context;
use super::speech::{Speech, form};
use crate::control::Done;

/// `shop 1.4.2 → 1.4.1`; none when the change is not about an app.
#[must_use]
pub fn versions(done: &Done) -> Option<String> {
    let app = done.app.as_ref()?;
    Some(match (&done.from, &done.to) {
        (Some(from), Some(to)) if from != to => format!("{app} {from} → {to}"),
        (_, Some(to)) => format!("{app} {to}"),
        (Some(from), None) => format!("{app} {from} → –"),
        (None, None) => app.to_string(),
    })
}

/// `Activated in 0.4 s, probe passing.`
#[must_use]
pub fn activated(done: &Done, speech: &Speech) -> String {
    let took = speech.took(done.took_ms);
    let (passing, all) = done.probes;
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
