//! What a poll is answered with: decided from what the node says it holds and from what there is.
//! Pure; the bytes are fetched afterwards.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::ids::{AppName, Digest, FrameRoot, TreeRoot};
use sanaga_proto::limits;
use sanaga_proto::wire::poll::{AppStatus, Poll, ShortDigest, name};

use crate::fleet::{AssignedFacts, DocumentRef, OfferFacts, PollFacts};

/// Roots of one answer together, bytes; the first always goes.
const ROOTS_BYTES_MAX: u64 = 2_000_000;
/// Documents that keep one name for ever, and which a node may hold although there is none.
const NAMED: [&str; 7] = [
    name::TIMESTAMP,
    name::SNAPSHOT,
    name::TARGETS,
    name::ENVIRONMENT,
    name::ASSIGNMENT,
    name::HOLD_ALL,
    name::HOLD_NODE,
];
/// Phases in which the pack of the assigned release is of no more use: it is on disk, or it was
/// tried and set aside.
const PAST_FETCHING: [&str; 9] = [
    "staged",
    "armed",
    "snapshotting",
    "activating",
    "probation",
    "rolling_back",
    "rolled_back",
    "refused",
    "needs_hands",
];

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Documents by name.
    pub documents: Vec<(String, Digest)>,
    /// Names for which there is nothing.
    pub absent: Vec<String>,
    /// Packs that travel inside.
    pub packs: Vec<FrameRoot>,
    /// The root version that does not exist yet, if all before it are sent or trusted. It is said
    /// in every answer, but is no reason for one: 204 says the same.
    pub no_root: Option<u64>,
}

impl Plan {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.absent.is_empty() && self.packs.is_empty()
    }
}

/// The trees that a node says it runs, by app.
pub(super) fn running(poll: &Poll) -> BTreeMap<AppName, Vec<TreeRoot>> {
    let mut out: BTreeMap<AppName, Vec<TreeRoot>> = BTreeMap::new();
    for status in poll.apps.iter().take(limits::APPS_MAX) {
        let roots = out.entry(status.app.clone()).or_default();
        roots.extend(status.root.filter(|root| !roots.contains(root)));
    }
    out
}

/// Decides what a poll is answered with.
pub(super) fn plan(poll: &Poll, facts: &PollFacts) -> Plan {
    let held: BTreeMap<&str, &ShortDigest> = poll
        .held
        .iter()
        .map(|(name, digest)| (name.as_str(), digest))
        .collect();
    let mut plan = Plan::default();
    roots(&mut plan, facts);
    for name in NAMED {
        match (facts.named.get(name), held.get(name)) {
            (Some(there), Some(held)) if is(there, held) => {}
            (Some(there), _) => plan.documents.push((name.to_owned(), there.digest)),
            (None, Some(_)) => plan.absent.push(name.to_owned()),
            (None, None) => {}
        }
    }
    let assigned_anew = plan
        .documents
        .iter()
        .any(|(name, _)| name == name::ASSIGNMENT);
    let full: BTreeSet<&AppName> = poll.full.iter().collect();
    for assigned in &facts.assigned {
        let wanted = Wanted {
            assigned,
            held: &held,
            status: poll.apps.iter().find(|status| status.app == assigned.app),
            full: full.contains(&assigned.app),
            anew: assigned_anew,
        };
        wanted.plan(&mut plan);
    }
    plan
}

fn roots(plan: &mut Plan, facts: &PollFacts) {
    let mut bytes = 0;
    for (version, document) in &facts.roots {
        bytes += document.bytes;
        if bytes > ROOTS_BYTES_MAX && !plan.documents.is_empty() {
            return;
        }
        plan.documents.push((name::root(*version), document.digest));
    }
    let all = facts
        .roots
        .last()
        .is_none_or(|(version, _)| *version == facts.root_version);
    plan.no_root = all.then(|| facts.root_version.saturating_add(1));
}

fn is(document: &DocumentRef, held: &ShortDigest) -> bool {
    document.digest.0.starts_with(held)
}

/// One app of the assignment.
struct Wanted<'a> {
    assigned: &'a AssignedFacts,
    held: &'a BTreeMap<&'a str, &'a ShortDigest>,
    status: Option<&'a AppStatus>,
    full: bool,
    anew: bool,
}

impl Wanted<'_> {
    fn plan(&self, plan: &mut Plan) {
        let root = &self.assigned.root;
        // Also to a node that runs this tree: two releases may differ in their manifest alone, and a
        // node may have lost what it held.
        let manifest = &self.assigned.manifest;
        self.send(plan, name::manifest(&manifest.digest), manifest);
        if self.status.is_some_and(|status| status.root == Some(*root)) {
            return;
        }
        if self.is_past_fetching() {
            return;
        }
        let offers = self.offers();
        for offer in &offers {
            let name = name::offer(offer.base.as_ref(), root);
            if self.send(plan, name, &offer.document)
                && offers.first() == Some(offer)
                && offer.file_bytes <= limits::INLINE_PACK_BYTES_MAX
                && !plan.packs.contains(&offer.frame_root)
            {
                plan.packs.push(offer.frame_root);
            }
        }
        if offers.is_empty() && self.anew {
            plan.absent.push(name::offer(None, root));
        }
    }

    /// The assignment is as it was, and the node is beyond fetching what it asks for.
    fn is_past_fetching(&self) -> bool {
        let fetches = self.status.is_none_or(|status| {
            let started = status.fetched_bytes.is_some_and(|bytes| bytes > 0);
            let phase = status.phase.as_deref().unwrap_or_default();
            !started && !PAST_FETCHING.contains(&phase)
        });
        !self.full && !self.anew && !fetches
    }

    /// The ways that the node is told of, the one it is to take first: the cheapest patch, unless
    /// the full pack is cheaper, or the patch did not work there.
    fn offers(&self) -> Vec<&OfferFacts> {
        let full = self
            .assigned
            .offers
            .iter()
            .find(|offer| offer.base.is_none());
        let patch = self
            .assigned
            .offers
            .iter()
            .filter(|offer| offer.base.is_some())
            .min_by_key(|offer| offer.file_bytes);
        match (patch, full) {
            (Some(_), Some(full)) if self.full => vec![full],
            (Some(patch), Some(full)) if full.file_bytes <= patch.file_bytes => vec![full],
            (Some(patch), _) => vec![patch],
            (None, full) => full.into_iter().collect(),
        }
    }

    /// Sends a document unless it is held; says whether it is sent.
    fn send(&self, plan: &mut Plan, name: String, document: &DocumentRef) -> bool {
        let held = self.held.get(name.as_str());
        if held.is_some_and(|held| is(document, held)) {
            return false;
        }
        plan.documents.push((name, document.digest));
        true
    }
}

#[cfg(test)]
mod tests;
