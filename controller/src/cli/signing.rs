//! Finding the key that may sign, and opening it. It happens here, in the operator's process: keys
//! never go to the server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{MemorySigner, Signer as _, add_signature};

use super::passphrase::PassphraseArgs;
use super::session::Session;
use super::ui::Ui;
use crate::keys::{KeyFile, PublicFile};
use crate::ops::{PendingView, SignDone, SignRole};

/// An open key and its name.
pub struct OpenKey {
    /// What people call it.
    pub name: String,
    /// The key.
    pub signer: MemorySigner,
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
    let file = match explicit {
        Some(path) => named_key(session, path)?,
        None => own_keys(session)?
            .into_iter()
            .find(|(_, public)| may_sign.contains(&public.key.id()))
            .map(|(file, _)| file)
            .ok_or_else(|| not_in_role("–"))?,
    };
    // The public half says early that a passphrase need not be typed in vain.
    if file.public().is_ok_and(|public| !may_sign.contains(&public.key.id())) {
        return Err(not_in_role(file.name()));
    }
    let passphrase = passphrase.existing(ui, file.name())?;
    let signer = file.open(&passphrase).map_err(Failure::of)?;
    if !may_sign.contains(&signer.public().id()) {
        return Err(not_in_role(file.name()));
    }
    Ok(OpenKey {
        name: file.name().to_owned(),
        signer,
    })
}

/// `--key` is a file, or the name of one of this machine's keys.
fn named_key(session: &Session, path: &PathBuf) -> Result<KeyFile, Failure> {
    if path.exists() {
        return Ok(KeyFile::at(path));
    }
    let inside = session.home.keys().join(path).with_extension("age");
    if inside.exists() {
        return Ok(KeyFile::at(inside));
    }
    let known = own_keys(session)?;
    let names: Vec<&str> = known.iter().map(|(file, _)| file.name()).collect();
    let wanted = path.display().to_string();
    let near = sanaga_proto::failure::nearest(&wanted, names);
    Err(Failure::new(code::NO_SUCH_KEY).arg("key", wanted).arg("near", near))
}

/// The private keys on this machine, with their public halves.
pub fn own_keys(session: &Session) -> Result<Vec<(KeyFile, PublicFile)>, Failure> {
    let folder = session.home.keys();
    let mut out = Vec::new();
    for public in PublicFile::list(&folder).map_err(Failure::of)? {
        let path = folder.join(format!("{}.age", public.name));
        if path.exists() {
            out.push((KeyFile::at(path), public));
        }
    }
    Ok(out)
}

/// What people call a key, as far as this machine knows.
pub fn key_name(known: &[PublicFile], id: &Digest) -> String {
    known
        .iter()
        .find(|public| public.key.id() == *id)
        .map_or_else(|| id.to_string().chars().take(8).collect(), |public| public.name.clone())
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
    let have = done.signed.need.saturating_sub(done.signed.missing).to_string();
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
    } else {
        ui.tell("role-waits", &args);
        let known = PublicFile::list(&session.home.keys()).unwrap_or_default();
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
