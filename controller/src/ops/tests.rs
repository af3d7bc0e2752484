//! A repository in a temporary folder, with a clock that the test turns.

mod looking;
mod orders;
mod patches;
mod publishing;
mod rehearsing;
mod roles;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sanaga_proto::code::Code;
use sanaga_proto::failure::{Coded as _, Failure};
use sanaga_proto::ids::Digest;
use sanaga_proto::manifest::{
    Manifest, Risk, ServiceKind, ServiceSection, SettingSpec, SettingType,
};
use sanaga_proto::trust::{KeyKind, MemorySigner, PublicKey, Signer as _, add_signature};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::assignment::SettingValue;
use sanaga_proto::wire::enrol::Token;
use sanaga_proto::wire::envelope::seal;

use super::*;
use crate::fleet::{
    Enrolment, Node, Price, Redeemed, Sqlite, StoredAssignment, TokenUse, first_assignment,
};
use crate::home::Home;
use crate::keys::ceremony::Founders;
use crate::repository::Repository;
use crate::server_keys::ServerKeys;

const START_S: u64 = 1_795_000_000;

struct World {
    context: Context,
    actor: Actor,
    people: Vec<MemorySigner>,
    clock: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl World {
    /// A repository that `people` persons have founded.
    async fn new(people: usize) -> Self {
        let mut world = Self::empty(people);
        world.found().await.unwrap();
        world.actor = Actor::owner("ada");
        world
    }

    fn empty(people: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        home.create().unwrap();
        let keys = ServerKeys::create(&home.server(), "Test").unwrap();
        let clock = Arc::new(AtomicU64::new(START_S));
        let now = Arc::clone(&clock);
        let store = Arc::new(Sqlite::open(&home.database()).unwrap());
        let repository = Repository::local(&home.public().join("v1")).unwrap();
        let now_s = move || now.load(Ordering::Relaxed);
        let context = Context::new(store, repository, home, keys, now_s);
        let key = |_| MemorySigner::generate(KeyKind::Ed25519).unwrap();
        Self {
            context,
            actor: Actor::owner("ada"),
            people: (0..people).map(key).collect(),
            clock,
            _folder: folder,
        }
    }

    fn founding(&self) -> Founding {
        let people: Vec<PublicKey> = self.people.iter().map(|key| key.public().clone()).collect();
        Founding {
            name: "Test".to_owned(),
            url: "https://deploy.example.cm:8443".to_owned(),
            content_urls: Vec::new(),
            price: Price {
                thousandths_per_mb: 1_000,
                currency: "XAF".to_owned(),
            },
            founders: match people.as_slice() {
                [one] => Founders::One(one.clone()),
                _ => Founders::People { people, ci: None },
            },
        }
    }

    async fn found(&self) -> Result<Founded, Failure> {
        let founding = self.founding();
        let now_s = self.context.now_signed_s();
        let mut draft = Draft::of(&founding, &self.context.keys, now_s)?;
        for file in &mut draft.files {
            for person in &self.people {
                file.bytes = add_signature(&file.bytes, person).unwrap();
            }
        }
        found(&self.context, &self.actor, &founding, draft).await
    }

    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn call<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        // The way that the socket takes, so that the JSON of every type is tried too.
        let body = serde_json::to_vec(&operation).unwrap();
        let answer = dispatch(&self.context, &self.actor, O::NAME, &body).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    async fn refused<O: Operation>(&self, operation: O) -> (Code, String) {
        let Err(failure) = self.call(operation).await else {
            panic!("{} was not refused", O::NAME)
        };
        let near = failure.args().get("near").cloned().unwrap_or_default();
        (failure.code(), near)
    }

    fn manifest(&self, version: &str) -> Manifest {
        Manifest {
            app: "shop".parse().unwrap(),
            version: version.parse().unwrap(),
            risk: Risk::Low,
            root: Digest::of(version.as_bytes()),
            unpacked_bytes: 10,
            entries: 1,
            service: ServiceSection::of_kind(ServiceKind::None),
            probes: Vec::new(),
            soak_s: None,
            settings: vec![SettingSpec {
                name: "port".parse().unwrap(),
                kind: SettingType::Integer,
                default: SettingValue::Integer(8080),
                min: Some(1024),
                max: Some(65_535),
                choices: Vec::new(),
            }],
            source: None,
            notes: None,
            limits: None,
            data: None,
            migrate: None,
        }
    }

    /// Hands in a pack of some bytes; operations look at its hash only.
    fn upload(&self, bytes: &[u8]) -> PackUpload {
        let sha256 = Digest::of(bytes);
        let to = self.context.home.uploads().join(sha256.to_string());
        std::fs::write(to, bytes).unwrap();
        PackUpload {
            sha256,
            frame_root: Digest::of(bytes),
            pack_bytes: bytes.len() as u64,
            file_bytes: bytes.len() as u64,
        }
    }

    fn stage_request(&self, version: &str, environment: &str) -> StageRelease {
        StageRelease {
            environment: environment.parse().unwrap(),
            manifest: self.manifest(version).to_bytes(),
            pack: Some(self.upload(format!("pack of {version}").as_bytes())),
            allow_downgrade_from: Vec::new(),
        }
    }

    async fn stage(&self, version: &str, environment: &str) -> Staged {
        self.call(self.stage_request(version, environment))
            .await
            .unwrap()
    }

    async fn sign(&self, waits: &Waits, person: usize) -> SignDone {
        let file = add_signature(&waits.pending.file, &self.people[person]).unwrap();
        let role = waits.pending.role.clone();
        self.call(SignRole { role, file }).await.unwrap()
    }

    /// Publishes `shop@VERSION`, signed by the first person.
    async fn publish(&self, version: &str, environment: &str) -> Staged {
        let staged = self.stage(version, environment).await;
        let done = self.sign(staged.waits.as_ref().unwrap(), 0).await;
        assert!(done.current);
        staged
    }

    /// A node that has joined.
    async fn node(&self, name: &str, site: &str, environment: &str) -> Node {
        let made = self.token(name, site, environment).await.unwrap();
        let token = Token::from_text(&made.token).unwrap();
        let public_key = Digest::of(name.as_bytes()).0;
        let node = Node {
            name: token.node.clone(),
            site: token.site.clone(),
            environment: token.environment.clone(),
            key: Digest::of(&public_key),
            public_key,
            certificate_serial: vec![1],
            certificate_expires_at_s: START_S,
            enrolled_at_s: self.context.now_s(),
            revoked_at_s: None,
            contact_at_s: None,
            agent: None,
            root_version: None,
            receipts_problem: None,
        };
        let controller = self.context.store.controller().await.unwrap();
        let environments = self.context.store.environments().await.unwrap();
        let document = first_assignment(&controller, &environments, &node, None, START_S);
        let signed = seal(&document, self.context.director().await.unwrap().as_ref()).unwrap();
        let enrolment = Enrolment {
            secret_hash: Digest::of(&token.secret),
            used: TokenUse {
                at_s: self.context.now_s(),
                node_key: node.key,
                csr: Digest::of(b"csr"),
                welcome: Vec::new(),
            },
            node: node.clone(),
            assignment: StoredAssignment {
                document,
                signed,
                actor: "serve:enrol".to_owned(),
            },
        };
        let redeemed = self.context.store.redeem(enrolment).await.unwrap();
        assert_eq!(redeemed, Redeemed::Enrolled);
        node
    }

    async fn token(&self, node: &str, site: &str, env: &str) -> Result<TokenMade, Failure> {
        self.call(MakeToken {
            node: node.parse().unwrap(),
            site: site.parse().unwrap(),
            environment: env.parse().unwrap(),
            valid_h: 24,
            replace: false,
        })
        .await
    }

    fn order(&self, version: &str, to: &str) -> Assign {
        Assign {
            app: "shop".parse().unwrap(),
            version: version.parse().unwrap(),
            to: to.parse().unwrap(),
            dry_run: false,
        }
    }
}
