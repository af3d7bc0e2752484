//! `verify`: reads every installed file again and compares it with what was signed.

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::AppName;
use serde::Serialize;

use super::speech::{Speech, form};
use super::table::{Cell, Table, Tone};
use super::{Context, Outcome, order};
use crate::control::client::out_of_place;
use crate::control::{Order, Reply};

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The app; all of them when left out
    app: Option<String>,
    /// Stage a fresh copy of what has changed, and switch to it
    #[arg(long)]
    repair: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Files looked at.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Whether they are being replaced.
    pub repaired: bool,
    /// What is not as it was installed.
    pub drift: Vec<Drift>,
}

/// One file that is not as it was installed.
#[derive(Debug, Clone, Serialize)]
pub struct Drift {
    /// The app.
    pub app: AppName,
    /// The path in its tree.
    pub path: String,
    /// How it differs.
    pub how: String,
}

pub fn run(args: &VerifyArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let app = args.app.as_deref().map(order::app_name).transpose()?;
    let order = Order::Verify {
        app,
        repair: args.repair,
    };
    let Reply::Verified {
        files,
        bytes,
        drift,
    } = order::perform(&order, context)?
    else {
        return Err(out_of_place(&context.paths.socket));
    };
    let drift = drift
        .into_iter()
        .map(|(app, path, how)| Drift { app, path, how });
    let found = Found {
        files,
        bytes,
        repaired: args.repair,
        drift: drift.collect(),
    };
    if context.for_people() {
        for line in lines(&found, &context.speech, context.colour) {
            context.print(&line)?;
        }
    } else {
        context.print_json(&found)?;
    }
    match found.drift.first() {
        None => context.next("sanaga-agent status"),
        Some(_) if args.repair => context.next("sanaga-agent status --watch"),
        Some(first) => {
            let path = format!("{}/{}", first.app, first.path);
            return Err(Failure::new(code::DRIFT).arg("path", path));
        }
    }
    Ok(Outcome::Done)
}

/// The finding as people see it.
#[must_use]
pub fn lines(found: &Found, speech: &Speech, colour: bool) -> Vec<String> {
    let count = found.drift.len() as u64;
    let summary = |id: &str| {
        let args = [
            ("files", &*found.files.to_string()),
            ("form", form(found.files, speech)),
            ("size", &*speech.size(found.bytes)),
            ("count", &*count.to_string()),
            ("count_form", form(count, speech)),
        ];
        speech.say(id, &args)
    };
    if found.files == 0 && found.drift.is_empty() {
        return vec![speech.say("verify-nothing", &[])];
    }
    if found.drift.is_empty() {
        return vec![summary("verify-good")];
    }
    let heads = ["col-app", "col-path", "col-difference"];
    let mut table = Table::new(heads.iter().map(|id| speech.say(id, &[])).collect());
    for drift in &found.drift {
        table.row(vec![
            drift.app.as_str().into(),
            // A stray file may have any name.
            drift.path.replace(char::is_control, "?").into(),
            Cell {
                text: drift.how.replace(char::is_control, "?"),
                tone: Tone::Bad,
            },
        ]);
    }
    let mut out = table.lines(colour);
    out.push(summary(if found.repaired {
        "verify-repaired"
    } else {
        "verify-drift"
    }));
    out
}
