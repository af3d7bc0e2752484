//! The agent's program: joins the command line to the daemon.

use std::process::ExitCode;

use sanaga_agent::cli::{self, Rooms};
use sanaga_agent::daemon;

fn main() -> ExitCode {
    cli::main(&Rooms::new(daemon::run))
}
