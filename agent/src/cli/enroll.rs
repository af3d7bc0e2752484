//! `enroll`: joins a controller with a token.

use std::thread;
use std::time::Duration;

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{EnvironmentName, NodeName, RepositoryId, SiteName};
use serde::Serialize;

use super::speech::fingerprint;
use super::table::padded;
use super::{Context, Outcome, Rooms};
use crate::control::client::{ask, is_absent};
use crate::control::{Order, Reply, Report};

/// A daemon that waits for this sees it within so many steps.
const LOOKS: u32 = 50;
/// The time between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The token: one string that begins with sanaga1:
    token: String,
}

/// What an enrolment led to.
#[derive(Debug, Clone, Serialize)]
pub struct Joined {
    /// Where the controller is.
    pub url: String,
    /// Which repository.
    pub repository: RepositoryId,
    /// The node's name.
    pub node: NodeName,
    /// Its site.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// Bytes of the bodies, both ways.
    pub bytes: u64,
}

pub fn run(args: &EnrollArgs, rooms: &Rooms, context: &mut Context) -> Result<Outcome, Failure> {
    let config = context.config(&[]).map_err(Failure::of)?;
    let joined = (rooms.enrol)(&config, &context.paths, &args.token)?;
    if !context.for_people() {
        context.print_json(&joined)?;
        return Ok(Outcome::Done);
    }
    for line in lines(&joined, context) {
        context.print(&line)?;
    }
    match daemon(context)? {
        Some(report) if report.apps.is_empty() => {
            let line = context.speech.say("enroll-running", &[]);
            context.print(&line)?;
        }
        Some(_) => context.next("sanaga-agent status"),
        None => context.next("sanaga-agent run"),
    }
    Ok(Outcome::Done)
}

fn lines(joined: &Joined, context: &Context) -> Vec<String> {
    let speech = &context.speech;
    let heads = ["enroll-controller", "enroll-root", "enroll-enrolled"];
    let heads = heads.map(|id| speech.say(id, &[]));
    let width = heads.iter().map(|head| head.chars().count()).max();
    let width = width.unwrap_or_default() + 2;
    let host = joined
        .url
        .split_once("://")
        .map_or(joined.url.as_str(), |(_, host)| host);
    let root = fingerprint(&joined.repository.to_string());
    let texts = [
        speech.say("enroll-matches", &[("what", host)]),
        speech.say("enroll-matches", &[("what", &root)]),
        speech.say(
            "enroll-who",
            &[
                ("node", joined.node.as_str()),
                ("site", joined.site.as_str()),
                ("environment", joined.environment.as_str()),
                ("size", &speech.size(joined.bytes)),
            ],
        ),
    ];
    let pairs = heads.iter().zip(texts);
    pairs
        .map(|(head, text)| padded(head, width) + &text)
        .collect()
}

/// What the daemon says, once it has seen that this machine is enrolled; none when none runs.
fn daemon(context: &Context) -> Result<Option<Report>, Failure> {
    for _ in 0..LOOKS {
        match ask(&context.paths.socket, &Order::Status) {
            Ok(Reply::Report(report)) => return Ok(Some(report)),
            Ok(
                Reply::Done(_) | Reply::History(_) | Reply::Verified { .. } | Reply::Refused { .. },
            ) => break,
            Err(failure) if is_absent(&failure) => break,
            Err(failure) if failure.code() == code::NOT_ENROLLED => thread::sleep(LOOK),
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}
