//! The command line of the agent: what can be typed, and who does it. One file per verb; a verb
//! asks the daemon over the local socket and says the answer, and decides nothing.

mod activate;
mod changed;
mod config;
mod context;
mod doctor;
mod enroll;
mod history;
mod install;
mod language;
mod order;
mod pull;
mod rollback;
mod run;
mod speech;
mod stage;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod usage;
mod verify;
mod watch;

use std::ffi::OsString;
use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use sanaga_proto::code::Exit;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::text::Language;

use crate::clock::SystemClock;
use crate::config::{Config, Environment, Paths};
use crate::enrol::Enrolled;
pub use context::{Context, Outcome, Output};
pub use run::{RunOptions, Side};
pub use speech::{AGENT_LOCALE, Speech};

/// The rooms that the command line hands work to without knowing them.
#[derive(Clone, Copy)]
pub struct Rooms {
    /// Runs the daemon until it is told to stop.
    pub run: fn(RunOptions) -> Result<(), Failure>,
    /// Enrols this machine with a token.
    pub enrol: fn(&Config, &Paths, &str) -> Result<Enrolled, Failure>,
}

impl Rooms {
    /// The rooms of this program, with that daemon.
    #[must_use]
    pub fn new(run: fn(RunOptions) -> Result<(), Failure>) -> Self {
        Self {
            run,
            enrol: enroll::over_network,
        }
    }
}

/// Pulls releases over bad links, stages them, swaps them in, watches them, and takes them back
/// without a network.
#[derive(Debug, Parser)]
#[command(
    name = "sanaga-agent",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// The agent's folder [SANAGA_HOME; as root: /etc/sanaga and /var/lib/sanaga]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The form of the data on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        hide_possible_values = true
    )]
    output: Output,
    /// The language of messages: en or fr [SANAGA_LANG, LC_ALL, LANG]
    #[arg(long, global = true, value_name = "LANG", value_parser = language::parse)]
    lang: Option<Language>,
    /// When to use colours: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    color: Color,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the agent until it is stopped
    Run(run::RunArgs),
    /// Run the privileged side alone: no network, for a worker of another user
    #[command(hide = true)]
    Helper(run::HelperArgs),
    /// Run the side alone that talks to the network
    #[command(hide = true)]
    Worker(run::RunArgs),
    /// Join a controller with a token from its operator
    Enroll(enroll::EnrollArgs),
    /// Show what runs here and how it is
    Status(status::StatusArgs),
    /// Ask the controller now instead of waiting for the next poll
    Pull(pull::PullArgs),
    /// Fetch what is assigned and keep it ready, without starting it
    Stage(stage::StageArgs),
    /// Start what is staged now
    Activate(activate::ActivateArgs),
    /// Install from a bundle file, such as one on a USB stick
    Install(install::InstallArgs),
    /// Go back to the previous release; needs no network
    Rollback(rollback::RollbackArgs),
    /// Show what happened on this node
    History(history::HistoryArgs),
    /// Read what is installed again and compare it with what was signed
    Verify(verify::VerifyArgs),
    /// Look for anything that needs attention, and say what to do
    Doctor,
    /// Check or show the configuration
    Config(config::ConfigArgs),
}

/// Everything that can be typed, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The whole program: reads the command line, does what it says, and gives the exit code.
#[must_use]
pub fn main(rooms: &Rooms) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let variables = Environment::of_process(None).variables;
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let language = language::before_parsing(&arguments, &variables);
            return usage::answer(&error, &Speech::new(language, TimeZone::UTC));
        }
    };
    let environment = Environment::of_process(cli.home.clone());
    let paths = match Paths::resolve(&environment) {
        Ok(paths) => paths,
        Err(error) => {
            let language = language::choose(cli.lang, &variables, || None);
            eprintln!("{}", Speech::new(language, TimeZone::UTC).failure(&error));
            return ExitCode::from(error.code().exit as u8);
        }
    };
    let language = language::choose(cli.lang, &variables, || {
        // A configuration that cannot be read is another verb's trouble.
        Config::load(&paths, &variables, &[], false).ok()?.language
    });
    let mut context = Context {
        output: cli.output,
        speech: Speech::new(language, TimeZone::system()),
        colour: colour(cli.color, &variables),
        asks: stdin().is_terminal() && stderr().is_terminal(),
        live: stderr().is_terminal() && variables.get("TERM").is_none_or(|term| term != "dumb"),
        clock: Box::new(SystemClock::new(crate::clock::ClockTrust::Kernel)),
        out: Box::new(stdout()),
        err: Box::new(stderr()),
        closed: false,
        environment,
        paths,
    };
    ExitCode::from(perform(cli.verb, rooms, &mut context))
}

/// Does what the verb says; a failure is told and becomes its exit code.
fn perform(verb: Verb, rooms: &Rooms, context: &mut Context) -> u8 {
    let ended = match verb {
        Verb::Run(args) => run::run(&args, rooms, context),
        Verb::Helper(args) => run::helper(&args, rooms, context),
        Verb::Worker(args) => run::worker(&args, rooms, context),
        Verb::Enroll(args) => enroll::run(&args, rooms, context),
        Verb::Status(args) => status::run(&args, context),
        Verb::Pull(args) => pull::run(&args, context),
        Verb::Stage(args) => stage::run(&args, context),
        Verb::Activate(args) => activate::run(&args, context),
        Verb::Install(args) => install::run(&args, context),
        Verb::Rollback(args) => rollback::run(&args, context),
        Verb::History(args) => history::run(&args, context),
        Verb::Verify(args) => verify::run(&args, context),
        Verb::Doctor => doctor::run(context),
        Verb::Config(args) => config::run(&args, context),
    };
    match ended {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Ended(exit)) => exit as u8,
        Err(failure) => {
            let line = context.speech.failure(&failure);
            context.note(&line);
            failure.code().exit as u8
        }
    }
}

fn colour(wish: Color, variables: &std::collections::BTreeMap<String, String>) -> bool {
    let set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let dumb = variables.get("TERM").is_some_and(|term| term == "dumb");
    match wish {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => stdout().is_terminal() && !set("NO_COLOR") && !dumb,
    }
}

/// A failure of the command line's own input or output that has no code of its own.
fn internal(problem: impl std::fmt::Display) -> Failure {
    Failure::new(sanaga_proto::code::INTERNAL).arg("problem", problem)
}

/// The exit code when something was found, and said, that needs somebody.
const FOUND: Outcome = Outcome::Ended(Exit::Failure);
