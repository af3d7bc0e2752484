//! `sanaga key`: keys of people. Their private halves stay on this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::KeyName;
use sanaga_proto::trust::KeyKind;

use super::format;
use super::passphrase::PassphraseArgs;
use super::role::say_change;
use super::session::Session;
use super::signing::{key_name, known_keys};
use super::ui::Ui;
use crate::keys::file::{KeyFolder, KeyInfo, export};
use crate::ops::{Roles, RotateKey, RotateOnline};

/// Keys of people
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// Make a key; it signs nothing until a role names it
    New(NewArgs),
    /// All roles, and whose keys may sign for them
    Ls,
    /// Put a new key in the place of an old one in every role
    Rotate(RotateArgs),
    /// Print the public half of a key, to hand it to whoever sets up roles
    Export {
        /// The key
        name: String,
    },
}

#[derive(Debug, Args)]
struct NewArgs {
    /// Its name
    name: KeyName,
    /// Make a P-256 key in the place of Ed25519
    #[arg(long)]
    p256: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// The key that goes; or snapshot, timestamp or director, whose new key the server makes
    old: String,
    /// The key that comes: its name here, or the file that `key export` made; not for the server's
    #[arg(long = "with", value_name = "KEY")]
    new: Option<PathBuf>,
}

/// Does what was asked.
pub async fn run(ui: &mut Ui, session: &Session, args: KeyArgs) -> Result<(), Failure> {
    let folder = KeyFolder::new(&session.home.keys());
    match args.verb {
        KeyVerb::New(args) => {
            let prompt = ui.say("passphrase-new", &[]);
            let passphrase = args.passphrase.new_key(ui, &prompt)?;
            let kind = if args.p256 {
                KeyKind::P256
            } else {
                KeyKind::Ed25519
            };
            let made = folder
                .create(&args.name, kind, &passphrase)
                .map_err(Failure::of)?;
            let answer = serde_json::json!({"name": made.name.as_str(), "id": made.public.id()});
            ui.json(&answer, None)?;
            let id = format::digest_start(&made.public.id());
            ui.data(&ui.say("key-made", &[("name", made.name.as_str()), ("id", &id)]));
            ui.next(&format!(
                "sanaga role set ROLE --threshold N --key {}",
                made.name
            ));
            Ok(())
        }
        KeyVerb::Ls => list(ui, session).await,
        KeyVerb::Rotate(args) => {
            let Some(new) = args.new else {
                let change = session.call(RotateOnline { role: args.old }).await?;
                return say_change(ui, session, &change);
            };
            let old = folder.find(&args.old).map_err(Failure::of)?;
            let new = public_key(session, &new)?;
            let change = session
                .call(RotateKey {
                    old: old.public.id(),
                    new: new.public.to_tuf(),
                })
                .await?;
            say_change(ui, session, &change)
        }
        KeyVerb::Export { name } => {
            let key = folder.find(&name).map_err(Failure::of)?;
            ui.data(export(&key).trim_end());
            let answer = serde_json::json!({
                "name": key.name.as_str(), "id": key.public.id(), "key": key.public.to_tuf(),
            });
            ui.json(&answer, None)
        }
    }
}

/// A public key by its name here, or from the file that `key export` made, which is kept.
pub fn public_key(session: &Session, named: &std::path::Path) -> Result<KeyInfo, Failure> {
    let folder = KeyFolder::new(&session.home.keys());
    if !named.is_file() {
        return folder
            .find(&named.display().to_string())
            .map_err(Failure::of);
    }
    let key = crate::keys::file::read_public(named).map_err(Failure::of)?;
    if folder.find(key.name.as_str()).is_err() {
        let path = session.home.keys().join(format!("{}.pub", key.name));
        sanaga_durable::write_file(&path, export(&key).as_bytes(), 0o644).map_err(|error| {
            Failure::new(code::NOT_WRITABLE)
                .arg("path", path.display())
                .arg("problem", error)
        })?;
    }
    Ok(key)
}

async fn list(ui: &Ui, session: &Session) -> Result<(), Failure> {
    let view = session.call(Roles {}).await?;
    ui.json(&view, Some("roles"))?;
    let known = known_keys(session)?;
    let rows: Vec<Vec<String>> = view
        .roles
        .iter()
        .map(|role| {
            let names: Vec<String> = role.keys.iter().map(|id| key_name(&known, id)).collect();
            let names = if role.online {
                ui.say("key-online", &[])
            } else {
                names.join(", ")
            };
            vec![
                role.role.clone(),
                format!("{}/{}", role.threshold, role.keys.len()),
                role.version
                    .map_or_else(|| "–".to_owned(), |version| version.to_string()),
                role.expires_s.map_or_else(|| "–".to_owned(), format::day),
                names,
            ]
        })
        .collect();
    let heading = [
        "head-role",
        "head-threshold",
        "head-version",
        "head-expires",
        "head-keys",
    ]
    .map(|id| ui.say(id, &[]));
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    ui.data(&format::table(&heading, &rows));
    let in_no_role: Vec<&str> = known
        .iter()
        .filter(|key| {
            !view
                .roles
                .iter()
                .any(|role| role.keys.contains(&key.public.id()))
        })
        .map(|key| key.name.as_str())
        .collect();
    if !in_no_role.is_empty() {
        ui.tell("keys-unused", &[("names", &in_no_role.join(", "))]);
    }
    ui.next("sanaga pending");
    Ok(())
}
