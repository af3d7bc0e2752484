//! Orders: what a thief of the director's key, a mirror or another node's stick may try.

use std::cell::RefCell;

use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::{Digest, NodeKeyId};
use sanaga_proto::manifest::{Manifest, Risk, ServiceKind, ServiceSection};
use sanaga_proto::trust::{Judge, MemorySigner, Recipient, Trusted, director};
use sanaga_proto::wire::Document;
use sanaga_proto::wire::assignment::{AssignedApp, Assignment};
use sanaga_proto::wire::envelope::seal;
use sanaga_proto::wire::hold::Hold;
use sanaga_proto::wire::offer::Offer;
use sanaga_proto::wire::poll::name as poll_name;

use crate::repository::{Node, Repository, name, signers};

/// A repository with one release, and everything that an honest director says of it.
struct Scene {
    repository: Repository,
    node: Node,
    recipient: Recipient,
    manifest: Manifest,
}

impl Scene {
    fn new() -> Self {
        let mut repository = Repository::new();
        let manifest = manifest("shop", "1.4.0");
        repository.publish_manifest("production", &manifest, 4);
        let node = Node::new(&repository);
        let recipient = Recipient {
            repository: Digest::of(&repository.id()),
            environment: name("production"),
            node: name("akwa-1"),
            node_key: Digest::of(b"the key of akwa-1"),
        };
        Self {
            repository,
            node,
            recipient,
            manifest,
        }
    }

    fn trusted(&mut self) -> Trusted {
        self.node.refresh(&self.repository.served).unwrap()
    }

    /// Signed by the director of today.
    fn sealed<D: Document>(&self, document: &D) -> Vec<u8> {
        sealed(document, &self.repository.keys["director"][0])
    }

    fn assignment(&self) -> Assignment {
        Assignment {
            repository: self.recipient.repository,
            environment: self.recipient.environment.clone(),
            node: self.recipient.node.clone(),
            site: name("douala-akwa"),
            node_key: self.recipient.node_key,
            generation: 7,
            issued_at_s: 1_795_219_200,
            poll_interval_s: 3_600,
            content_urls: Vec::new(),
            apps: vec![AssignedApp {
                app: name("shop"),
                version: name("1.4.0"),
                manifest: digest(&self.manifest),
                counter: 4,
                settings: Vec::new(),
                download_bytes_max: None,
                asked: None,
            }],
        }
    }

    fn hold(&self) -> Hold {
        Hold {
            repository: self.recipient.repository,
            node_key: None,
            number: 5,
            on: true,
        }
    }

    fn offer(&self) -> Offer {
        Offer {
            repository: self.recipient.repository,
            base: None,
            root: self.manifest.root,
            frame_root: Digest::of(b"frames"),
            pack_bytes: 1_000,
        }
    }

    /// The generation of an assignment, if it is taken.
    fn assign(&mut self, sealed: &[u8]) -> Result<u64, Failure> {
        let trusted = self.trusted();
        let mut judge = Judge::new(&trusted, &self.recipient)?;
        judge
            .assignment(sealed, &|wanted| Ok(self.look_up(wanted)))
            .map(|taken| taken.generation)
    }

    /// The honest assignment with one thing changed, signed by the director itself.
    fn change(&mut self, change: impl FnOnce(&mut Assignment)) -> Code {
        let mut assignment = self.assignment();
        let honest = self.sealed(&assignment);
        assert_eq!(self.assign(&honest).unwrap(), 7);
        change(&mut assignment);
        let changed = self.sealed(&assignment);
        self.assign(&changed).unwrap_err().code()
    }

    fn look_up(&self, wanted: &Digest) -> Option<Manifest> {
        (*wanted == digest(&self.manifest)).then(|| self.manifest.clone())
    }
}

fn manifest(app: &str, version: &str) -> Manifest {
    Manifest {
        app: name(app),
        version: name(version),
        risk: Risk::Low,
        root: Digest::of(version.as_bytes()),
        unpacked_bytes: 1_000,
        entries: 2,
        service: ServiceSection::of_kind(ServiceKind::None),
        probes: Vec::new(),
        soak_s: None,
        settings: Vec::new(),
        source: None,
        notes: None,
        limits: None,
        data: None,
        migrate: None,
    }
}

fn digest(manifest: &Manifest) -> Digest {
    Digest::of(&manifest.to_bytes())
}

fn sealed<D: Document>(document: &D, signer: &MemorySigner) -> Vec<u8> {
    seal(document, signer).unwrap()
}

#[test]
fn an_assignment_of_another_repository() {
    let code = Scene::new().change(|a| a.repository = Digest::of(b"another"));
    assert_eq!(code, code::NOT_FOR_US);
}

#[test]
fn an_assignment_of_another_environment() {
    let code = Scene::new().change(|a| a.environment = name("staging"));
    assert_eq!(code, code::NOT_FOR_US);
}

#[test]
fn an_assignment_of_another_node() {
    let code = Scene::new().change(|a| a.node = name("garoua-1"));
    assert_eq!(code, code::NOT_FOR_US);
}

#[test]
fn an_assignment_of_the_node_that_had_this_name_before() {
    let code = Scene::new().change(|a| a.node_key = NodeKeyId::of(b"the key of a stolen box"));
    assert_eq!(code, code::NOT_FOR_US);
}

#[test]
fn an_assignment_signed_by_nobody_we_know() {
    let mut scene = Scene::new();
    let assignment = scene.assignment();
    let by_a_stranger = sealed(&assignment, &signers(1)[0]);
    let by_another_role = sealed(&assignment, &scene.repository.keys["timestamp"][0]);
    for forged in [by_a_stranger, by_another_role] {
        let refused = scene.assign(&forged).unwrap_err();
        assert_eq!(refused.code(), code::BAD_SIGNATURE);
    }
}

#[test]
fn an_older_generation() {
    let mut scene = Scene::new();
    let newest = scene.sealed(&scene.assignment());
    let older = Assignment {
        generation: 6,
        ..scene.assignment()
    };
    let older = scene.sealed(&older);
    let trusted = scene.trusted();
    let mut judge = Judge::new(&trusted, &scene.recipient).unwrap();
    let manifest = |wanted: &Digest| Ok(scene.look_up(wanted));
    judge.assignment(&newest, &manifest).unwrap();
    let refused = judge.assignment(&older, &manifest).unwrap_err();
    assert_eq!(refused.code(), code::ROLLBACK);
    // The newest again is no news, and no attack.
    judge.assignment(&newest, &manifest).unwrap();
}

#[test]
fn a_release_that_the_environment_does_not_sign() {
    let code = Scene::new().change(|a| a.apps[0].version = name("6.6.6"));
    assert_eq!(code, code::NOT_SIGNED_HERE);
}

#[test]
fn another_manifest_under_a_signed_name() {
    let code = Scene::new().change(|a| a.apps[0].manifest = Digest::of(b"other code"));
    assert_eq!(code, code::BAD_METADATA);
}

#[test]
fn another_counter_than_the_signed_one() {
    let code = Scene::new().change(|a| a.apps[0].counter = u64::MAX);
    assert_eq!(code, code::BAD_METADATA);
}

#[test]
fn an_older_release_by_a_thief_of_the_director_key() {
    let mut scene = Scene::new();
    let old = manifest("shop", "1.3.0");
    scene.repository.publish_manifest("production", &old, 3);
    let served = scene.repository.served.clone();
    scene.node.install(&served, "shop@1.4.0").unwrap();
    let assignment = Assignment {
        apps: vec![AssignedApp {
            version: name("1.3.0"),
            manifest: digest(&old),
            counter: 3,
            ..scene.assignment().apps[0].clone()
        }],
        ..scene.assignment()
    };
    let bytes = scene.sealed(&assignment);
    assert_eq!(scene.assign(&bytes).unwrap_err().code(), code::ROLLBACK);
}

#[test]
fn a_manifest_that_does_not_come_leaves_the_assignment_waiting() {
    let mut scene = Scene::new();
    let bytes = scene.sealed(&scene.assignment());
    let trusted = scene.trusted();
    let mut judge = Judge::new(&trusted, &scene.recipient).unwrap();
    let refused = judge.assignment(&bytes, &|_| Ok(None)).unwrap_err();
    assert_eq!(refused.code(), code::MISSING_DOCUMENT);
    // It was not taken: its generation is still free.
    let taken = judge.assignment(&bytes, &|wanted| Ok(scene.look_up(wanted)));
    assert_eq!(taken.unwrap().generation, 7);
}

#[test]
fn one_bad_app_takes_the_whole_assignment_with_it() {
    let mut scene = Scene::new();
    let code = scene.change(|a| {
        let mut second = a.apps[0].clone();
        second.app = name("till");
        a.apps.push(second);
        a.generation = 8;
    });
    assert_eq!(code, code::NOT_SIGNED_HERE);
    let trusted = scene.trusted();
    let judge = Judge::new(&trusted, &scene.recipient).unwrap();
    let set = &trusted.director().unwrap().set;
    judge.floors().check_generation(set, 7).unwrap();
}

#[test]
fn a_manifest_under_the_digest_of_another() {
    let scene = Scene::new();
    let honest = scene.manifest.to_bytes();
    director::manifest(&poll_name::manifest(&digest(&scene.manifest)), &honest).unwrap();
    let other = manifest("shop", "1.4.1").to_bytes();
    let refused = director::manifest(&poll_name::manifest(&digest(&scene.manifest)), &other);
    assert_eq!(refused.unwrap_err().code(), code::BAD_METADATA);
}

#[test]
fn holds_of_others_and_old_holds() {
    let mut scene = Scene::new();
    let trusted = scene.trusted();
    let director = &scene.repository.keys["director"][0];
    let us = scene.recipient.node_key;
    let judge = RefCell::new(Judge::new(&trusted, &scene.recipient).unwrap());
    let try_hold = |holder, hold: Hold, signer: &MemorySigner| {
        let bytes = sealed(&hold, signer);
        judge
            .borrow_mut()
            .hold(holder, &bytes)
            .map_err(|e| e.code())
    };
    let honest = scene.hold();
    try_hold(None, honest.clone(), director).unwrap();
    assert!(judge.borrow().floors().held("all"));
    let freed = |number| Hold {
        number,
        on: false,
        ..honest.clone()
    };
    // An old "go on" is replayed.
    let refused = try_hold(None, freed(4), director);
    assert_eq!(refused, Err(code::ROLLBACK));
    let refused = try_hold(None, freed(6), &signers(1)[0]);
    assert_eq!(refused, Err(code::BAD_SIGNATURE));
    // Another node's "go on", in the place of ours.
    let theirs = Hold {
        node_key: Some(Digest::of(b"theirs")),
        ..freed(9)
    };
    assert_eq!(try_hold(Some(us), theirs, director), Err(code::NOT_FOR_US));
    assert_eq!(
        try_hold(Some(us), freed(9), director),
        Err(code::NOT_FOR_US)
    );
    let elsewhere = Hold {
        repository: Digest::of(b"another"),
        ..freed(9)
    };
    assert_eq!(try_hold(None, elsewhere, director), Err(code::NOT_FOR_US));
    assert!(judge.borrow().floors().held("all"));
    try_hold(None, freed(6), director).unwrap();
    assert!(!judge.borrow().floors().held("all"));
}

#[test]
fn offers_of_others() {
    let mut scene = Scene::new();
    let trusted = scene.trusted();
    let judge = Judge::new(&trusted, &scene.recipient).unwrap();
    let director = &scene.repository.keys["director"][0];
    let honest = scene.offer();
    let known_as = poll_name::offer(None, &honest.root);
    let try_offer = |offer: &Offer, signer: &MemorySigner| {
        let bytes = sealed(offer, signer);
        judge.offer(&known_as, &bytes).map_err(|e| e.code())
    };
    try_offer(&honest, director).unwrap();
    let refused = try_offer(&honest, &signers(1)[0]);
    assert_eq!(refused, Err(code::BAD_SIGNATURE));
    let elsewhere = Offer {
        repository: Digest::of(b"another"),
        ..honest.clone()
    };
    assert_eq!(try_offer(&elsewhere, director), Err(code::NOT_FOR_US));
    let of_another_tree = Offer {
        root: Digest::of(b"another tree"),
        ..honest.clone()
    };
    assert_eq!(try_offer(&of_another_tree, director), Err(code::NOT_FOR_US));
    let of_another_base = Offer {
        base: Some(Digest::of(b"a base")),
        ..honest
    };
    assert_eq!(try_offer(&of_another_base, director), Err(code::NOT_FOR_US));
}

#[test]
fn a_hold_does_not_pass_for_an_assignment() {
    let mut scene = Scene::new();
    let hold = scene.sealed(&scene.hold());
    let trusted = scene.trusted();
    let mut judge = Judge::new(&trusted, &scene.recipient).unwrap();
    assert!(judge.assignment(&hold, &|_| Ok(None)).is_err());
    assert!(judge.offer("offer/full-0", &hold).is_err());
}

#[test]
fn what_a_replaced_director_signed_is_void() {
    let mut scene = Scene::new();
    let orders = Assignment {
        generation: u64::MAX,
        ..scene.assignment()
    };
    let orders = scene.sealed(&orders);
    scene.assign(&orders).unwrap();
    scene.repository.replace_keys("director");
    scene.repository.write_targets();
    scene.repository.write_online();
    let refused = scene.assign(&orders).unwrap_err();
    assert_eq!(refused.code(), code::BAD_SIGNATURE);
    let trusted = scene.trusted();
    let judge = Judge::new(&trusted, &scene.recipient).unwrap();
    assert!(!judge.is_signed::<Assignment>(&orders));
    // The new one begins with generation 1.
    let first = Assignment {
        generation: 1,
        ..scene.assignment()
    };
    let first = scene.sealed(&first);
    assert_eq!(scene.assign(&first).unwrap(), 1);
}

#[test]
fn a_director_of_two_signatures_is_refused_and_not_taken_for_one() {
    let mut scene = Scene::new();
    scene.repository.thresholds.insert("director", 2);
    scene.repository.keys.insert("director", signers(2));
    scene.repository.write_targets();
    scene.repository.write_online();
    let trusted = scene.trusted();
    let refused = Judge::new(&trusted, &scene.recipient).unwrap_err();
    assert_eq!(refused.code(), code::BAD_METADATA);
}
