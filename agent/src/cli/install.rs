//! `install`: takes in an offline bundle, with the same verification as from the network.

use std::fs::{self, File};
use std::io::{BufRead as _, Write as _, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};

use super::{Context, Outcome, changed, order};
use crate::control::{Done, Order};

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The bundle file
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Take it although its online signatures have expired; recorded
    #[arg(long)]
    accept_expired: bool,
}

pub fn run(args: &InstallArgs, context: &mut Context) -> Result<Outcome, Failure> {
    let path = readable(&args.from)?;
    let name = args.from.file_name().unwrap_or(args.from.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let order = |accept_expired| Order::Install {
        path: path.clone(),
        accept_expired,
    };
    let done = match order::change(&order(args.accept_expired), context) {
        Err(failure) if failure.code() == code::BUNDLE_NEEDS_CONFIRMATION && context.asks => {
            if !confirmed(&failure, context) {
                return Err(Failure::new(code::DECLINED));
            }
            order::change(&order(true), context)?
        }
        ended => ended?,
    };
    if changed::for_program(&done, context)? {
        return Ok(Outcome::Done);
    }
    for line in lines(&done, &name, context) {
        context.print(&line)?;
    }
    let outcome = changed::troubles(&done, context);
    context.next("sanaga-agent status --watch");
    Ok(outcome)
}

/// The whole path, after a look at whether the file can be read at all: the daemon opens it by name
/// from another folder.
fn readable(path: &Path) -> Result<String, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::new(code::CONFIG_UNREADABLE)
            .arg("path", path.display())
            .arg("problem", problem)
    };
    let whole = fs::canonicalize(path).map_err(|error| unreadable(&error).because(error))?;
    let kind = File::open(&whole).and_then(|file| file.metadata());
    let kind = kind.map_err(|error| unreadable(&error).because(error))?;
    if !kind.is_file() {
        return Err(unreadable(&"not a file"));
    }
    let text = whole
        .to_str()
        .ok_or_else(|| unreadable(&"its path is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Asks the person at the terminal whether they vouch for it.
fn confirmed(failure: &Failure, context: &mut Context) -> bool {
    let words = failure.args();
    let word = |name: &str| words.get(name).cloned().unwrap_or_default();
    let args = [("role", &*word("role")), ("expired", &*word("expired"))];
    let question = context.speech.say("install-expired", &args);
    let _ = write!(context.err, "{question} ").and_then(|()| context.err.flush());
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer).is_err() {
        return false;
    }
    let answer = answer.trim().to_lowercase();
    let yes = context.speech.say("yes-words", &[]);
    !answer.is_empty() && yes.split(' ').any(|word| word == answer)
}

fn lines(done: &Done, name: &str, context: &Context) -> Vec<String> {
    let speech = &context.speech;
    if done.changes.is_empty() {
        return vec![speech.say("install-taken", &[("file", name)])];
    }
    let from = speech.say("install-from", &[("file", name)]);
    let changes = done.changes.iter();
    changes
        .flat_map(|change| changed::lines(change, Some(&from), speech))
        .collect()
}
