//! `rollback`: goes back to the previous release, with or without a network.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::{Context, Outcome, changed, order};
use crate::control::{Done, Order};

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The app
    app: String,
}

pub fn run(args: &RollbackArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let app = order::app_name(&args.app)?;
    let done = order::change(&Order::Rollback { app }, context)?;
    if !changed::for_program(&done, context)? {
        for line in lines(&done, context) {
            context.print(&line)?;
        }
    }
    Ok(Outcome::Done)
}

fn lines(done: &Done, context: &Context) -> Vec<String> {
    let speech = &context.speech;
    let mut out = Vec::new();
    if let Some(versions) = changed::versions(done) {
        out.push(format!("{versions}   {}", speech.say("no-network", &[])));
    }
    let mut line = changed::activated(done, speech);
    if let Some(from) = &done.from {
        let aside = speech.say("rollback-aside", &[("version", from.as_str())]);
        line = format!("{line} {aside}");
    }
    out.push(line);
    if let Some(path) = &done.data {
        out.push(speech.say("data-aside", &[("path", path)]));
    }
    if let Some(receipt) = done.receipt {
        let id = if done.receipts_waiting > 0 {
            "receipt-waits"
        } else {
            "receipt-sent"
        };
        out.push(speech.say(id, &[("number", &receipt.to_string())]));
    }
    out
}
