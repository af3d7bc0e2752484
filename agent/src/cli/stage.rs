//! `stage`: fetches what is assigned and keeps it ready beside what runs.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::{Context, Outcome, changed, order};
use crate::control::Order;

#[derive(Debug, Args)]
pub struct StageArgs {
    /// The app
    app: String,
}

pub fn run(args: &StageArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let app = order::app_name(&args.app)?;
    let order = Order::Stage { app: app.clone() };
    let done = order::change(&order, context)?;
    if changed::for_program(&done, context)? {
        return Ok(Outcome::Done);
    }
    let to = done
        .to
        .as_ref()
        .map_or_else(|| "–".to_owned(), ToString::to_string);
    let line = match &done.from {
        Some(from) => {
            let args = [("app", app.as_str()), ("to", &to), ("from", from.as_str())];
            context.speech.say("staged-beside", &args)
        }
        None => context
            .speech
            .say("staged", &[("app", app.as_str()), ("to", &to)]),
    };
    context.print(&line)?;
    context.next(&format!("sanaga-agent activate {app}"));
    Ok(Outcome::Done)
}
