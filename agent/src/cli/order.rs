//! Orders that take a while: while the daemon works, its progress is shown on stderr.

use std::sync::mpsc::{self, Sender};
use std::thread;

use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure, nearest};
use sanaga_proto::ids::AppName;

use super::watch::{Progress, Watcher};
use super::{Context, internal};
use crate::control::client::{Client, absent, ask, out_of_place};
use crate::control::{Done, Order, Reply, Report};

/// What the threads of [`perform`] bring.
enum News {
    Report(Report),
    End(Result<Reply, Failure>),
}

/// The name of an app from the command line.
///
/// # Errors
/// [`code::BAD_NAME`], so that a typing mistake is told apart from an app that is absent.
pub fn app_name(word: &str) -> Result<AppName, Failure> {
    word.parse().map_err(|error: sanaga_proto::ids::BadId| {
        Failure::new(code::BAD_NAME)
            .arg("what", error.what)
            .arg("value", &error.value)
            .arg("rule", error.rule)
            .because(error)
    })
}

/// Sends an order and shows progress until its reply is there.
///
/// # Errors
/// The daemon's refusal; an app that it does not know gets the name that was probably meant.
pub fn perform(order: &Order, context: &mut Context) -> Result<Reply, Failure> {
    let path = context.paths.socket.clone();
    let mut client = Client::connect(&path)?;
    // Without a second conversation the order is done all the same, only silently.
    let mut watching = Client::connect(&path).ok();
    let ender = match &watching {
        Some(watching) => Some(watching.ender()?),
        None => None,
    };
    let (sender, news) = mpsc::channel();
    let watched = watching.take().map(|mut watching| {
        let sender = sender.clone();
        thread::spawn(move || watch(&mut watching, &sender))
    });
    client.send(order)?;
    let answered = thread::spawn(move || {
        let end = client.receive();
        let end = end.and_then(|reply| reply.ok_or_else(|| absent(&path)));
        // Nobody listens any more when the command was interrupted.
        let _ = sender.send(News::End(end));
    });
    let mut watcher = Watcher::default();
    let mut progress = Progress::default();
    let end = loop {
        match news.recv() {
            Ok(News::Report(report)) => {
                let lines = watcher.lines(&report, context.clock.as_ref(), &context.speech);
                progress.show(&lines, context);
            }
            Ok(News::End(end)) => break end,
            Err(gone) => break Err(internal(gone)),
        }
    };
    progress.finish(context);
    if let Some(ender) = ender {
        ender.end();
    }
    for thread in [watched, Some(answered)].into_iter().flatten() {
        // A thread that panicked has said so on stderr already.
        let _ = thread.join();
    }
    end.map_err(|failure| with_nearest(failure, context))
}

/// Sends an order that ends in a change.
///
/// # Errors
/// See [`perform`].
pub fn change(order: &Order, context: &mut Context) -> Result<Done, Failure> {
    match perform(order, context)? {
        Reply::Done(done) => Ok(done),
        Reply::Report(_)
        | Reply::NotEnrolled
        | Reply::History(_)
        | Reply::Verified { .. }
        | Reply::Refused { .. } => Err(out_of_place(&context.paths.socket)),
    }
}

fn watch(client: &mut Client, sender: &Sender<News>) {
    if client.send(&Order::Watch).is_err() {
        return;
    }
    // The end of this conversation says nothing about the order.
    while let Ok(Some(Reply::Report(report))) = client.receive() {
        if sender.send(News::Report(report)).is_err() {
            return;
        }
    }
}

/// Adds the name that was probably meant, where the daemon has not.
fn with_nearest(failure: Failure, context: &Context) -> Failure {
    let words = failure.args();
    let word = |name: &str| words.get(name).cloned().unwrap_or_default();
    if failure.code() != code::NO_SUCH_APP || !word("near").is_empty() {
        return failure;
    }
    let Ok(Reply::Report(report)) = ask(&context.paths.socket, &Order::Status) else {
        return failure;
    };
    let known = report.apps.iter().map(|app| app.app.as_str());
    let near = nearest(&word("app"), known);
    failure.arg("near", near)
}
