//! `sanaga enroll token`: let a machine join.

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, NodeName, SiteName};

use super::format;
use super::session::Session;
use super::ui::Ui;
use crate::ops::MakeToken;

/// Let a machine join
#[derive(Debug, Args)]
pub struct EnrollArgs {
    #[command(subcommand)]
    verb: EnrollVerb,
}

#[derive(Debug, Subcommand)]
enum EnrollVerb {
    /// Print a token that makes one machine a node, once
    Token(TokenArgs),
}

#[derive(Debug, Args)]
struct TokenArgs {
    /// The site; a new one is added
    #[arg(long)]
    site: SiteName,
    /// The node's name, unique in the repository
    #[arg(long)]
    node: NodeName,
    /// The node's environment; only somebody at the site can change it later
    #[arg(long)]
    env: EnvironmentName,
    /// For how many hours the token is good
    #[arg(long, default_value_t = 24, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=8760))]
    valid_h: u64,
    /// The node exists and gets a new key, because its machine was replaced
    #[arg(long)]
    replace: bool,
}

/// Makes the token.
pub async fn run(ui: &mut Ui, session: &Session, args: EnrollArgs) -> Result<(), Failure> {
    let EnrollVerb::Token(args) = args.verb;
    let made = session
        .call(MakeToken {
            node: args.node,
            site: args.site,
            environment: args.env,
            valid_h: args.valid_h,
            replace: args.replace,
        })
        .await?;
    ui.json(&made, None)?;
    ui.data(&made.token);
    ui.tell(
        "token-valid",
        &[("until", &format::moment(made.expires_at_s))],
    );
    Ok(())
}
