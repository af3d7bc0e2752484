//! The command line of `sanaga`: one file per verb. A verb reads its arguments, calls operations and
//! says what happened; what may happen is decided in `ops`.

mod assign;
mod bundle;
mod doctor;
mod enroll;
mod format;
mod hold;
mod init;
mod key;
mod node;
mod passphrase;
mod patches;
mod progress;
mod publish;
mod release;
mod role;
mod serve;
mod session;
mod setting;
mod sign;
mod signing;
mod site;
mod socket;
mod ui;
mod usage;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use sanaga_proto::code;
use sanaga_proto::failure::{Coded as _, Failure};

use crate::home::{Home, Surroundings};
use session::Session;
use ui::{Color, Output, Ui};

/// Sanaga: software for places that the network has half forgotten
#[derive(Debug, Parser)]
#[command(
    name = "sanaga",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
struct Globals {
    /// The controller's folder [default: /var/lib/sanaga-controller as root, else ~/.local/state/sanaga/controller]
    #[arg(long, global = true, value_name = "DIR", env = "SANAGA_HOME")]
    home: Option<PathBuf>,
    /// Language of messages: en or fr [default: SANAGA_LANG, LC_ALL or LANG]
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<String>,
    /// How data is printed on stdout
    #[arg(long, global = true, value_enum, default_value = "table")]
    output: Output,
    /// When colours are used
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Found a repository: keys, roles, folder
    Init(init::InitArgs),
    /// Keys of people: new, ls, rotate, export
    Key(key::KeyArgs),
    /// Who may sign what
    Role(role::RoleArgs),
    /// Sign a pending version of a role with one key
    Sign(sign::SignArgs),
    /// What waits for whose signature
    Pending,
    /// Pack a project and bring it into an environment; changes nothing on any node
    Publish(publish::PublishArgs),
    /// Bring a published release into another environment
    Promote(publish::PromoteArgs),
    /// Releases: ls, show
    Release(release::ReleaseArgs),
    /// The bytes that a release costs from each version
    Plan(release::PlanArgs),
    /// Say which nodes run a release; the only way that one reaches a node
    Assign(assign::AssignArgs),
    /// Give a setting a value for some nodes
    Set(setting::SetArgs),
    /// Take a setting's value away again
    Unset(setting::UnsetArgs),
    /// Stop updates of a node, or of all
    Hold(hold::HoldArgs),
    /// Let updates go on
    Unhold(hold::HoldArgs),
    /// Bundles for places without a network: export
    Bundle(bundle::BundleArgs),
    /// Sites: ls
    Site(site::SiteArgs),
    /// Nodes: ls, show, revoke
    Node(node::NodeArgs),
    /// Serve nodes and operators
    Serve(serve::ServeArgs),
    /// Let a machine join: token
    Enroll(enroll::EnrollArgs),
    /// What is not yet as it should be
    Doctor,
}

/// Everything that can be typed, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line and gives the exit code of the process.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, language(&args)),
    };
    let globals = &cli.globals;
    let mut ui = Ui::new(globals.lang.as_deref(), globals.output, globals.color);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(&mut ui, cli)),
        Err(error) => Err(Failure::new(code::INTERNAL).arg("problem", error)),
    };
    match result {
        Ok(()) => 0,
        Err(failure) => {
            ui.failure(&failure);
            failure.code().exit as u8
        }
    }
}

async fn dispatch(ui: &mut Ui, cli: Cli) -> Result<(), Failure> {
    let home = Home::find(&Surroundings::of_process(cli.globals.home.clone()))?;
    let open = || Session::open(&home);
    match cli.verb {
        Verb::Init(args) => init::run(ui, &home, args).await,
        Verb::Serve(args) => serve::run(ui, &home, args).await,
        Verb::Key(args) => key::run(ui, &open().await?, args).await,
        Verb::Role(args) => role::run(ui, &open().await?, args).await,
        Verb::Sign(args) => sign::run(ui, &open().await?, args).await,
        Verb::Pending => sign::pending(ui, &open().await?).await,
        Verb::Publish(args) => publish::run(ui, &open().await?, args).await,
        Verb::Promote(args) => publish::promote(ui, &open().await?, args).await,
        Verb::Release(args) => release::run(ui, &open().await?, args).await,
        Verb::Plan(args) => release::plan(ui, &open().await?, args).await,
        Verb::Assign(args) => assign::run(ui, &open().await?, args).await,
        Verb::Set(args) => setting::set(ui, &open().await?, args).await,
        Verb::Unset(args) => setting::unset(ui, &open().await?, args).await,
        Verb::Hold(args) => hold::run(ui, &open().await?, args, true).await,
        Verb::Unhold(args) => hold::run(ui, &open().await?, args, false).await,
        Verb::Bundle(args) => bundle::run(ui, &open().await?, args).await,
        Verb::Site(args) => site::run(ui, &open().await?, args).await,
        Verb::Node(args) => node::run(ui, &open().await?, args).await,
        Verb::Enroll(args) => enroll::run(ui, &open().await?, args).await,
        Verb::Doctor => doctor::run(ui, &open().await?).await,
    }
}

/// `--lang`, for a command line that does not parse.
fn language(args: &[OsString]) -> Option<&str> {
    let mut args = args.iter().filter_map(|arg| arg.to_str());
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--lang") {
            Some("") => return args.next(),
            Some(rest) => return rest.strip_prefix('='),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_is_exit_code_2() {
        let run = |args: &[&str]| run(args.iter().map(OsString::from));
        assert_eq!(run(&["sanaga", "asign"]), 2);
        assert_eq!(run(&["sanaga", "assign", "shop", "--to", "site=x"]), 2);
        assert_eq!(run(&["sanaga", "--version"]), 0);
    }
}
