//! Signing ceremonies over files, wherever they are kept: who signs for which role, one signature
//! at a time, and how many are missing.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::ids::{Digest, EnvironmentName};
use sanaga_proto::trust::{
    Authority, Delegation, PublicKey, Signer, add_signature, signatures, signed_bytes,
};

use super::KeyError;

/// The keys of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlineKeys {
    /// Signs the snapshot.
    pub snapshot: PublicKey,
    /// Signs the timestamp.
    pub timestamp: PublicKey,
    /// Signs assignments, offers and holds.
    pub director: PublicKey,
}

/// Who founds a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Founders {
    /// One person, good for trying out: every role, threshold 1.
    One(PublicKey),
    /// Three people or more, as the table of docs/trust says, and the key of CI for `dev`.
    People {
        /// The people.
        people: Vec<PublicKey>,
        /// Signs for `dev`; without one the people do.
        ci: Option<PublicKey>,
    },
}

/// Who signs for which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The roles of root.
    pub top: BTreeMap<&'static str, Authority>,
    /// The environments in order, then the director.
    pub delegations: Vec<Delegation>,
}

impl Plan {
    /// The roles of a new repository.
    ///
    /// # Errors
    /// [`KeyError::BadThreshold`] if two people are asked for and there are not two keys.
    pub fn new(
        founders: &Founders,
        online: &OnlineKeys,
        environments: &[EnvironmentName],
    ) -> Result<Self, KeyError> {
        let top = BTreeMap::from([
            ("root", founders.authority("root")?),
            ("targets", founders.authority("targets")?),
            ("snapshot", one(&online.snapshot)),
            ("timestamp", one(&online.timestamp)),
        ]);
        let mut delegations = Vec::new();
        for environment in environments {
            let authority = founders.authority(environment.as_str())?;
            delegations.push(Delegation::environment(environment, authority));
        }
        delegations.push(Delegation::director(one(&online.director)));
        Ok(Self { top, delegations })
    }
}

impl Founders {
    fn authority(&self, role: &str) -> Result<Authority, KeyError> {
        let authority = match self {
            Self::One(key) => one(key),
            Self::People { ci: Some(key), .. } if role == "dev" => one(key),
            Self::People { people, .. } => Authority {
                keys: people.clone(),
                threshold: match role {
                    "root" | "targets" | "production" => 2,
                    _ => 1,
                },
            },
        };
        check(role, authority)
    }
}

fn one(key: &PublicKey) -> Authority {
    Authority {
        keys: vec![key.clone()],
        threshold: 1,
    }
}

/// An authority that can be met.
///
/// # Errors
/// [`KeyError::BadThreshold`].
pub fn check(role: &str, authority: Authority) -> Result<Authority, KeyError> {
    if authority.is_possible() {
        return Ok(authority);
    }
    Err(bad_threshold(role, &authority))
}

/// An authority in which one key has taken the place of another. The new root, targets or role that
/// carries it is signed by the old authority; a new root by its own as well (specification 5.3.4).
///
/// # Errors
/// [`KeyError::NotInRole`] if the old key is not there, [`KeyError::BadThreshold`] if the new one
/// was there already, so that there would be fewer keys than before.
pub fn replace_key(
    role: &str,
    authority: &Authority,
    old: &Digest,
    new: PublicKey,
) -> Result<Authority, KeyError> {
    let mut keys = authority.keys.clone();
    let place = keys.iter_mut().find(|key| key.id() == *old);
    *place.ok_or_else(|| not_in_role(old, role))? = new;
    let threshold = authority.threshold;
    let replaced = Authority { keys, threshold };
    if replaced.set().keys.len() < authority.set().keys.len() {
        return Err(bad_threshold(role, &replaced));
    }
    check(role, replaced)
}

/// How far a file is signed under one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Keys whose signatures are good.
    pub by: BTreeSet<Digest>,
    /// How many must sign.
    pub need: u64,
    /// Keys that may still sign.
    pub waiting: BTreeSet<Digest>,
}

impl Tally {
    /// Whether enough have signed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.by.len() as u64 >= self.need
    }
}

/// Counts the good signatures of a pending file under an authority.
///
/// # Errors
/// [`KeyError::Trust`] if it is no metadata file.
pub fn tally(file: &[u8], authority: &Authority) -> Result<Tally, KeyError> {
    let (message, found) = (signed_bytes(file)?, signatures(file)?);
    let signed = |key: &PublicKey| {
        let id = key.id().to_string();
        found.iter().any(|signature| {
            signature.key == id && key.verify_tuf(&message, &signature.bytes).is_ok()
        })
    };
    let (by, waiting): (Vec<_>, Vec<_>) = authority.keys.iter().partition(|key| signed(key));
    let ids = |keys: Vec<&PublicKey>| keys.into_iter().map(PublicKey::id).collect();
    Ok(Tally {
        by: ids(by),
        need: authority.threshold,
        waiting: ids(waiting),
    })
}

/// Adds one signature to a pending file. `authorities` are all that count for it: for a new root
/// the old one's and its own.
///
/// # Errors
/// [`KeyError::NotInRole`] if the key is in none of them.
pub fn sign(
    role: &str,
    file: &[u8],
    authorities: &[Authority],
    signer: &dyn Signer,
) -> Result<Vec<u8>, KeyError> {
    let mut keys = authorities.iter().flat_map(|authority| &authority.keys);
    if !keys.any(|key| key == signer.public()) {
        return Err(not_in_role(&signer.public().id(), role));
    }
    Ok(add_signature(file, signer)?)
}

fn bad_threshold(role: &str, authority: &Authority) -> KeyError {
    KeyError::BadThreshold {
        role: role.to_owned(),
        threshold: authority.threshold,
        keys: authority.set().keys.len(),
    }
}

fn not_in_role(key: &Digest, role: &str) -> KeyError {
    KeyError::NotInRole {
        key: key.short(),
        role: role.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sanaga_proto::trust::{KeyKind, MemorySigner, envelope, expires_after, root};

    use super::*;

    fn key(kind: KeyKind) -> MemorySigner {
        MemorySigner::generate(kind).unwrap()
    }

    fn online() -> OnlineKeys {
        let public = || key(KeyKind::Ed25519).public().clone();
        OnlineKeys {
            snapshot: public(),
            timestamp: public(),
            director: public(),
        }
    }

    fn environments() -> Vec<EnvironmentName> {
        ["dev", "staging", "production"]
            .map(|name| name.parse().unwrap())
            .into()
    }

    fn thresholds(plan: &Plan) -> Vec<(String, u64, usize)> {
        let top = plan.top.iter().map(|(name, a)| ((*name).to_owned(), a));
        let delegated = plan
            .delegations
            .iter()
            .map(|d| (d.name.clone(), &d.authority));
        top.chain(delegated)
            .map(|(name, a)| (name, a.threshold, a.keys.len()))
            .collect()
    }

    #[test]
    fn one_person_holds_every_offline_role() {
        let ada = key(KeyKind::Ed25519).public().clone();
        let plan = Plan::new(&Founders::One(ada), &online(), &environments()).unwrap();
        assert!(
            thresholds(&plan)
                .iter()
                .all(|(_, threshold, keys)| (*threshold, *keys) == (1, 1))
        );
    }

    #[test]
    fn three_people_make_the_table() {
        let people = [(); 3]
            .map(|()| key(KeyKind::Ed25519).public().clone())
            .to_vec();
        let ci = Some(key(KeyKind::P256).public().clone());
        let founders = Founders::People { people, ci };
        let plan = Plan::new(&founders, &online(), &environments()).unwrap();
        let expected = [
            ("root", 2, 3),
            ("snapshot", 1, 1),
            ("targets", 2, 3),
            ("timestamp", 1, 1),
            ("dev", 1, 1),
            ("staging", 1, 3),
            ("production", 2, 3),
            ("director", 1, 1),
        ];
        let expected = expected.map(|(name, threshold, keys)| (name.to_owned(), threshold, keys));
        assert_eq!(thresholds(&plan), expected);
    }

    #[test]
    fn one_key_twice_is_not_two_people() {
        let ada = key(KeyKind::Ed25519).public().clone();
        let founders = Founders::People {
            people: vec![ada.clone(), ada],
            ci: None,
        };
        let refused = Plan::new(&founders, &online(), &environments()).unwrap_err();
        assert!(matches!(
            refused,
            KeyError::BadThreshold {
                threshold: 2,
                keys: 1,
                ..
            }
        ));
    }

    #[test]
    fn a_root_is_rotated_one_signature_at_a_time() {
        let (ada, bea, cyd, dan) = (
            key(KeyKind::Ed25519),
            key(KeyKind::P256),
            key(KeyKind::Ed25519),
            key(KeyKind::P256),
        );
        let people = [&ada, &bea, &cyd]
            .map(|signer| signer.public().clone())
            .to_vec();
        let founders = Founders::People { people, ci: None };
        let mut plan = Plan::new(&founders, &online(), &environments()).unwrap();
        let old = plan.top["root"].clone();
        let first = root(1, expires_after("root", 1_000), 1_000, &plan.top);
        let mut first = envelope(&first, &[]).unwrap();
        for signer in [&ada, &bea] {
            first = sign("root", &first, std::slice::from_ref(&old), signer).unwrap();
        }
        assert!(tally(&first, &old).unwrap().is_complete());

        // Cyd's key is replaced by Dan's; Cyd does not have to be there.
        let new = replace_key("root", &old, &cyd.public().id(), dan.public().clone()).unwrap();
        plan.top.insert("root", new.clone());
        let second = root(2, expires_after("root", 2_000), 2_000, &plan.top);
        let mut second = envelope(&second, &[]).unwrap();
        let both = [old.clone(), new.clone()];
        second = sign("root", &second, &both, &dan).unwrap();
        second = sign("root", &second, &both, &ada).unwrap();
        assert!(tally(&second, &new).unwrap().is_complete());
        let under_old = tally(&second, &old).unwrap();
        assert!(!under_old.is_complete());
        assert_eq!(
            under_old.waiting,
            [bea.public().id(), cyd.public().id()].into()
        );
        second = sign("root", &second, &both, &bea).unwrap();
        assert!(tally(&second, &old).unwrap().is_complete());
        let mut verifier = sanaga_proto::trust::Sigstore::default();
        use sanaga_proto::trust::Verifier as _;
        verifier.start(&first).unwrap();
        assert_eq!(verifier.next_root(&second).unwrap().version, 2);

        let stranger = key(KeyKind::Ed25519);
        let refused = sign("root", &second, &both, &stranger).unwrap_err();
        assert!(matches!(refused, KeyError::NotInRole { .. }));
        assert!(replace_key("root", &new, &cyd.public().id(), dan.public().clone()).is_err());
        assert!(replace_key("root", &new, &ada.public().id(), dan.public().clone()).is_err());
    }

    #[test]
    fn a_signature_over_something_else_does_not_count() {
        let ada = key(KeyKind::Ed25519);
        let authority = one(ada.public());
        let plan = |version| {
            let top = BTreeMap::from([("root", authority.clone())]);
            envelope(&root(version, 5, 4, &top), &[]).unwrap()
        };
        let signed = sign("root", &plan(1), std::slice::from_ref(&authority), &ada).unwrap();
        assert!(tally(&signed, &authority).unwrap().is_complete());
        let moved = envelope(
            &sanaga_proto::trust::signed_object(&plan(2)).unwrap(),
            &signatures(&signed).unwrap(),
        )
        .unwrap();
        assert!(!tally(&moved, &authority).unwrap().is_complete());
    }
}
