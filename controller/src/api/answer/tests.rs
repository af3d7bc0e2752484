//! The planner against what a node may hold.

use super::*;
use sanaga_proto::wire::poll::short_digest;

fn document(content: &str) -> DocumentRef {
    DocumentRef {
        digest: Digest::of(content.as_bytes()),
        bytes: content.len() as u64,
    }
}

fn offer(base: Option<&str>, file_bytes: u64) -> OfferFacts {
    let content = format!("offer {base:?} {file_bytes}");
    OfferFacts {
        base: base.map(|base| Digest::of(base.as_bytes())),
        frame_root: Digest::of(content.as_bytes()),
        document: document(&content),
        file_bytes,
    }
}

fn facts() -> PollFacts {
    PollFacts {
        roots: vec![],
        root_version: 1,
        named: [
            (name::TIMESTAMP, document("timestamp")),
            (name::ASSIGNMENT, document("assignment")),
        ]
        .into(),
        assigned: vec![AssignedFacts {
            app: "shop".parse().unwrap(),
            manifest: document("manifest"),
            root: Digest::of(b"new"),
            offers: vec![offer(None, 1_000_000), offer(Some("old"), 30_000)],
        }],
    }
}

fn poll(root: &str) -> Poll {
    let held = |name: &str, content: &str| (name.to_owned(), short_digest(content.as_bytes()));
    let mut documents = vec![
        held("assignment", "assignment"),
        held("timestamp", "timestamp"),
    ];
    if root == "new" {
        let manifest = name::manifest(&document("manifest").digest);
        documents.insert(1, held(&manifest, "manifest"));
    }
    Poll {
        node_key: Digest::of(b"node"),
        root_version: 1,
        held: documents,
        apps: vec![AppStatus {
            app: "shop".parse().unwrap(),
            root: Some(Digest::of(root.as_bytes())),
            phase: Some("idle".to_owned()),
            fetched_bytes: None,
            code: None,
        }],
        delivery: None,
        agent: "0.1.0".to_owned(),
        full: vec![],
    }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.documents
        .iter()
        .map(|(name, _)| name.as_str())
        .collect()
}

#[test]
fn a_node_that_has_everything_is_told_nothing() {
    let plan = plan(&poll("new"), &facts());
    assert!(plan.is_empty());
    assert_eq!(plan.no_root, Some(2));
}

#[test]
fn what_differs_is_sent_and_what_is_gone_is_said() {
    let mut poll = poll("new");
    poll.held.push(("hold/node".to_owned(), [1; 8]));
    let mut facts = facts();
    facts.named.insert(name::TIMESTAMP, document("newer"));
    facts.named.insert(name::HOLD_ALL, document("hold"));
    let plan = plan(&poll, &facts);
    assert_eq!(names(&plan), ["timestamp", "hold/all"]);
    assert_eq!(plan.absent, ["hold/node"]);
}

#[test]
fn roots_come_in_order_and_the_end_is_said_only_when_it_is_reached() {
    let mut facts = facts();
    facts.root_version = 4;
    facts.roots = (2..=4).map(|version| (version, document("root"))).collect();
    let all = plan(&poll("new"), &facts);
    assert_eq!(names(&all), ["root/2", "root/3", "root/4"]);
    assert_eq!(all.no_root, Some(5));
    for (_, document) in &mut facts.roots {
        document.bytes = ROOTS_BYTES_MAX - 1;
    }
    let some = plan(&poll("new"), &facts);
    assert_eq!((names(&some), some.no_root), (vec!["root/2"], None));
    // The walk is bounded: there are more than were read.
    facts.roots.truncate(1);
    assert_eq!(plan(&poll("new"), &facts).no_root, None);
}

#[test]
fn a_node_is_told_the_cheapest_way() {
    let new = Digest::of(b"new");
    let manifest = name::manifest(&Digest::of(b"manifest"));
    let patch = name::offer(Some(&Digest::of(b"old")), &new);
    let full = name::offer(None, &new);
    let facts = facts();
    assert_eq!(names(&plan(&poll("old"), &facts)), [&manifest, &patch]);
    let mut failed = poll("old");
    failed.full = vec!["shop".parse().unwrap()];
    assert_eq!(names(&plan(&failed, &facts)), [&manifest, &full]);
    let mut cheaper = facts.clone();
    cheaper.assigned[0].offers[0].file_bytes = 20_000;
    assert_eq!(names(&plan(&poll("old"), &cheaper)), [&manifest, &full]);
    let mut empty = poll("old");
    empty.apps.clear();
    let mut unpatched = facts.clone();
    unpatched.assigned[0].offers.truncate(1);
    assert_eq!(names(&plan(&empty, &unpatched)), [&manifest, &full]);
    // Held already: neither comes again.
    let mut has = poll("old");
    let patch_digest = facts.assigned[0].offers[1].document.digest;
    has.held
        .push((patch, std::array::from_fn(|i| patch_digest.0[i])));
    has.held.push((manifest, short_digest(b"manifest")));
    assert!(plan(&has, &facts).is_empty());
}

#[test]
fn what_is_on_disk_or_set_aside_is_not_offered_again() {
    let facts = facts();
    let phase = |phase: &str, fetched_bytes| {
        let mut poll = poll("old");
        poll.held.push((
            name::manifest(&Digest::of(b"manifest")),
            short_digest(b"manifest"),
        ));
        poll.apps[0].phase = Some(phase.to_owned());
        poll.apps[0].fetched_bytes = fetched_bytes;
        poll
    };
    for done in PAST_FETCHING {
        assert!(plan(&phase(done, None), &facts).is_empty(), "{done}");
    }
    assert!(plan(&phase("fetching", Some(1)), &facts).is_empty());
    assert!(!plan(&phase("fetching", Some(0)), &facts).is_empty());
    assert!(!plan(&phase("idle", None), &facts).is_empty());
    // A new assignment is another matter: the phase is still about the former one.
    let mut anew = phase("staged", None);
    anew.held.remove(0);
    let told = plan(&anew, &facts);
    assert!(names(&told).iter().any(|name| name.starts_with("offer/")));
    let mut damaged = phase("staged", None);
    damaged.full = vec!["shop".parse().unwrap()];
    assert!(!plan(&damaged, &facts).is_empty());
}

#[test]
fn small_packs_travel_inside_with_their_offer() {
    let mut facts = facts();
    facts.assigned[0].offers[1].file_bytes = limits::INLINE_PACK_BYTES_MAX;
    let small = facts.assigned[0].offers[1].frame_root;
    assert_eq!(plan(&poll("old"), &facts).packs, [small]);
    facts.assigned[0].offers[1].file_bytes += 1;
    assert!(plan(&poll("old"), &facts).packs.is_empty());
}

#[test]
fn no_way_to_an_assigned_release_is_said_once() {
    let mut facts = facts();
    facts.assigned[0].offers.clear();
    let mut poll = poll("old");
    poll.held.push((
        name::manifest(&Digest::of(b"manifest")),
        short_digest(b"manifest"),
    ));
    assert!(plan(&poll, &facts).is_empty());
    poll.held.remove(0);
    let told = plan(&poll, &facts);
    assert_eq!(told.absent, [name::offer(None, &Digest::of(b"new"))]);
}
