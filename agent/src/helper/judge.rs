//! What comes beside the metadata goes to its judge in `proto/trust`, what others rest on first.

use std::collections::BTreeMap;

use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::trust::{Judge, Recipient, director};
use sanaga_proto::wire::poll::name;

use super::Helper;
use super::adopt::Incoming;

impl Helper {
    /// Whom documents must be meant for.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            repository: self.identity.repository,
            environment: self.identity.environment.clone(),
            node: self.identity.node.clone(),
            node_key: self.node_key_id(),
        }
    }

    /// Judges everything that came beside the metadata. Gives what is to be kept; what is refused goes
    /// into `refused`, and takes nothing else with it.
    pub(super) fn judge(
        &self,
        judge: &mut Judge<'_>,
        incoming: &Incoming,
        refused: &mut Vec<(String, Failure)>,
    ) -> Vec<(String, Vec<u8>)> {
        let mut keep = Vec::new();
        let mut sort = |name: &str, bytes: &[u8], judged: Result<(), Failure>| match judged {
            Ok(()) => keep.push((name.to_owned(), bytes.to_vec())),
            Err(failure) => refused.push((name.to_owned(), failure)),
        };
        for (scope, holder) in [
            (name::HOLD_ALL, None),
            (name::HOLD_NODE, Some(self.node_key_id())),
        ] {
            if let Some(bytes) = incoming.documents.get(scope) {
                sort(scope, bytes, judge.hold(holder, bytes).map(|_| ()));
            }
        }
        let mut manifests = BTreeMap::new();
        for (name, bytes) in incoming.starting_with("manifest/") {
            let judged = director::manifest(name, bytes);
            sort(
                name,
                bytes,
                judged.map(|manifest| {
                    manifests.insert(Digest::of(bytes), manifest);
                }),
            );
        }
        for (name, bytes) in incoming.starting_with("offer/") {
            sort(name, bytes, judge.offer(name, bytes).map(|_| ()));
        }
        if let Some(bytes) = incoming.documents.get(name::ASSIGNMENT) {
            let manifest = |digest: &Digest| match manifests.get(digest) {
                Some(manifest) => Ok(Some(manifest.clone())),
                None => self.manifest(digest),
            };
            let judged = judge.assignment(bytes, &manifest);
            sort(name::ASSIGNMENT, bytes, judged.map(|_| ()));
        }
        keep
    }
}
