//! `run`, `helper` and `worker`: the daemon, whole or as one of its two sides. Everything that it does
//! is elsewhere; here its flags become configuration.

use clap::Args;
use sanaga_proto::failure::Failure;

use super::{Context, Outcome, Rooms};
use crate::config::{Config, Override, Paths};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// How much to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// The form of the log: text or json
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
}

#[derive(Debug, Args)]
pub struct HelperArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The user that the worker runs as
    #[arg(long, value_name = "USER", default_value = crate::worker::USER)]
    worker_user: String,
}

/// Which side of the agent a process plays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Both, in one process.
    Both,
    /// The privileged one, for a worker of this user.
    Helper {
        /// The user's name.
        worker_user: String,
    },
    /// The one that talks to the network.
    Worker,
}

/// What the daemon needs to know.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Which side it plays.
    pub side: Side,
    /// Where the agent's files lie.
    pub paths: Paths,
    /// The configuration in force.
    pub config: Config,
}

impl RunArgs {
    fn overrides(&self) -> Vec<Override> {
        let flags = [
            ("log.level", "--log-level", &self.log_level),
            ("log.format", "--log-format", &self.log_format),
        ];
        let given = flags.into_iter().filter_map(|(key, flag, value)| {
            Some(Override {
                key,
                flag: flag.to_owned(),
                value: value.clone()?,
            })
        });
        given.collect()
    }
}

pub fn run(args: &RunArgs, rooms: &Rooms, context: &mut Context) -> Result<Outcome, Failure> {
    play(Side::Both, args, rooms, context)
}

pub fn helper(args: &HelperArgs, rooms: &Rooms, context: &mut Context) -> Result<Outcome, Failure> {
    let worker_user = args.worker_user.clone();
    play(Side::Helper { worker_user }, &args.run, rooms, context)
}

pub fn worker(args: &RunArgs, rooms: &Rooms, context: &mut Context) -> Result<Outcome, Failure> {
    play(Side::Worker, args, rooms, context)
}

fn play(
    side: Side,
    args: &RunArgs,
    rooms: &Rooms,
    context: &mut Context,
) -> Result<Outcome, Failure> {
    let config = context.config(&args.overrides()).map_err(Failure::of)?;
    let paths = context.paths.clone();
    (rooms.run)(RunOptions {
        side,
        paths,
        config,
    })?;
    Ok(Outcome::Done)
}
