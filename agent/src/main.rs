//! The agent's program: joins the command line to the rooms that do the work.

use std::path::Path;
use std::process::ExitCode;

use sanaga_agent::cli::{self, Joined, Rooms, RunOptions};
use sanaga_agent::config::{Config, Paths};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;

fn main() -> ExitCode {
    cli::main(&Rooms {
        run,
        identity,
        enrol,
    })
}

fn run(_: RunOptions) -> Result<(), Failure> {
    Err(Failure::new(code::INTERNAL).arg("problem", "no daemon in this build"))
}

fn identity(_: &Path) -> Result<Option<Joined>, Failure> {
    Ok(None)
}

fn enrol(_: &Config, _: &Paths, _: &str) -> Result<Joined, Failure> {
    Err(Failure::new(code::INTERNAL).arg("problem", "no enrolment in this build"))
}
