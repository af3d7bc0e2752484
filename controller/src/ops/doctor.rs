//! What is not yet as it should be: the difference to the full table of roles, metadata that runs
//! out, and keys without a copy.

use std::collections::BTreeSet;

use sanaga_proto::failure::Failure;
use serde::{Deserialize, Serialize};

use super::authority;
use super::context::{Actor, Context};
use super::role_file::{key_ids, read_head};

/// Offline metadata should be signed again when less than this is left, seconds: 30 days.
const OFFLINE_LEFT_S: i64 = 30 * 86_400;
/// The same for online and short-lived metadata, seconds: 7 days.
const SHORT_LEFT_S: i64 = 7 * 86_400;

/// Asks what is not as it should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Doctor {}

/// What is not as it should be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Findings {
    /// The most important first; none when all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// A role's metadata has expired.
    Expired {
        /// The role.
        role: String,
        /// When, seconds since 1970.
        expires_s: i64,
    },
    /// A role's metadata expires soon.
    ExpiresSoon {
        /// The role.
        role: String,
        /// When, seconds since 1970.
        expires_s: i64,
    },
    /// A role has fewer keys or a lower threshold than the full table.
    WeakRole {
        /// The role.
        role: String,
        /// Its keys.
        keys: u64,
        /// How many must sign.
        threshold: u64,
        /// The keys that it should have at least.
        keys_wanted: u64,
        /// How many should have to sign.
        threshold_wanted: u64,
    },
    /// A key of root signs for dev as well: the build system needs one that can do nothing else.
    SharedKey {
        /// The role.
        role: String,
    },
    /// The audit log does not fit together.
    AuditBroken {
        /// The number of the first entry that does not fit.
        number: u64,
    },
    /// A version waits for signatures.
    Waiting {
        /// The role.
        role: String,
        /// How many signatures are missing.
        missing: u64,
    },
}

pub(super) async fn look(
    context: &Context,
    _actor: &Actor,
    _request: Doctor,
) -> Result<Findings, Failure> {
    let mut findings = Vec::new();
    if let Some(number) = context.store.audit_break().await.map_err(Failure::of)? {
        findings.push(Finding::AuditBroken { number });
    }
    let now_s = context.now_signed_s();
    for file in context.store.roles().await.map_err(Failure::of)? {
        let expires_s = read_head(&file.role, &file.bytes)?.expires_s;
        let left_wanted_s = match file.role.as_str() {
            "root" | "targets" | "production" => OFFLINE_LEFT_S,
            _ => SHORT_LEFT_S,
        };
        if expires_s <= now_s {
            findings.push(Finding::Expired {
                role: file.role,
                expires_s,
            });
        } else if expires_s - now_s < left_wanted_s {
            findings.push(Finding::ExpiresSoon {
                role: file.role,
                expires_s,
            });
        }
    }
    let authorities = authority::all(context).await?;
    let people: BTreeSet<_> = authorities
        .iter()
        .filter(|(role, _)| role == "root")
        .flat_map(|(_, authority)| key_ids(authority))
        .collect();
    for (role, authority) in authorities {
        if role == "dev" && key_ids(&authority).iter().any(|key| people.contains(key)) {
            findings.push(Finding::SharedKey { role: role.clone() });
        }
        let (keys_wanted, threshold_wanted) = wanted(&role);
        let keys = key_ids(&authority).len() as u64;
        if keys < keys_wanted || authority.threshold < threshold_wanted {
            findings.push(Finding::WeakRole {
                role,
                keys,
                threshold: authority.threshold,
                keys_wanted,
                threshold_wanted,
            });
        }
    }
    for waiting in context.store.pending().await.map_err(Failure::of)? {
        let view = super::sign::view(context, waiting).await?;
        if view.signed.missing > 0 {
            findings.push(Finding::Waiting {
                role: view.role,
                missing: view.signed.missing,
            });
        }
    }
    Ok(Findings { findings })
}

/// Keys and threshold of the full table (docs/trust).
fn wanted(role: &str) -> (u64, u64) {
    match role {
        "root" | "targets" => (3, 2),
        "production" => (2, 2),
        _ => (1, 1),
    }
}
