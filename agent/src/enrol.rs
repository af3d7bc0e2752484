//! Joining a controller. Nothing is accepted that does not match the token, and every step can be
//! repeated after a cut: the same token and the same key get the same answer.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::enrol::{EnrolRequest, Token, Welcome};
use sanaga_proto::wire::{Document, envelope};

use crate::fetch::client::{Host, Patience};
use crate::fetch::tls;
use crate::identity::{self, Identity, IdentityFiles, NodeKey};

/// What an enrolment led to.
#[derive(Debug)]
pub struct Enrolled {
    /// Who this node is now.
    pub identity: Identity,
    /// Bytes of the two bodies.
    pub bytes: u64,
}

/// Enrols this node with a token.
///
/// # Errors
/// [`code::ALREADY_ENROLLED`], [`code::TOKEN_MALFORMED`], [`code::TOKEN_MISMATCH`], the controller's
/// refusal, or a fault of link or disk. Nothing is kept that would stand in the way of another try.
pub async fn enrol(
    files: &IdentityFiles,
    token_text: &str,
    patience: Patience,
    post_quantum: bool,
) -> Result<Enrolled, Failure> {
    if let Some(identity) = Identity::load(files)? {
        return Err(Failure::new(code::ALREADY_ENROLLED).arg("node", identity.node));
    }
    let token = Token::from_text(token_text)
        .map_err(|error| Failure::new(code::TOKEN_MALFORMED).because(error))?;
    pinned_root_matches(files, &token)?;
    let node_key = NodeKey::load_or_make(files)?;
    let request = EnrolRequest {
        secret: token.secret,
        node_key: node_key.public(),
        csr: Bytes(identity::tls_request(files)?),
    };
    let body = envelope::seal(&request, &node_key).map_err(Failure::of)?;
    let sent = body.len() as u64;
    let config = tls::first_contact(token.ca_key, post_quantum).map_err(Failure::of)?;
    let host = Host::new(&token.url, Some(config), patience).map_err(Failure::of)?;
    let answer = host
        .post("/v1/enroll", body, Welcome::BYTES_MAX)
        .await
        .map_err(|error| explain(error, &host))?;
    let answer = answer.unwrap_or_default();
    let welcome = Welcome::from_bytes(&answer).map_err(Failure::of)?;
    keep(files, &token, &welcome)?;
    let identity = Identity {
        version: 1,
        url: token.url,
        repository: token.repository,
        environment: token.environment,
        node: token.node,
        site: token.site,
    };
    // A person with a token begins trust anew, also where all floors were lost.
    sanaga_durable::remove_file(&files.epoch())
        .map_err(|error| crate::disk::durable_failure(&files.epoch(), error))?;
    identity.save(files)?;
    Ok(Enrolled {
        identity,
        bytes: sent + answer.len() as u64,
    })
}

/// A package may pin the root; then a token of another repository is refused before any contact.
fn pinned_root_matches(files: &IdentityFiles, token: &Token) -> Result<(), Failure> {
    match identity::read_optional(&files.root())? {
        Some(root) if Digest::of(&root) != token.repository => {
            Err(Failure::new(code::TOKEN_MISMATCH).arg("what", "trust root"))
        }
        Some(_) | None => Ok(()),
    }
}

fn keep(files: &IdentityFiles, token: &Token, welcome: &Welcome) -> Result<(), Failure> {
    let mismatch = |what: &str| Failure::new(code::TOKEN_MISMATCH).arg("what", what);
    let root = welcome
        .root
        .as_ref()
        .ok_or_else(|| mismatch("trust root"))?;
    if Digest::of(&root.0) != token.repository {
        return Err(mismatch("trust root"));
    }
    if tls::key_digest(&welcome.ca.0) != Some(token.ca_key) {
        return Err(mismatch("CA"));
    }
    identity::write(&files.root(), &root.0, 0o644)?;
    identity::write(&files.ca(), &welcome.ca.0, 0o644)?;
    identity::write(&files.tls_certificate(), &welcome.certificate.0, 0o644)
}

/// A handshake that fails because the CA is another one is not a fault of the link.
fn explain(error: crate::fetch::FetchError, host: &Host) -> Failure {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(this) = cause {
        if this.to_string().contains("UnknownIssuer") {
            return Failure::new(code::TOKEN_MISMATCH)
                .arg("what", host.name())
                .because(error);
        }
        cause = this.source();
    }
    Failure::of(error)
}
