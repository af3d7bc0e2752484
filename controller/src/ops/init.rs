//! Founding a repository: online keys, the first version of every role, and the database. The
//! people's signatures are made by the caller, who alone has their keys.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, EnvironmentName};
use sanaga_proto::trust::{PublicKey, envelope, expires_after, root, targets};

use super::context::{Actor, Context};
use super::online::RoleSet;
use super::role_file::build_environment;
use crate::fleet::{Change, Controller, Environment, Note, Price, RoleFile, StoreError};
use crate::keys::ceremony::{Founders, OnlineKeys, Plan};
use crate::server_keys::ServerKeys;

/// The environments of every repository, in the order in which releases move.
pub const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];

/// What the founder decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founding {
    /// What people call it.
    pub name: String,
    /// Where nodes reach it, without a path.
    pub url: String,
    /// Where packs are fetched from, in order of preference; empty means `url`.
    pub content_urls: Vec<String>,
    /// What data costs.
    pub price: Price,
    /// Whose keys sign.
    pub founders: Founders,
}

/// The first version of every offline role, without signatures.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The files, parents first.
    pub files: Vec<DraftFile>,
}

/// The first version of one role.
#[derive(Debug, Clone)]
pub struct DraftFile {
    /// The role.
    pub role: String,
    /// The file, with the signatures that it has so far.
    pub bytes: Vec<u8>,
    /// The keys that may sign it.
    keys: BTreeSet<Digest>,
}

impl DraftFile {
    /// Whether that key may sign this file.
    #[must_use]
    pub fn signed_by(&self, key: &Digest) -> bool {
        self.keys.contains(key)
    }
}

/// What was founded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founded {
    /// The SHA-256 of 1.root.json.
    pub repository: Digest,
}

impl Draft {
    /// Builds the first version of root, targets and the environments.
    ///
    /// # Errors
    /// `INTERNAL` when the metadata cannot be written, which no input causes.
    pub fn of(founding: &Founding, keys: &ServerKeys, now_s: i64) -> Result<Self, Failure> {
        let public = |role: &str| keys.public(role).ok_or_else(|| internal("no online key"));
        let online = OnlineKeys {
            snapshot: public("snapshot")?,
            timestamp: public("timestamp")?,
            director: public("director")?,
        };
        let mut environments: Vec<EnvironmentName> = Vec::new();
        for name in ENVIRONMENTS {
            environments.push(name.parse().map_err(internal)?);
        }
        let plan = Plan::new(&founding.founders, &online, &environments).map_err(Failure::of)?;
        let root = root(1, expires_after("root", now_s), now_s, &plan.top);
        let ca = [keys.tls_ca.certificate_pem.clone()];
        let targets = targets(
            1,
            expires_after("targets", now_s),
            now_s,
            &plan.delegations,
            &ca,
        );
        let mut bodies = vec![("root".to_owned(), root), ("targets".to_owned(), targets)];
        for name in ENVIRONMENTS {
            let body = build_environment(name, 1, now_s, &BTreeMap::new());
            bodies.push((name.to_owned(), body));
        }
        let mut files = Vec::new();
        for (role, body) in bodies {
            let delegated = plan.delegations.iter().find(|known| known.name == role);
            let authority = delegated
                .map(|delegation| &delegation.authority)
                .or_else(|| plan.top.get(role.as_str()));
            let keys = authority.map(|known| known.keys.iter().map(PublicKey::id).collect());
            files.push(DraftFile {
                role,
                bytes: envelope(&body, &[]).map_err(Failure::of)?,
                keys: keys.unwrap_or_default(),
            });
        }
        Ok(Self { files })
    }
}

/// Keeps the signed first version of every role and signs what is online: from here on there is a
/// repository. Nothing is committed when a signature is missing.
///
/// # Errors
/// `ALREADY_INITIALISED`, `BAD_SIGNATURE`, or what the store says.
pub async fn found(
    context: &Context,
    actor: &Actor,
    founding: &Founding,
    draft: Draft,
) -> Result<Founded, Failure> {
    match context.store.controller().await {
        Err(StoreError::Empty { .. }) => {}
        Ok(_) => {
            let path = context.home.path().display();
            return Err(Failure::new(code::ALREADY_INITIALISED).arg("path", path));
        }
        Err(error) => return Err(Failure::of(error)),
    }
    let mut set = RoleSet::default();
    let mut repository = None;
    for DraftFile { role, bytes, .. } in draft.files {
        if role == "root" {
            repository = Some(Digest::of(&bytes));
        }
        set.put(RoleFile {
            role,
            version: 1,
            bytes,
            at_s: context.now_s(),
        });
    }
    let repository = repository.ok_or_else(|| internal("no root"))?;
    set.renew(context, true)?;
    set.verify()?;
    for name in ENVIRONMENTS {
        set.verify_environment(name)?;
    }
    let note = Note::new("init", &founding.name).after(repository.to_string());
    let mut batch = context.batch(actor, note);
    batch.changes.push(Change::SetController(Controller {
        name: founding.name.clone(),
        url: founding.url.clone(),
        repository,
        price: founding.price.clone(),
        content_urls: founding.content_urls.clone(),
        created_at_s: context.now_s(),
    }));
    for name in ENVIRONMENTS {
        batch.changes.push(Change::SetEnvironment(Environment {
            name: name.parse().map_err(internal)?,
            poll_interval_s: poll_interval_s(name),
            download_bytes_max: None,
        }));
    }
    batch.changes.extend(set.changes_from(&RoleSet::default()));
    context.commit(batch).await?;
    Ok(Founded { repository })
}

/// Nodes in dev are watched by somebody who waits. In production every question costs.
const fn poll_interval_s(environment: &str) -> u64 {
    match environment.as_bytes() {
        b"dev" => 60,
        b"staging" => 900,
        _ => 3_600,
    }
}

fn internal(problem: impl std::fmt::Display) -> Failure {
    Failure::new(code::INTERNAL).arg("problem", problem)
}
