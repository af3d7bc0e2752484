//! `enroll`: joins a controller with a token.

use std::io::{BufRead as _, stdin};
use std::thread;
use std::time::Duration;

use clap::Args;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, NodeName, RepositoryId, SiteName};
use serde::Serialize;

use super::speech::fingerprint;
use super::table::padded;
use super::{Context, Outcome, Rooms, internal};
use crate::config::{Config, Paths};
use crate::control::client::ask;
use crate::control::{Order, Reply, Report};
use crate::disk;
use crate::enrol::{Enrolled, enrol};
use crate::fetch::client::Patience;
use crate::identity::Identity;
use crate::worker::{self, owner};

/// A daemon that waits for this sees it within so many looks.
const LOOKS: u32 = 50;
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The token: one string that begins with sanaga1: (- reads it from stdin)
    token: String,
}

/// What an enrolment led to, for programs.
#[derive(Serialize)]
struct Joined<'a> {
    url: &'a str,
    repository: &'a RepositoryId,
    node: &'a NodeName,
    site: &'a SiteName,
    environment: &'a EnvironmentName,
    bytes: u64,
}

pub fn run(args: &EnrollArgs, rooms: &Rooms, context: &mut Context) -> Result<Outcome, Failure> {
    let config = context.config(&[]).map_err(Failure::of)?;
    let enrolled = (rooms.enrol)(&config, &context.paths, &token(args)?)?;
    let identity = &enrolled.identity;
    if !context.for_people() {
        context.print_json(&Joined {
            url: &identity.url,
            repository: &identity.repository,
            node: &identity.node,
            site: &identity.site,
            environment: &identity.environment,
            bytes: enrolled.bytes,
        })?;
        return Ok(Outcome::Done);
    }
    for line in lines(identity, enrolled.bytes, context) {
        context.print(&line)?;
    }
    match daemon(context) {
        Some(report) if report.apps.is_empty() => {
            let line = context.speech.say("enroll-running", &[]);
            context.print(&line)?;
        }
        Some(_) => context.next("sanaga-agent status"),
        None => context.next("sanaga-agent run"),
    }
    Ok(Outcome::Done)
}

/// Enrols over the network, into the folders of this node, which are made if they are not there.
///
/// # Errors
/// See [`enrol`].
pub fn over_network(config: &Config, paths: &Paths, token: &str) -> Result<Enrolled, Failure> {
    let folder = paths.config.parent().unwrap_or(&paths.state);
    for folder in [folder, &paths.state, &paths.worker] {
        let made = sanaga_durable::make_dir(folder);
        made.map_err(|error| disk::durable_failure(folder, error))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let patience = Patience {
        connect_s: config.fetch.connect.as_secs(),
        stall_s: config.fetch.stall.as_secs(),
    };
    let files = paths.identity_files();
    let enrolled = runtime.map_err(internal)?.block_on(enrol(
        &files,
        token,
        patience,
        config.fetch.post_quantum,
    ))?;
    if paths.system {
        owner::hand_over(&files, &paths.packs, worker::USER)?;
    }
    Ok(enrolled)
}

/// A token on the command line can be seen by everybody on this machine, one on stdin cannot.
fn token(args: &EnrollArgs) -> Result<String, Failure> {
    if args.token != "-" {
        return Ok(args.token.clone());
    }
    let mut line = String::new();
    stdin().lock().read_line(&mut line).map_err(internal)?;
    Ok(line)
}

fn lines(identity: &Identity, bytes: u64, context: &Context) -> Vec<String> {
    let speech = &context.speech;
    let heads = ["enroll-controller", "enroll-root", "enroll-enrolled"];
    let heads = heads.map(|id| speech.say(id, &[]));
    let width = heads.iter().map(|head| head.chars().count()).max();
    let width = width.unwrap_or_default() + 2;
    let host = identity
        .url
        .split_once("://")
        .map_or(identity.url.as_str(), |(_, host)| host);
    let root = fingerprint(&identity.repository.to_string());
    let texts = [
        speech.say("enroll-matches", &[("what", host)]),
        speech.say("enroll-matches", &[("what", &root)]),
        speech.say(
            "enroll-who",
            &[
                ("node", identity.node.as_str()),
                ("site", identity.site.as_str()),
                ("environment", identity.environment.as_str()),
                ("size", &speech.size(bytes)),
            ],
        ),
    ];
    let pairs = heads.iter().zip(texts);
    pairs
        .map(|(head, text)| padded(head, width) + &text)
        .collect()
}

/// Tells the daemon that this machine is enrolled, and gives what it says once it has seen that; none
/// when none runs. A fault of its own is for `run` and `status` to tell: this machine is enrolled.
fn daemon(context: &Context) -> Option<Report> {
    for _ in 0..LOOKS {
        match ask(&context.paths.socket, &Order::Enrolled) {
            Ok(Reply::Report(report)) => return Some(report),
            Ok(Reply::NotEnrolled) => thread::sleep(LOOK),
            Ok(
                Reply::Done(_) | Reply::History(_) | Reply::Verified { .. } | Reply::Refused { .. },
            )
            | Err(_) => break,
        }
    }
    None
}
