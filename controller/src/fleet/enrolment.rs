//! Joining: whether a token is good for a node, and what the node is told first. Decided from facts;
//! the store repeats the decision on the token in the transaction that uses it up.

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, NodeKeyId};
use sanaga_proto::trust::to_rfc3339;
use sanaga_proto::wire::assignment::Assignment;

use super::model::{Controller, EnrolToken, Environment, Node, POLL_INTERVAL_S, TokenUse};
use super::published::StoredAssignment;

/// What is to be done with a request to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The node joins.
    Join,
    /// It joined with this token, and its answer may have been lost: the same again.
    Again(Vec<u8>),
    /// It joined with this token, and asks with another certificate request: a new certificate.
    Reissue,
}

/// Judges a request by `node_key` with the certificate request `csr`. `known` is the node that has
/// this key now.
///
/// # Errors
/// [`code::TOKEN_UNKNOWN`], [`code::TOKEN_USED`], [`code::TOKEN_EXPIRED`],
/// [`code::NODE_REFUSED`] for a revoked key, [`code::ALREADY_ENROLLED`] for the key of another node.
pub fn judge(
    token: Option<&EnrolToken>,
    known: Option<&Node>,
    node_key: &NodeKeyId,
    csr: &Digest,
    now_s: u64,
) -> Result<Verdict, Failure> {
    let Some(token) = token else {
        return Err(Failure::new(code::TOKEN_UNKNOWN));
    };
    if let Some(node) = known {
        if node.revoked_at_s.is_some() {
            return Err(Failure::new(code::NODE_REFUSED).arg("node", &node.name));
        }
        if node.name != token.node {
            return Err(Failure::new(code::ALREADY_ENROLLED).arg("node", &node.name));
        }
    }
    match &token.used {
        Some(used) if used.node_key != *node_key => Err(used_before(token, used)),
        // Somebody gave the name to another machine in the meantime.
        Some(used) if known.is_none() => Err(used_before(token, used)),
        Some(used) if used.csr == *csr => Ok(Verdict::Again(used.welcome.clone())),
        Some(_) => Ok(Verdict::Reissue),
        None if now_s > token.expires_at_s => {
            Err(Failure::new(code::TOKEN_EXPIRED).arg("expired", date(token.expires_at_s)))
        }
        None => Ok(Verdict::Join),
    }
}

/// The refusal of a token that another node used.
#[must_use]
pub(crate) fn used_before(token: &EnrolToken, used: &TokenUse) -> Failure {
    Failure::new(code::TOKEN_USED)
        .arg("node", &token.node)
        .arg("site", &token.site)
        .arg("used", date(used.at_s))
}

/// The first assignment of a node under its new key. A machine that takes the place of another in
/// the same environment gets the same apps.
#[must_use]
pub fn first_assignment(
    controller: &Controller,
    environments: &[Environment],
    node: &Node,
    former: Option<&StoredAssignment>,
    now_s: u64,
) -> Assignment {
    let environment = environments
        .iter()
        .find(|environment| environment.name == node.environment);
    Assignment {
        repository: controller.repository,
        environment: node.environment.clone(),
        node: node.name.clone(),
        site: node.site.clone(),
        node_key: node.key,
        // Nothing is assigned yet: the first order of an operator is generation 1.
        generation: former.map_or(0, |former| former.document.generation + 1),
        issued_at_s: now_s,
        poll_interval_s: environment.map_or(POLL_INTERVAL_S, |known| known.poll_interval_s),
        content_urls: controller.content_urls.clone(),
        apps: former
            .filter(|former| former.document.environment == node.environment)
            .map(|former| former.document.carried())
            .unwrap_or_default(),
    }
}

/// A time for people, in UTC.
fn date(at_s: u64) -> String {
    to_rfc3339(i64::try_from(at_s).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::code::Code;
    use sanaga_proto::failure::Coded as _;

    fn token(used: Option<TokenUse>) -> EnrolToken {
        EnrolToken {
            secret_hash: Digest::of(b"secret"),
            node: "akwa-1".parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            created_at_s: 0,
            expires_at_s: 100,
            used,
        }
    }

    fn node(name: &str) -> Node {
        Node {
            name: name.parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            key: Digest::of(b"key"),
            public_key: [0; 32],
            certificate_serial: vec![],
            certificate_expires_at_s: 0,
            enrolled_at_s: 0,
            revoked_at_s: None,
            contact_at_s: None,
            agent: None,
            root_version: None,
            receipts_problem: None,
        }
    }

    #[test]
    fn a_token_is_judged_by_who_used_it_and_when() {
        let (key, csr) = (Digest::of(b"key"), Digest::of(b"csr"));
        let used = |node_key| TokenUse {
            at_s: 50,
            node_key,
            csr,
            welcome: b"welcome".to_vec(),
        };
        let (fresh, ours) = (token(None), token(Some(used(key))));
        let theirs = token(Some(used(Digest::of(b"other"))));
        let joined = node("akwa-1");
        let code_of = |verdict: Result<Verdict, Failure>| verdict.unwrap_err().code();
        let refused: Code = code_of(judge(None, None, &key, &csr, 1));
        assert_eq!(refused, code::TOKEN_UNKNOWN);
        assert_eq!(
            judge(Some(&fresh), None, &key, &csr, 100).unwrap(),
            Verdict::Join
        );
        assert_eq!(
            code_of(judge(Some(&fresh), None, &key, &csr, 101)),
            code::TOKEN_EXPIRED
        );
        // A lost answer is given again, also when the token has expired since.
        let again = judge(Some(&ours), Some(&joined), &key, &csr, 999).unwrap();
        assert_eq!(again, Verdict::Again(b"welcome".to_vec()));
        let other = judge(Some(&ours), Some(&joined), &key, &Digest::of(b"new"), 999).unwrap();
        assert_eq!(other, Verdict::Reissue);
        let failure = judge(Some(&theirs), None, &key, &csr, 60).unwrap_err();
        assert_eq!(failure.code(), code::TOKEN_USED);
        assert_eq!(failure.args().get("used").unwrap(), "1970-01-01T00:00:50Z");
        // Its name was given to another machine since.
        assert_eq!(
            code_of(judge(Some(&ours), None, &key, &csr, 60)),
            code::TOKEN_USED
        );
        let mut revoked = node("akwa-1");
        revoked.revoked_at_s = Some(5);
        assert_eq!(
            code_of(judge(Some(&fresh), Some(&revoked), &key, &csr, 1)),
            code::NODE_REFUSED
        );
        let elsewhere = node("edea-1");
        let refused = judge(Some(&fresh), Some(&elsewhere), &key, &csr, 1);
        assert_eq!(code_of(refused), code::ALREADY_ENROLLED);
    }
}
