//! What changed between two reports, as lines with the time; and how lines of progress are shown.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use sanaga_proto::ids::AppName;

use super::Context;
use super::speech::Speech;
use super::status;
use super::table::padded;
use crate::clock::Clock;
use crate::control::{AppReport, Report};

/// Off a terminal, a line of progress is written once in this time.
const PACE: Duration = Duration::from_secs(10);
/// The width of the phase's word; longer ones push their line to the right.
const WORD_WIDTH: usize = 9;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Whether the next line may take its place: how far a transfer is.
    pub passing: bool,
}

/// Compares each report with the one before.
#[derive(Debug, Default)]
pub struct Watcher {
    before: Option<Report>,
    speeds: BTreeMap<AppName, Speed>,
}

/// How fast a transfer is.
#[derive(Debug, Clone, Copy)]
struct Speed {
    bytes: u64,
    at: Duration,
    /// Bytes a second; none before the second sample.
    rate: Option<u64>,
}

impl Watcher {
    /// What is new in this report. The first one is only remembered.
    pub fn lines(&mut self, report: &Report, clock: &dyn Clock, speech: &Speech) -> Vec<Line> {
        let now = speech.time(clock.read().wall_s);
        let Some(before) = self.before.replace(report.clone()) else {
            return Vec::new();
        };
        let mut said: Vec<Line> = link(&before, report, speech).into_iter().collect();
        for app in &report.apps {
            let old = before.apps.iter().find(|old| old.app == app.app);
            said.extend(self.transfer(old, app, clock.uptime(), speech));
            said.extend(step(old, app, speech));
        }
        let dated = |line: Line| Line {
            text: format!("{now}  {}", line.text),
            ..line
        };
        said.into_iter().map(dated).collect()
    }

    fn transfer(
        &mut self,
        old: Option<&AppReport>,
        app: &AppReport,
        at: Duration,
        speech: &Speech,
    ) -> Option<Line> {
        let Some((done, total)) = app.fetched.filter(|_| app.phase == "fetching") else {
            self.speeds.remove(&app.app);
            return None;
        };
        if old.is_some_and(|old| old.fetched == app.fetched && old.phase == app.phase) {
            return None;
        }
        let speed = Speed::after(self.speeds.get(&app.app), done, at);
        self.speeds.insert(app.app.clone(), speed);
        let mut text = speech.part(done, total);
        if let Some(rate) = speed.rate.filter(|rate| *rate > 0) {
            let left = speech.span(total.saturating_sub(done).div_ceil(rate));
            let left = speech.say("watch-left", &[("time", &left)]);
            text = format!("{text}   {}/s   {left}", speech.size(rate));
        }
        Some(Line {
            text: headed(app, &text, speech),
            passing: true,
        })
    }
}

impl Speed {
    /// The rate is smoothed, so that the time left does not jump.
    fn after(before: Option<&Self>, bytes: u64, at: Duration) -> Self {
        let fresh = before.and_then(|before| {
            let passed_ms = u64::try_from(at.saturating_sub(before.at).as_millis()).ok()?;
            let read = bytes.saturating_sub(before.bytes);
            read.saturating_mul(1_000).checked_div(passed_ms)
        });
        let rate = match (before.and_then(|before| before.rate), fresh) {
            (Some(old), Some(new)) => Some(old.saturating_mul(3).saturating_add(new) / 4),
            (old, new) => new.or(old),
        };
        Self { bytes, at, rate }
    }
}

/// Whether the link went or came back.
fn link(before: &Report, report: &Report, speech: &Speech) -> Option<Line> {
    let id = match (before.contact_code, report.contact_code) {
        (None, Some(_)) => "watch-link-lost",
        (Some(_), None) => "watch-link-back",
        (None, None) | (Some(_), Some(_)) => return None,
    };
    let fetching = report.apps.iter().find(|app| app.phase == "fetching");
    let fetched = fetched_of(fetching);
    let text = match fetched {
        Some(done) if id == "watch-link-lost" => {
            speech.say("watch-link-lost-at", &[("size", &speech.size(done))])
        }
        Some(_) | None => speech.say(id, &[]),
    };
    Some(Line {
        text,
        passing: false,
    })
}

fn fetched_of(app: Option<&AppReport>) -> Option<u64> {
    app?.fetched.map(|(done, _)| done)
}

/// A new phase, or probes that changed their mind.
fn step(old: Option<&AppReport>, app: &AppReport, speech: &Speech) -> Option<Line> {
    let same = old.is_some_and(|old| {
        old.phase == app.phase
            && old.target == app.target
            && (app.phase != "probation" || old.probes == app.probes)
    });
    // How a transfer goes is said by its bytes.
    if same || (app.phase == "fetching" && app.fetched.is_some()) {
        return None;
    }
    let version = app
        .version
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let target = app
        .target
        .as_ref()
        .map_or(version.clone(), ToString::to_string);
    let detail = match app.phase.as_str() {
        "probation" => {
            let left = speech.span(app.soak_left_s.unwrap_or_default());
            let left = speech.say("watch-left", &[("time", &left)]);
            match status::probes(app.probes, speech) {
                Some(probes) => format!("{left}, {probes}"),
                None => left,
            }
        }
        "committed" => {
            let release = format!("{}@{version}", app.app);
            speech.say("watch-runs", &[("release", &release)])
        }
        "refused" | "rolled_back" | "needs_hands" | "rolling_back" => app
            .failure
            .as_ref()
            .map_or_else(String::new, |(number, _)| format!("SNG-{number:04}")),
        _ => target,
    };
    Some(Line {
        text: headed(app, &detail, speech),
        passing: false,
    })
}

/// `shop  fetching   …`
fn headed(app: &AppReport, detail: &str, speech: &Speech) -> String {
    let word = padded(&speech.word("phase", &app.phase), WORD_WIDTH);
    format!("{}  {word}  {detail}", app.app)
        .trim_end()
        .to_owned()
}

/// Shows lines on stderr: the passing ones over each other on a terminal, and rarely elsewhere.
#[derive(Debug, Default)]
pub struct Progress {
    shown: Option<Duration>,
    /// A passing line stands on the terminal without its end.
    open: bool,
}

impl Progress {
    /// Shows all lines on stderr.
    pub fn show(&mut self, lines: &[Line], context: &mut Context) {
        for line in lines {
            if line.passing {
                self.pass(&line.text, context);
            } else {
                self.finish(context);
                context.note(&line.text);
            }
        }
    }

    /// Shows a line that the next one replaces.
    pub fn pass(&mut self, text: &str, context: &mut Context) {
        if context.live {
            // Carriage return, then "erase the line" (ECMA-48 EL).
            let _ = write!(context.err, "\r\u{1b}[2K{text}").and_then(|()| context.err.flush());
            self.open = true;
            return;
        }
        let now = context.clock.uptime();
        if self
            .shown
            .is_none_or(|shown| now.saturating_sub(shown) >= PACE)
        {
            self.shown = Some(now);
            context.note(text);
        }
    }

    /// Ends a passing line, so that the next text has a line of its own.
    pub fn finish(&mut self, context: &mut Context) {
        if self.open {
            context.note("");
            self.open = false;
        }
    }
}
