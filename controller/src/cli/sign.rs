//! `sanaga sign` and `sanaga pending`: signatures, one key at a time.

use std::path::PathBuf;

use clap::Args;
use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};
use sanaga_proto::ids::EnvironmentName;

use super::hold::bad_name;
use super::passphrase::PassphraseArgs;
use super::patches;
use super::session::Session;
use super::signing::{key_name, known_keys, open_key, own_keys, say_signed, sign_pending};
use super::ui::Ui;
use crate::ops::{Pending, PendingView, Roles};

/// Sign a pending version of a role with one key
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The role [default: the first that waits for a key of this machine]
    role: Option<String>,
    /// The key file, or the name of a key of this machine
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Signs.
pub async fn run(ui: &mut Ui, session: &Session, args: SignArgs) -> Result<(), Failure> {
    let list = session.call(Pending {}).await?;
    let nothing = |role: &str| Failure::new(code::NOTHING_PENDING).arg("role", role);
    let waiting = match &args.role {
        Some(role) => match list.pending.iter().find(|waiting| waiting.role == *role) {
            Some(waiting) => waiting,
            None => {
                role_exists(session, role).await?;
                return Err(nothing(role));
            }
        },
        None => first_of_ours(session, &list.pending)?.ok_or_else(|| nothing("–"))?,
    };
    ui.note(&describe(ui, session, waiting));
    let key = open_key(
        ui,
        session,
        args.key.as_ref(),
        &args.passphrase,
        &waiting.role,
        &waiting.signed.waiting_for,
    )?;
    let done = sign_pending(session, &key, waiting).await?;
    ui.json(&done, None)?;
    say_signed(ui, session, &done);
    let Some(first) = done.placed.first() else {
        return Ok(());
    };
    let environment: EnvironmentName = done.role.parse().map_err(bad_name)?;
    patches::make_all(ui, session, &done.placed, &environment).await?;
    let release = format!("{}@{}", first.app, first.version);
    ui.next(&format!(
        "sanaga assign {release} --to env={environment} --dry-run"
    ));
    Ok(())
}

/// A role that there is not is told apart from one that waits for nothing.
async fn role_exists(session: &Session, role: &str) -> Result<(), Failure> {
    let roles = session.call(Roles {}).await?.roles;
    if roles.iter().any(|known| known.role == role) {
        return Ok(());
    }
    let near = nearest(role, roles.iter().map(|known| known.role.as_str()));
    Err(Failure::new(code::NO_SUCH_ROLE)
        .arg("role", role)
        .arg("near", near))
}

fn first_of_ours<'p>(
    session: &Session,
    pending: &'p [PendingView],
) -> Result<Option<&'p PendingView>, Failure> {
    let own = own_keys(session)?;
    let ours = |waiting: &&PendingView| {
        own.iter()
            .any(|key| waiting.signed.waiting_for.contains(&key.public.id()))
    };
    Ok(pending.iter().find(ours).or_else(|| pending.first()))
}

/// Lists what waits.
pub async fn pending(ui: &mut Ui, session: &Session) -> Result<(), Failure> {
    let list = session.call(Pending {}).await?;
    ui.json(&list, Some("pending"))?;
    if list.pending.is_empty() {
        ui.data(&ui.say("pending-nothing", &[]));
    }
    for waiting in &list.pending {
        ui.data(&describe(ui, session, waiting));
    }
    if let Some(first) = list.pending.first() {
        ui.next(&format!("sanaga sign {}", first.role));
    }
    Ok(())
}

/// A pending version in a few lines: what it will do, and for whom it waits.
pub fn describe(ui: &Ui, session: &Session, waiting: &PendingView) -> String {
    let known = known_keys(session).unwrap_or_default();
    let names = |ids: &std::collections::BTreeSet<_>| {
        let names: Vec<String> = ids.iter().map(|id| key_name(&known, id)).collect();
        if names.is_empty() {
            "–".to_owned()
        } else {
            names.join(", ")
        }
    };
    let have = waiting
        .signed
        .need
        .saturating_sub(waiting.signed.missing)
        .to_string();
    let need = waiting.signed.need.to_string();
    let version = waiting.version.to_string();
    let mut lines = vec![ui.say(
        "pending-role",
        &[
            ("role", &waiting.role),
            ("version", &version),
            ("have", &have),
            ("need", &need),
            ("by", &names(&waiting.signed.by)),
            ("names", &names(&waiting.signed.waiting_for)),
        ],
    )];
    lines.extend(waiting.summary.iter().map(|line| format!("  {line}")));
    lines.join("\n")
}
