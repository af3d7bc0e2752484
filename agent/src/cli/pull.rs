//! `pull`: asks the controller now instead of at the next poll.

use sanaga_proto::failure::Failure;

use super::{Context, Outcome, changed, order};
use crate::control::Order;

pub fn run(context: &mut Context) -> Result<Outcome, Failure> {
    let done = order::change(&Order::Pull, context)?;
    if changed::for_program(&done, context)? {
        return Ok(Outcome::Done);
    }
    let took = context.speech.took(done.took_ms);
    let line = context.speech.say("pulled", &[("took", &took)]);
    context.print(&line)?;
    for change in &done.changes {
        for line in changed::lines(change, None, &context.speech) {
            context.print(&line)?;
        }
    }
    context.next("sanaga-agent status --watch");
    Ok(Outcome::Done)
}
