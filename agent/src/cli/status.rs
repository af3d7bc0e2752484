//! `status`: what runs here and how it is. Also the first thing that a shopkeeper is asked to read
//! out on the telephone, so the words are plain.

use clap::Args;
use sanaga_proto::code::{self, Exit};
use sanaga_proto::failure::Failure;

use super::speech::{Speech, form};
use super::table::{Cell, Table, Tone};
use super::watch::{Progress, Watcher};
use super::{Context, FOUND, Outcome};
use crate::control::client::{Client, ask, out_of_place};
use crate::control::{AppReport, Order, Reply, Report, failure_of};

/// The column of ages, and a width that no age outgrows.
const SINCE: (usize, usize) = (3, 8);

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Go on and show every change
    #[arg(long)]
    watch: bool,
}

pub fn run(args: &StatusArgs, context: &mut Context) -> Result<Outcome, Failure> {
    if args.watch {
        return watch(context);
    }
    match ask(&context.paths.socket, &Order::Status)? {
        Reply::Report(report) => show(&report, context),
        Reply::NotEnrolled => show_waiting(context),
        Reply::Done(_) | Reply::History(_) | Reply::Verified { .. } | Reply::Refused { .. } => {
            Err(out_of_place(&context.paths.socket))
        }
    }
}

fn show(report: &Report, context: &mut Context) -> Result<Outcome, Failure> {
    if !context.for_people() {
        context.print_json(report)?;
        return Ok(Outcome::Done);
    }
    for line in lines(report, &context.speech, context.colour) {
        context.print(&line)?;
    }
    for path in report.apps.iter().flat_map(|app| &app.data) {
        let line = context.speech.say("data-aside", &[("path", path)]);
        context.note(&line);
    }
    for line in troubles(report, &context.speech) {
        context.note(&line);
    }
    Ok(Outcome::Done)
}

/// The page of a machine that belongs to no controller yet.
fn show_waiting(context: &mut Context) -> Result<Outcome, Failure> {
    if !context.for_people() {
        let page = [("enrolled".to_owned(), serde_json::Value::from(false))];
        context.print_json(&serde_json::Map::from_iter(page))?;
        return Ok(Outcome::Done);
    }
    let line = context.speech.say("status-not-enrolled", &[]);
    context.print(&line)?;
    let token = context.speech.say("status-token", &[]);
    context.next(&format!("sanaga-agent enroll {token}"));
    Ok(Outcome::Done)
}

fn watch(context: &mut Context) -> Result<Outcome, Failure> {
    let mut client = Client::connect(&context.paths.socket)?;
    client.send(&Order::Watch)?;
    let (mut watcher, mut progress) = (Watcher::default(), Progress::default());
    let mut first = true;
    while let Some(reply) = client.receive()? {
        let Reply::Report(report) = reply else {
            return Err(out_of_place(&context.paths.socket));
        };
        if !context.for_people() {
            context.output = super::Output::Jsonl;
            context.print_json(&report)?;
        } else if std::mem::take(&mut first) {
            show(&report, context)?;
            watcher.lines(&report, context.clock.as_ref(), &context.speech);
        } else {
            for line in watcher.lines(&report, context.clock.as_ref(), &context.speech) {
                if line.passing {
                    progress.pass(&line.text, context);
                } else {
                    progress.finish(context);
                    context.print(&line.text)?;
                }
            }
        }
        if context.closed {
            return Ok(Outcome::Done);
        }
    }
    progress.finish(context);
    let path = context.paths.socket.display().to_string();
    context.note(
        &context
            .speech
            .failure(&Failure::new(code::DAEMON_ABSENT).arg("path", path)),
    );
    Ok(FOUND)
}

/// The page as people see it.
#[must_use]
pub fn lines(report: &Report, speech: &Speech, colour: bool) -> Vec<String> {
    let mut out = vec![head(report, speech)];
    if report.apps.is_empty() {
        out.push(speech.say("status-nothing", &[]));
        return out;
    }
    let heads = [
        "col-app",
        "col-version",
        "col-state",
        "col-since",
        "col-previous",
    ];
    let heads = heads.iter().map(|id| speech.say(id, &[])).collect();
    let mut table = Table::new(heads).width_min(SINCE.0, SINCE.1);
    for app in &report.apps {
        let version = app.version.as_ref().map_or("–", |version| version.as_str());
        table.row(vec![
            app.app.as_str().into(),
            version.into(),
            state(app, speech),
            app.since_s
                .map(|age| speech.age(age))
                .unwrap_or_default()
                .into(),
            previous(app, speech).into(),
        ]);
    }
    out.extend(table.lines(colour));
    out
}

/// Where this is, and whether anybody hears of it.
fn head(report: &Report, speech: &Speech) -> String {
    let place = [
        ("site", report.site.as_str()),
        ("node", report.node.as_str()),
    ];
    let mut parts = vec![speech.say("status-place", &place)];
    parts.push(contact(report, speech));
    if report
        .contact_code
        .is_some_and(|number| exit_of(number) == Exit::Transient)
    {
        parts.push(speech.say("status-nothing-lost", &[]));
    }
    let flags = [(report.held, "status-held"), (report.stale, "status-stale")];
    for (_, id) in flags.into_iter().filter(|(set, _)| *set) {
        parts.push(speech.say(id, &[]));
    }
    parts.join(" · ")
}

/// How the last contact with the controller went.
#[must_use]
pub fn contact(report: &Report, speech: &Speech) -> String {
    let age = report.contact_age_s.map(|age| speech.age(age));
    match (report.contact_code, age) {
        (None, Some(age)) => speech.say("status-contact", &[("age", &age)]),
        (None, None) => speech.say("status-no-contact", &[]),
        (Some(number), age) if exit_of(number) == Exit::Transient => match age {
            Some(age) => speech.say("status-offline", &[("age", &age)]),
            None => speech.say("status-offline-always", &[]),
        },
        (Some(number), _) => {
            let code = format!("SNG-{number:04}");
            speech.say("status-contact-failed", &[("code", &code)])
        }
    }
}

fn exit_of(number: u16) -> Exit {
    let known = code::ALL.iter().find(|code| code.number == number);
    known.map_or(Exit::Failure, |code| code.exit)
}

/// What an app does, and what is under way beside it.
fn state(app: &AppReport, speech: &Speech) -> Cell {
    let target = app.target.as_ref().or(app.version.as_ref());
    let target = target.map_or("–", |version| version.as_str());
    let step = step(app, target, speech);
    // While it switches, whether it runs at this moment is no news.
    let switching = matches!(
        app.phase.as_str(),
        "activating" | "probation" | "rolling_back" | "needs_hands"
    );
    let runs = (app.version.is_some() && !switching).then(|| {
        let id = if app.running {
            "state-running"
        } else {
            "state-stopped"
        };
        speech.say(id, &[])
    });
    let parts: Vec<String> = runs.into_iter().chain(step).collect();
    let text = if parts.is_empty() {
        speech.say("state-absent", &[])
    } else {
        parts.join(" · ")
    };
    let failed = matches!(app.phase.as_str(), "refused" | "needs_hands");
    let tone = match (failed, switching, app.running) {
        (true, _, _) => Tone::Bad,
        (false, true, _) => Tone::Notice,
        (false, false, true) => Tone::Good,
        (false, false, false) if app.version.is_some() => Tone::Bad,
        (false, false, false) => Tone::Plain,
    };
    Cell { text, tone }
}

/// What is under way; none when the update has ended well or nothing was asked for.
fn step(app: &AppReport, target: &str, speech: &Speech) -> Option<String> {
    let version = [("version", target)];
    let said = match app.phase.as_str() {
        "idle" | "committed" | "rolled_back" | "superseded" => return None,
        "fetching" => match app.fetched {
            Some((done, total)) => {
                let part = speech.part(done, total);
                speech.say(
                    "state-fetching-part",
                    &[("version", target), ("part", &part)],
                )
            }
            None => speech.say("state-fetching", &version),
        },
        "staged" | "armed" => speech.say("state-ready", &version),
        "snapshotting" => speech.say("state-snapshotting", &version),
        "activating" => speech.say("state-activating", &version),
        "probation" => {
            let left = speech.span(app.soak_left_s.unwrap_or_default());
            speech.say("state-probation", &[("left", &left)])
        }
        "rolling_back" => speech.say("state-rolling-back", &[]),
        "held" => speech.say("state-held", &version),
        "refused" => speech.say("state-refused", &version),
        "needs_hands" => speech.say("state-needs-hands", &[]),
        other => speech.word("phase", other),
    };
    Some(said)
}

fn previous(app: &AppReport, speech: &Speech) -> String {
    let aside = app.set_aside.as_ref();
    let kept = app
        .previous
        .as_ref()
        .filter(|version| Some(*version) != aside);
    let aside = aside.map(|version| speech.say("set-aside", &[("version", version.as_str())]));
    let parts: Vec<String> = kept
        .map(ToString::to_string)
        .into_iter()
        .chain(aside)
        .collect();
    parts.join(", ")
}

/// `probe 1 of 1 passing`; none for an app without probes.
#[must_use]
pub fn probes((passing, all): (u64, u64), speech: &Speech) -> Option<String> {
    let args = [
        ("passing", &*passing.to_string()),
        ("all", &*all.to_string()),
        ("form", form(all, speech)),
    ];
    (all > 0).then(|| speech.say("probes", &args))
}

/// The failures that stand, each with what to do.
fn troubles(report: &Report, speech: &Speech) -> Vec<String> {
    let failures = report.apps.iter().filter_map(|app| app.failure.as_ref());
    failures
        .map(|(number, args)| speech.failure(&failure_of(*number, args)))
        .collect()
}
