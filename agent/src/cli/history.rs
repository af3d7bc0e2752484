//! `history`: the numbered events of this node, newest last.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::speech::Speech;
use super::table::{Cell, Table, Tone};
use super::{Context, Outcome};
use crate::control::client::{ask, out_of_place};
use crate::control::{HistoryLine, Order, Reply};

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// At most so many events
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    most: u16,
}

pub fn run(args: &HistoryArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let order = Order::History {
        most: usize::from(args.most),
    };
    let Reply::History(events) = ask(&context.paths.socket, &order)? else {
        return Err(out_of_place(&context.paths.socket));
    };
    if !context.for_people() {
        context.print_list("events", &events)?;
        return Ok(Outcome::Done);
    }
    for line in lines(&events, &context.speech, context.colour) {
        context.print(&line)?;
    }
    if events.iter().any(|event| !event.acknowledged) {
        context.next("sanaga-agent pull");
    } else {
        context.next("sanaga-agent status");
    }
    Ok(Outcome::Done)
}

/// The table as people see it.
#[must_use]
pub fn lines(events: &[HistoryLine], speech: &Speech, colour: bool) -> Vec<String> {
    if events.is_empty() {
        return vec![speech.say("history-none", &[])];
    }
    let heads = [
        "col-number",
        "col-when",
        "col-event",
        "col-release",
        "col-note",
        "col-known",
    ];
    let mut table = Table::new(heads.iter().map(|id| speech.say(id, &[])).collect());
    for event in events {
        table.row(row(event, speech));
    }
    let mut out = table.lines(colour);
    if events.iter().any(|event| !event.clock_sure) {
        out.push(speech.say("history-unsure", &[]));
    }
    out
}

fn row(event: &HistoryLine, speech: &Speech) -> Vec<Cell> {
    let mark = if event.clock_sure { "" } else { " ?" };
    let at_s = i64::try_from(event.at_s).unwrap_or(i64::MAX);
    let release = match (&event.app, &event.version) {
        (Some(app), Some(version)) => format!("{app}@{version}"),
        (Some(app), None) => app.to_string(),
        (None, _) => String::new(),
    };
    let mut kind = speech.word("event", &event.kind);
    if event.count > 1 {
        kind = format!("{kind} ×{}", event.count);
    }
    let code = event.code.map(|code| format!("SNG-{code:04}"));
    let note: Vec<String> = code.into_iter().chain(event.detail.clone()).collect();
    let bad = matches!(
        event.kind.as_str(),
        "rolled_back" | "refused" | "alarm" | "needs_hands"
    );
    let known = if event.acknowledged {
        "known-yes"
    } else {
        "known-no"
    };
    vec![
        event.number.to_string().into(),
        format!("{}{mark}", speech.date(at_s)).into(),
        Cell {
            text: kind,
            tone: if bad { Tone::Bad } else { Tone::Plain },
        },
        release.into(),
        // A detail comes from the journal, but may quote what a service said.
        note.join(" ").replace(char::is_control, " ").into(),
        speech.say(known, &[]).into(),
    ]
}
