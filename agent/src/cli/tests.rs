//! The command line as a whole, against a daemon that answers from a script.

mod joining;
mod locales;
mod pages;
mod parsing;
mod verbs;
mod watching;

use std::io::{self, BufRead as _, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser as _;
use jiff::tz::TimeZone;
use sanaga_proto::text::Language;

use super::*;
use crate::clock::{ManualClock, Reading};
use crate::control::{AppReport, Order, Reply, Report};
use crate::identity::{Identity, IdentityFiles};

/// 2026-11-21 09:52:10 UTC.
const NOW_S: i64 = 1_795_254_730;

/// Both streams of a command.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    exit: u8,
    out: String,
    err: String,
}

/// A folder in which commands run, with or without a daemon.
struct World {
    folder: tempfile::TempDir,
    rooms: Rooms,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            rooms: Rooms {
                run: |_| Ok(()),
                enrol: |_, _, _| Ok(enrolled()),
            },
        }
    }

    fn paths(&self) -> Paths {
        Paths::under(self.folder.path())
    }

    /// A daemon that answers each order by `script`; no answer ends the conversation.
    fn daemon(&self, script: impl Fn(&Order) -> Vec<Reply> + Send + 'static) {
        let socket = self.paths().socket;
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                let read = BufReader::new(&stream).read_line(&mut line);
                if read.is_err() || line.is_empty() {
                    continue;
                }
                for reply in script(&serde_json::from_str(&line).unwrap()) {
                    let mut reply = serde_json::to_vec(&reply).unwrap();
                    reply.push(b'\n');
                    // The command may have gone, as people do.
                    let _ = stream.write_all(&reply);
                }
            }
        });
    }

    /// Runs `sanaga-agent LINE` with these variables.
    fn run_with(&self, line: &str, language: Language) -> Ran {
        let words = ["sanaga-agent"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).unwrap();
        let (out, err) = (Stream::default(), Stream::default());
        let mut context = Context {
            environment: Environment {
                home_flag: cli.home.clone(),
                ..Environment::default()
            },
            paths: self.paths(),
            output: cli.output,
            speech: Speech::new(cli.lang.unwrap_or(language), TimeZone::UTC),
            colour: false,
            asks: false,
            live: false,
            clock: Box::new(clock()),
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            closed: false,
        };
        let exit = perform(cli.verb, &self.rooms, &mut context);
        Ran {
            exit,
            out: out.text(),
            err: err.text(),
        }
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, Language::English)
    }
}

fn clock() -> ManualClock {
    ManualClock::new(Reading {
        wall_s: NOW_S,
        sure: true,
        uptime_s: 1_000,
        boot: [1; 16],
    })
}

fn enrolled() -> Enrolled {
    let identity = Identity {
        version: 1,
        url: "https://deploy.pharmaplus.cm:8443".to_owned(),
        repository: format!("9f2c41d7{}e803", "0".repeat(52)).parse().unwrap(),
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        environment: "dev".parse().unwrap(),
    };
    Enrolled {
        identity,
        bytes: 6_148,
    }
}

fn report(apps: Vec<AppReport>) -> Report {
    Report {
        schema_version: 1,
        node: "akwa-1".parse().unwrap(),
        site: "douala-akwa".parse().unwrap(),
        environment: "dev".parse().unwrap(),
        contact_age_s: Some(12),
        contact_code: None,
        clock_sure: true,
        stale: false,
        held: false,
        receipts_waiting: 0,
        apps,
    }
}

fn shop() -> AppReport {
    AppReport {
        app: "shop".parse().unwrap(),
        version: Some("1.4.1".parse().unwrap()),
        root: None,
        previous: None,
        set_aside: None,
        target: None,
        phase: "committed".to_owned(),
        running: true,
        since_s: Some(60),
        fetched: None,
        soak_left_s: None,
        probes: (1, 1),
        outage_ms: None,
        failure: None,
        data: Vec::new(),
    }
}

/// Text without the margin that it has in these sources.
fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
