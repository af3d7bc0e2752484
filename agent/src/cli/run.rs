//! `run`: the daemon. Everything that it does is elsewhere; here its flags become configuration.

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

/// What the daemon needs to know.
#[derive(Debug, Clone)]
pub struct RunOptions {
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
    let config = context.config(&args.overrides()).map_err(Failure::of)?;
    let paths = context.paths.clone();
    (rooms.run)(RunOptions { paths, config })?;
    Ok(Outcome::Done)
}
