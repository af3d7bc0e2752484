//! `activate`: starts what is staged, now.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::{Context, Outcome, changed, order};
use crate::control::Order;

#[derive(Debug, Args)]
pub struct ActivateArgs {
    /// The app
    app: String,
}

pub fn run(args: &ActivateArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let app = order::app_name(&args.app)?;
    let done = order::change(&Order::Activate { app }, context)?;
    if changed::for_program(&done, context)? {
        return Ok(Outcome::Done);
    }
    if let Some(versions) = changed::versions(&done) {
        context.print(&versions)?;
    }
    let line = changed::activated(&done, &context.speech);
    context.print(&line)?;
    context.next("sanaga-agent status --watch");
    Ok(Outcome::Done)
}
