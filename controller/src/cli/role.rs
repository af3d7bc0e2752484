//! `sanaga role set`: who may sign what.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sanaga_proto::failure::Failure;

use super::key::public_key;
use super::session::Session;
use super::ui::Ui;
use crate::ops::{RenewRole, RoleChange, SetRole};

/// Who may sign what
#[derive(Debug, Args)]
pub struct RoleArgs {
    #[command(subcommand)]
    verb: RoleVerb,
}

#[derive(Debug, Subcommand)]
enum RoleVerb {
    /// Say whose keys sign for a role; the change waits for signatures
    Set(SetArgs),
    /// Sign a role again as it is, before its metadata runs out
    Renew {
        /// root, targets, or an environment
        role: String,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// root, targets, or an environment
    role: String,
    /// How many of the keys must sign
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64))]
    threshold: u64,
    /// Each key: its name here, or the file that `key export` made
    #[arg(long = "key", value_name = "KEY", required = true, num_args = 1..)]
    keys: Vec<PathBuf>,
}

/// Changes a role.
pub async fn run(ui: &mut Ui, session: &Session, args: RoleArgs) -> Result<(), Failure> {
    let args = match args.verb {
        RoleVerb::Set(args) => args,
        RoleVerb::Renew { role } => {
            let change = session.call(RenewRole { role }).await?;
            return say_change(ui, session, &change);
        }
    };
    let mut keys = Vec::new();
    for key in &args.keys {
        keys.push(public_key(session, key)?.public.to_tuf());
    }
    let change = session
        .call(SetRole {
            role: args.role,
            threshold: args.threshold,
            keys,
        })
        .await?;
    say_change(ui, session, &change)
}

/// Says what waits because of a change.
pub fn say_change(ui: &Ui, session: &Session, change: &RoleChange) -> Result<(), Failure> {
    ui.json(change, Some("pending"))?;
    if change.pending.is_empty() {
        ui.data(&ui.say("role-unchanged", &[]));
    }
    for waits in &change.pending {
        say_voided(ui, waits.voided, &waits.pending.role);
        ui.data(&super::sign::describe(ui, session, &waits.pending));
        ui.next(&format!("sanaga sign {}", waits.pending.role));
    }
    Ok(())
}

/// Says that signatures are void because what they signed has changed.
pub fn say_voided(ui: &Ui, voided: u64, role: &str) {
    if voided > 0 {
        let count = voided.to_string();
        ui.tell("signatures-void", &[("count", &count), ("role", role)]);
    }
}
