//! Finding the key that may sign, and opening it. It happens here, in the operator's process: keys
//! never go to the server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{MemorySigner, Signer as _, add_signature};

use super::passphrase::PassphraseArgs;
use super::session::Session;
use super::ui::Ui;
use crate::keys::file::{KeyFolder, KeyInfo, open, read_public};
use crate::ops::{PendingView, SignDone, SignRole};

/// An open key.
pub struct OpenKey {
    signer: MemorySigner,
}

/// Opens `--key`, or the first of this machine's keys that may sign.
///
/// # Errors
/// `KEY_NOT_IN_ROLE` when there is none, `WRONG_PASSPHRASE`, or what the file says.
pub fn open_key(
    ui: &Ui,
    session: &Session,
    explicit: Option<&PathBuf>,
    passphrase: &PassphraseArgs,
    role: &str,
    may_sign: &BTreeSet<Digest>,
) -> Result<OpenKey, Failure> {
    let not_in_role = |name: &str| {
        Failure::new(code::KEY_NOT_IN_ROLE)
            .arg("key", name)
            .arg("role", role)
    };
    let path = match explicit {
        Some(path) => named_key(session, path)?,
        None => own_keys(session)?
            .into_iter()
            .find(|key| may_sign.contains(&key.public.id()))
            .map(|key| key.path)
            .ok_or_else(|| not_in_role("–"))?,
    };
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    // The public half says early that a passphrase need not be typed in vain.
    let public = read_public(&path.with_extension("pub"));
    if public.is_ok_and(|key| !may_sign.contains(&key.public.id())) {
        return Err(not_in_role(&name));
    }
    let passphrase = passphrase.existing(ui, &name)?;
    let signer = open(&path, &passphrase).map_err(Failure::of)?;
    if !may_sign.contains(&signer.public().id()) {
        return Err(not_in_role(&name));
    }
    Ok(OpenKey { signer })
}

/// `--key` is a file, or the name of one of this machine's keys.
fn named_key(session: &Session, path: &Path) -> Result<PathBuf, Failure> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let name = path.display().to_string();
    let folder = KeyFolder::new(&session.home.keys());
    folder.find(&name).map(|key| key.path).map_err(Failure::of)
}

/// The private keys on this machine.
pub fn own_keys(session: &Session) -> Result<Vec<KeyInfo>, Failure> {
    let mut keys = known_keys(session)?;
    keys.retain(|key| key.path.exists());
    Ok(keys)
}

/// The public keys that this machine knows, those of other people too.
pub fn known_keys(session: &Session) -> Result<Vec<KeyInfo>, Failure> {
    KeyFolder::new(&session.home.keys())
        .list()
        .map_err(Failure::of)
}

/// What people call a key, as far as this machine knows.
pub fn key_name(known: &[KeyInfo], id: &Digest) -> String {
    known.iter().find(|key| key.public.id() == *id).map_or_else(
        || id.to_string().chars().take(8).collect(),
        |key| key.name.to_string(),
    )
}

/// Signs a pending version and hands the signature in.
pub async fn sign_pending(
    session: &Session,
    key: &OpenKey,
    pending: &PendingView,
) -> Result<SignDone, Failure> {
    let file = add_signature(&pending.file, &key.signer).map_err(Failure::of)?;
    let role = pending.role.clone();
    session.call(SignRole { role, file }).await
}

/// Says how far a version is signed, and for whom it waits.
pub fn say_signed(ui: &Ui, session: &Session, done: &SignDone) {
    let have = done
        .signed
        .need
        .saturating_sub(done.signed.missing)
        .to_string();
    let need = done.signed.need.to_string();
    let version = done.version.to_string();
    let args = [
        ("role", done.role.as_str()),
        ("version", version.as_str()),
        ("have", have.as_str()),
        ("need", need.as_str()),
    ];
    if done.current {
        ui.tell("role-current", &args);
        if let Some(root) = done.root {
            let root = root.to_string();
            ui.tell("role-current", &[("role", "root"), ("version", &root)]);
        }
    } else if done.signed.missing == 0 {
        ui.tell("role-whole", &args);
    } else {
        ui.tell("role-waits", &args);
        let known = known_keys(session).unwrap_or_default();
        let names: Vec<String> = done
            .signed
            .waiting_for
            .iter()
            .map(|id| key_name(&known, id))
            .collect();
        ui.tell("waits-for", &[("names", &names.join(", "))]);
        ui.next(&format!("sanaga sign {} --key FILE", done.role));
    }
    for role in &done.sign_again {
        ui.tell("sign-again", &[("role", role)]);
        ui.next(&format!("sanaga sign {role}"));
    }
}
