//! What each finding means. Pure: facts in, checks out.

use std::path::PathBuf;

use sanaga_proto::code::{self, Exit};
use sanaga_proto::failure::{Coded as _, Failure};

use crate::control::{AppReport, Report, failure_of};
use crate::identity::Identity;

/// The controller has not answered for so long: somebody should look at the link, seconds.
const DARK_S: u64 = 86_400;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Good,
    /// Worth knowing; nothing has to be done now.
    Notice,
    /// Something must be done.
    Problem,
}

impl State {
    /// Its word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Problem => "problem",
        }
    }
}

/// A word of a message that depends on the language.
#[derive(Debug)]
pub enum Word {
    /// As it is.
    Text(String),
    /// Bytes.
    Size(u64),
    /// Seconds ago, or still to go.
    Age(u64),
    /// Seconds since 1970.
    Date(i64),
}

/// What is said about it.
#[derive(Debug)]
pub enum Finding {
    /// A message of ours; what to do is its hint.
    Message(&'static str, Vec<(&'static str, Word)>),
    /// A failure.
    Failure(Failure),
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// What it is about.
    pub subject: &'static str,
    /// How it ended.
    pub state: State,
    /// What is said about it.
    pub finding: Finding,
}

/// What was found on this machine.
pub struct Findings {
    /// Whether the configuration can be read.
    pub config: Result<(), Failure>,
    /// Who this node is.
    pub identity: Result<Option<Identity>, Failure>,
    /// What the daemon says.
    pub report: Result<Report, Failure>,
    /// Whether the wall clock may be believed.
    pub clock_sure: bool,
    /// The wall clock, seconds since 1970.
    pub wall_s: i64,
    /// Bytes that are free where slots lie, and that must stay free.
    pub disk: Result<(u64, u64), Failure>,
    /// The private keys.
    pub keys: Vec<Key>,
    /// Until when the node's certificate is good, seconds since 1970; none without one.
    pub certificate: Result<Option<i64>, Failure>,
}

/// A private key on disk.
#[derive(Debug)]
pub struct Key {
    /// Its file.
    pub path: PathBuf,
    /// Its permission bits; none when it is missing.
    pub mode: Option<u32>,
}

/// All checks, in the order in which a person would go through them.
#[must_use]
pub fn judge(findings: &Findings) -> Vec<Check> {
    let mut out = vec![
        configuration(&findings.config),
        enrolment(&findings.identity),
        agent(&findings.report),
        clock(findings),
        disk(&findings.disk),
    ];
    if matches!(findings.identity, Ok(Some(_))) {
        out.extend(findings.keys.iter().filter_map(key));
        if out.iter().all(|check| check.subject != "keys") {
            out.push(good("keys", "doctor-keys-good"));
        }
        out.push(certificate(findings));
    }
    if let Ok(report) = &findings.report {
        out.push(contact(report));
        out.push(metadata(report));
        out.push(hold(report));
        out.extend(report.apps.iter().flat_map(app));
    }
    out
}

fn good(subject: &'static str, id: &'static str) -> Check {
    check(subject, State::Good, id, Vec::new())
}

fn check(
    subject: &'static str,
    state: State,
    id: &'static str,
    words: Vec<(&'static str, Word)>,
) -> Check {
    Check {
        subject,
        state,
        finding: Finding::Message(id, words),
    }
}

fn problem(subject: &'static str, failure: &Failure) -> Check {
    let again = Failure::new(failure.code());
    let words = failure.args().into_iter();
    Check {
        subject,
        state: State::Problem,
        finding: Finding::Failure(words.fold(again, |again, (name, word)| again.arg(name, word))),
    }
}

fn text(word: impl ToString) -> Word {
    Word::Text(word.to_string())
}

fn configuration(config: &Result<(), Failure>) -> Check {
    match config {
        Ok(()) => good("configuration", "doctor-config-good"),
        Err(failure) => problem("configuration", failure),
    }
}

fn enrolment(identity: &Result<Option<Identity>, Failure>) -> Check {
    match identity {
        Ok(Some(identity)) => {
            let words = vec![
                ("node", text(&identity.node)),
                ("site", text(&identity.site)),
                ("environment", text(&identity.environment)),
            ];
            check("enrolment", State::Good, "doctor-enrolled", words)
        }
        Ok(None) => problem("enrolment", &Failure::new(code::NOT_ENROLLED)),
        Err(failure) => problem("enrolment", failure),
    }
}

fn agent(report: &Result<Report, Failure>) -> Check {
    match report {
        Ok(_) => good("agent", "doctor-agent-running"),
        // It runs and waits; that nobody enrolled it is said above.
        Err(failure) if failure.code() == code::NOT_ENROLLED => {
            good("agent", "doctor-agent-running")
        }
        Err(failure) => problem("agent", failure),
    }
}

fn clock(findings: &Findings) -> Check {
    let words = vec![("date", Word::Date(findings.wall_s))];
    if findings.clock_sure {
        check("clock", State::Good, "doctor-clock-sure", words)
    } else {
        check("clock", State::Notice, "doctor-clock-unsure", words)
    }
}

fn disk(disk: &Result<(u64, u64), Failure>) -> Check {
    match disk {
        Ok((free, min)) => {
            let words = vec![("free", Word::Size(*free)), ("min", Word::Size(*min))];
            if free < min {
                check("disk", State::Problem, "doctor-disk-low", words)
            } else {
                check("disk", State::Good, "doctor-disk-good", words)
            }
        }
        Err(failure) => problem("disk", failure),
    }
}

/// None for a key as it should be.
fn key(key: &Key) -> Option<Check> {
    let path = ("path", text(key.path.display()));
    match key.mode {
        None => Some(check(
            "keys",
            State::Problem,
            "doctor-key-missing",
            vec![path],
        )),
        Some(mode) if mode & 0o077 != 0 => {
            let mode = ("mode", Word::Text(format!("{:o}", mode & 0o7777)));
            Some(check(
                "keys",
                State::Problem,
                "doctor-key-open",
                vec![path, mode],
            ))
        }
        Some(_) => None,
    }
}

/// An expired certificate is renewed with the node key alone, so that it is never a problem.
fn certificate(findings: &Findings) -> Check {
    let until_s = match &findings.certificate {
        Ok(Some(until_s)) => *until_s,
        Ok(None) => {
            return check(
                "certificate",
                State::Problem,
                "doctor-certificate-missing",
                vec![],
            );
        }
        Err(failure) => return problem("certificate", failure),
    };
    let left_s = until_s.saturating_sub(findings.wall_s);
    match u64::try_from(left_s) {
        Ok(left_s) if left_s > 0 => {
            let words = vec![("left", Word::Age(left_s))];
            check("certificate", State::Good, "doctor-certificate-good", words)
        }
        Ok(_) | Err(_) => {
            let words = vec![("date", Word::Date(until_s))];
            check(
                "certificate",
                State::Notice,
                "doctor-certificate-expired",
                words,
            )
        }
    }
}

fn contact(report: &Report) -> Check {
    let waiting = ("waiting", text(report.receipts_waiting));
    let transient = |number: u16| {
        let known = code::ALL.iter().find(|code| code.number == number);
        known.is_none_or(|code| code.exit == Exit::Transient)
    };
    match (report.contact_code, report.contact_age_s) {
        (Some(number), _) if !transient(number) => {
            let words = vec![("code", Word::Text(format!("SNG-{number:04}")))];
            check("contact", State::Problem, "doctor-contact-failed", words)
        }
        (_, Some(age_s)) => {
            let words = vec![("age", Word::Age(age_s)), waiting];
            match (age_s > DARK_S, report.contact_code) {
                (true, _) => check("contact", State::Problem, "doctor-contact-dark", words),
                (false, Some(_)) => check("contact", State::Notice, "doctor-contact-lost", words),
                (false, None) => check("contact", State::Good, "doctor-contact-good", words),
            }
        }
        (_, None) => check(
            "contact",
            State::Notice,
            "doctor-contact-none",
            vec![waiting],
        ),
    }
}

fn metadata(report: &Report) -> Check {
    if report.stale {
        check(
            "metadata",
            State::Problem,
            "doctor-metadata-stale",
            Vec::new(),
        )
    } else {
        good("metadata", "doctor-metadata-good")
    }
}

fn hold(report: &Report) -> Check {
    if report.held {
        check("hold", State::Notice, "doctor-held", Vec::new())
    } else {
        good("hold", "doctor-not-held")
    }
}

/// What is to be said about one app: at least one line.
fn app(app: &AppReport) -> Vec<Check> {
    let name = || ("app", text(&app.app));
    let version = || {
        let version = app.version.as_ref().map_or("–", |version| version.as_str());
        ("version", text(version))
    };
    let mut out = Vec::new();
    let ended_badly = matches!(app.phase.as_str(), "refused" | "needs_hands");
    if let Some((number, words)) = app.failure.as_ref() {
        let failure = failure_of(*number, words);
        let told = problem("app", &failure);
        let state = if ended_badly {
            State::Problem
        } else {
            State::Notice
        };
        out.push(Check { state, ..told });
    } else if ended_badly {
        out.push(check(
            "app",
            State::Problem,
            "doctor-app-stuck",
            vec![name(), version()],
        ));
    }
    let switching = matches!(
        app.phase.as_str(),
        "activating" | "probation" | "rolling_back"
    );
    if app.version.is_some() && !app.running && !switching {
        out.push(check(
            "app",
            State::Problem,
            "doctor-app-stopped",
            vec![name(), version()],
        ));
    }
    if let Some(aside) = &app.set_aside {
        let words = vec![name(), ("version", text(aside))];
        out.push(check("app", State::Notice, "doctor-app-aside", words));
    }
    if out.is_empty() {
        let id = if app.version.is_some() {
            "doctor-app-good"
        } else {
            "doctor-app-absent"
        };
        out.push(check("app", State::Good, id, vec![name(), version()]));
    }
    out
}
