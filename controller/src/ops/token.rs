//! Handing out an enrolment token: one string, good once.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, EnvironmentName, NodeName, SiteName};
use sanaga_proto::wire::enrol::Token;
use serde::{Deserialize, Serialize};

use super::context::{Actor, Context};
use crate::fleet::{Change, EnrolToken, Note};

/// Asks for a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MakeToken {
    /// The node that it makes.
    pub node: NodeName,
    /// Where that stands; a new site is added.
    pub site: SiteName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// For so long, hours.
    pub valid_h: u64,
    /// The node exists and gets a new key: its machine was replaced.
    pub replace: bool,
}

/// A token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenMade {
    /// The string to hand over.
    pub token: String,
    /// Until when it is good, seconds since 1970.
    pub expires_at_s: u64,
    /// Whether the site is new.
    pub new_site: bool,
}

pub(super) async fn make(
    context: &Context,
    actor: &Actor,
    request: MakeToken,
) -> Result<TokenMade, Failure> {
    let controller = context.controller().await?;
    let environment = context.environment(&request.environment).await?.name;
    let former = context
        .store
        .node(&request.node)
        .await
        .map_err(Failure::of)?;
    if former.is_some_and(|node| node.revoked_at_s.is_none()) && !request.replace {
        return Err(Failure::new(code::NAME_TAKEN)
            .arg("what", "node")
            .arg("name", &request.node));
    }
    let sites = context.store.sites().await.map_err(Failure::of)?;
    let mut secret = [0u8; 16];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Failure::new(code::INTERNAL).arg("problem", "no random numbers"))?;
    let expires_at_s = context
        .now_s()
        .saturating_add(request.valid_h.saturating_mul(3_600));
    let token = Token {
        url: controller.url,
        repository: controller.repository,
        ca_key: context.keys.tls_ca.key_digest,
        environment: environment.clone(),
        node: request.node.clone(),
        site: request.site.clone(),
        secret,
        expires_at_s,
    };
    let note = Note::new("token", format!("node {}", request.node))
        .after(format!("site {}, {environment}", request.site));
    let new_site = !sites.iter().any(|site| site.name == request.site);
    let batch = context
        .batch(actor, note)
        .with(Change::AddToken(EnrolToken {
            secret_hash: Digest::of(&secret),
            node: request.node,
            site: request.site,
            environment,
            created_at_s: context.now_s(),
            expires_at_s,
            used: None,
        }));
    context.commit(batch).await?;
    Ok(TokenMade {
        token: token.to_text(),
        expires_at_s,
        new_site,
    })
}
