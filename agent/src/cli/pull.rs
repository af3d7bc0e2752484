//! `pull`: asks the controller now instead of at the next poll.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::{Context, Outcome, changed, order};
use crate::control::Order;

#[derive(Debug, Args)]
pub struct PullArgs {
    /// Fetch what is assigned even though the data budget is spent; recorded
    #[arg(long)]
    now: bool,
}

pub fn run(args: &PullArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let past_budget = args.now;
    let done = order::change(&Order::Pull { past_budget }, context)?;
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
