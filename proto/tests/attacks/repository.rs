//! A small repository of the three-people kind and a node that follows it, both in memory.

use std::collections::BTreeMap;

use sanaga_proto::ids::{Digest, EnvironmentName, ReleaseName};
use sanaga_proto::manifest::Manifest;
use sanaga_proto::trust::{
    Alarm, Answer, Authority, Clock, Delegation, Floors, Input, KeyKind, MemorySigner, MetaPin,
    Moment, Policy, Refresh, Signer as _, Step, Stored, TargetEntry, TrustError, Trusted,
    add_signature, envelope, environment as build_environment, expires_after, root as build_root,
    snapshot as build_snapshot, targets as build_targets, timestamp as build_timestamp,
};
use sanaga_proto::wire::Document as _;
use serde_json::Value;

pub const DAY_S: i64 = 86_400;
/// 2026-11-21.
pub const START_S: i64 = 1_795_219_200;

/// What a server would serve.
pub type Served = BTreeMap<String, Vec<u8>>;

pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub fn signers(count: usize) -> Vec<MemorySigner> {
    let kinds = [KeyKind::Ed25519, KeyKind::P256];
    let kinds = kinds.iter().cycle().take(count);
    kinds
        .map(|kind| MemorySigner::generate(*kind).unwrap())
        .collect()
}

pub fn authority(signers: &[MemorySigner], threshold: u64) -> Authority {
    Authority {
        keys: signers
            .iter()
            .map(|signer| signer.public().clone())
            .collect(),
        threshold,
    }
}

/// A file signed by some keys.
pub fn sign(signed: &Value, signers: &[&MemorySigner]) -> Vec<u8> {
    let unsigned = envelope(signed, &[]).unwrap();
    signers.iter().fold(unsigned, |file, signer| {
        add_signature(&file, *signer).unwrap()
    })
}

pub struct Repository {
    pub now_s: i64,
    pub keys: BTreeMap<&'static str, Vec<MemorySigner>>,
    pub thresholds: BTreeMap<&'static str, u64>,
    pub versions: BTreeMap<String, u64>,
    pub releases: BTreeMap<&'static str, BTreeMap<String, TargetEntry>>,
    pub served: Served,
}

const ENVIRONMENTS: [&str; 3] = ["production", "staging", "dev"];

impl Repository {
    pub fn new() -> Self {
        let thresholds = BTreeMap::from([
            ("root", 2),
            ("targets", 2),
            ("production", 2),
            ("staging", 1),
            ("dev", 1),
            ("snapshot", 1),
            ("timestamp", 1),
            ("director", 1),
        ]);
        let count = |threshold: u64| if threshold == 2 { 3 } else { 1 };
        let mut repository = Self {
            now_s: START_S,
            keys: thresholds
                .iter()
                .map(|(role, t)| (*role, signers(count(*t))))
                .collect(),
            thresholds,
            versions: BTreeMap::new(),
            releases: ENVIRONMENTS
                .iter()
                .map(|name| (*name, BTreeMap::new()))
                .collect(),
            served: Served::new(),
        };
        repository.write_root(&[]);
        repository.write_targets();
        for environment in ENVIRONMENTS {
            repository.write_environment(environment);
        }
        repository.write_online();
        repository
    }

    pub fn id(&self) -> Vec<u8> {
        self.served["1.root.json"].clone()
    }

    pub fn authority(&self, role: &str) -> Authority {
        authority(&self.keys[role], self.thresholds[role])
    }

    pub fn bump(&mut self, role: &str) -> u64 {
        let version = self.versions.entry(role.to_owned()).or_default();
        *version += 1;
        *version
    }

    /// The signers of a role, as many as must sign.
    pub fn quorum(&self, role: &str) -> Vec<&MemorySigner> {
        let count = usize::try_from(self.thresholds[role]).unwrap();
        self.keys[role].iter().take(count).collect()
    }

    pub fn root_object(&mut self) -> Value {
        let version = self.bump("root");
        let roles = ["root", "timestamp", "snapshot", "targets"];
        let roles = roles
            .into_iter()
            .map(|role| (role, self.authority(role)))
            .collect();
        build_root(
            version,
            expires_after("root", self.now_s),
            self.now_s,
            &roles,
        )
    }

    /// A new root, signed by its own keys and by `also`.
    pub fn write_root(&mut self, also: &[MemorySigner]) {
        let object = self.root_object();
        let mut all = self.quorum("root");
        all.extend(also);
        let file = sign(&object, &all);
        let version = self.versions["root"];
        self.served.insert(format!("{version}.root.json"), file);
    }

    pub fn targets_object(&mut self) -> Value {
        let version = self.bump("targets");
        let mut delegations: Vec<_> = ENVIRONMENTS
            .iter()
            .map(|role| Delegation::environment(&name(role), self.authority(role)))
            .collect();
        delegations.push(Delegation::director(self.authority("director")));
        let expires_s = expires_after("targets", self.now_s);
        let tls_ca = ["-----BEGIN CERTIFICATE-----".to_owned()];
        build_targets(version, expires_s, self.now_s, &delegations, &tls_ca)
    }

    pub fn write_targets(&mut self) {
        let object = self.targets_object();
        let file = sign(&object, &self.quorum("targets"));
        self.put("targets", file);
    }

    pub fn environment_object(&mut self, role: &'static str) -> Value {
        let version = self.bump(role);
        let signed_at_s = (role == "production").then_some(self.now_s);
        let expires_s = expires_after(role, self.now_s);
        build_environment(version, expires_s, signed_at_s, &self.releases[role])
    }

    pub fn write_environment(&mut self, role: &'static str) {
        let object = self.environment_object(role);
        let file = sign(&object, &self.quorum(role));
        self.put(role, file);
    }

    pub fn put(&mut self, role: &str, file: Vec<u8>) {
        let version = self.versions[role];
        self.served.insert(format!("{version}.{role}.json"), file);
    }

    fn pin(&self, role: &str) -> MetaPin {
        let version = self.versions[role];
        MetaPin::of(version, &self.served[&format!("{version}.{role}.json")])
    }

    pub fn write_snapshot(&mut self) {
        let version = self.bump("snapshot");
        let roles = ENVIRONMENTS.iter().chain(&["targets"]);
        let pins = roles
            .map(|role| ((*role).to_owned(), self.pin(role)))
            .collect();
        let object = build_snapshot(version, expires_after("snapshot", self.now_s), &pins);
        let file = sign(&object, &self.quorum("snapshot"));
        self.put("snapshot", file);
    }

    pub fn write_timestamp(&mut self) {
        let expires_s = expires_after("timestamp", self.now_s);
        self.write_timestamp_at(self.now_s, expires_s);
    }

    pub fn write_timestamp_at(&mut self, signed_at_s: i64, expires_s: i64) {
        let version = self.bump("timestamp");
        let object = build_timestamp(version, expires_s, signed_at_s, self.pin("snapshot"));
        let file = sign(&object, &self.quorum("timestamp"));
        self.served.insert("timestamp.json".to_owned(), file);
    }

    pub fn write_online(&mut self) {
        self.write_snapshot();
        self.write_timestamp();
    }

    pub fn add_release(&mut self, role: &'static str, release: &str, counter: u64) {
        self.add_release_from(role, release, counter, None);
    }

    pub fn add_release_from(
        &mut self,
        role: &'static str,
        release: &str,
        counter: u64,
        allow_downgrade_from: Option<u64>,
    ) {
        let path = name::<ReleaseName>(release).target_path(&name(role));
        let entry = TargetEntry {
            digest: Digest::of(release.as_bytes()),
            length_bytes: 1_000,
            counter,
            allow_downgrade_from,
        };
        self.releases.get_mut(role).unwrap().insert(path, entry);
    }

    /// Lists a release by its real manifest.
    pub fn publish_manifest(&mut self, role: &'static str, manifest: &Manifest, counter: u64) {
        let entry = TargetEntry {
            digest: Digest::of(&manifest.to_bytes()),
            length_bytes: manifest.to_bytes().len() as u64,
            counter,
            allow_downgrade_from: None,
        };
        let path = manifest.release().target_path(&name(role));
        self.releases.get_mut(role).unwrap().insert(path, entry);
        self.write_environment(role);
        self.write_online();
    }

    pub fn publish(&mut self, role: &'static str, release: &str, counter: u64) {
        self.add_release(role, release, counter);
        self.write_environment(role);
        self.write_online();
    }

    /// Days pass; the timestamp is signed again each day, other roles when half their time is over.
    pub fn pass_days(&mut self, days: i64) {
        self.now_s += days * DAY_S;
        self.write_root_again();
        self.write_targets();
        for environment in ENVIRONMENTS {
            self.write_environment(environment);
        }
        self.write_online();
    }

    pub fn write_root_again(&mut self) {
        self.write_root(&[]);
    }

    /// New keys for a role; the old ones are returned.
    pub fn replace_keys(&mut self, role: &'static str) -> Vec<MemorySigner> {
        let new = signers(self.keys[role].len());
        self.keys.insert(role, new).unwrap()
    }
}

/// A node: what it keeps across power cuts, and its clocks.
pub struct Node {
    pub stored: Stored,
    pub floors: Vec<u8>,
    pub environment: EnvironmentName,
    pub build_s: i64,
    pub clock: Clock,
    pub alarms: Vec<Alarm>,
    pub persisted: usize,
    pub fetched: Vec<String>,
}

impl Node {
    /// Enrolled today, with a clock that nobody set.
    pub fn new(repository: &Repository) -> Self {
        Self {
            stored: Stored {
                root: repository.id(),
                pinned_root: Some(repository.id()),
                documents: BTreeMap::new(),
            },
            floors: Floors::default().to_bytes().unwrap(),
            environment: name("production"),
            build_s: START_S - 10 * DAY_S,
            clock: Clock {
                wall_s: 0,
                sure: false,
                now: Moment {
                    boot: [1; 16],
                    uptime_s: 60,
                },
            },
            alarms: Vec::new(),
            persisted: 0,
            fetched: Vec::new(),
        }
    }

    pub fn floors(&self) -> Floors {
        Floors::from_bytes(&self.floors).unwrap()
    }

    pub fn set_wall(&mut self, wall_s: i64, sure: bool) {
        self.clock.wall_s = wall_s;
        self.clock.sure = sure;
    }

    pub fn reboot(&mut self) {
        let [first, ..] = self.clock.now.boot;
        self.clock.now = Moment {
            boot: [first.wrapping_add(1).max(1); 16],
            uptime_s: 60,
        };
    }

    pub fn refresh(&mut self, served: &Served) -> Result<Trusted, TrustError> {
        self.refresh_as(served, Policy::default(), usize::MAX)
            .map(Option::unwrap)
    }

    /// A refresh that loses power right before the persist number `persists_max`.
    pub fn refresh_as(
        &mut self,
        served: &Served,
        policy: Policy,
        persists_max: usize,
    ) -> Result<Option<Trusted>, TrustError> {
        let policy = Policy {
            environment: Some(self.environment.clone()),
            build_s: self.build_s,
            ..policy
        };
        self.fetched.clear();
        self.persisted = 0;
        let stored = self.stored.clone();
        let mut refresh = Refresh::new(stored, self.floors(), self.clock, policy)?;
        let mut input = Input::Start;
        loop {
            let step = refresh.step(input);
            self.alarms = refresh.alarms().to_vec();
            input = match step? {
                Step::Fetch { name, bytes_max } => {
                    self.fetched.push(name.clone());
                    match fetch(served, &name, bytes_max) {
                        Answer::Found(bytes) => Input::Found(bytes),
                        Answer::Absent => Input::Absent,
                    }
                }
                Step::Persist(change) => {
                    if self.persisted == persists_max {
                        return Ok(None);
                    }
                    self.persisted += 1;
                    for name in &change.forget {
                        self.stored.documents.remove(name);
                    }
                    match change.write {
                        Some((name, bytes)) if name == "root.json" => self.stored.root = bytes,
                        Some((name, bytes)) => {
                            self.stored.documents.insert(name, bytes);
                        }
                        None => {}
                    }
                    self.floors = change.floors.to_bytes().unwrap();
                    Input::Persisted
                }
                Step::Done(trusted) => {
                    self.alarms = trusted.alarms().to_vec();
                    return Ok(Some(*trusted));
                }
            };
        }
    }

    /// Refreshes and takes a release as the newest of its app, as installing it would.
    pub fn install(&mut self, served: &Served, release: &str) -> Result<(), TrustError> {
        let trusted = self.refresh(served)?;
        let release: ReleaseName = name(release);
        let target = trusted.resolve(&self.environment, &release)?;
        let mut floors = self.floors();
        let (environment, app) = (&self.environment, &release.app);
        floors.check_counter(
            environment,
            app,
            target.counter,
            target.allow_downgrade_from,
        )?;
        floors.accept_counter(sanaga_proto::trust::CounterFloor {
            environment: environment.clone(),
            app: app.clone(),
            keys: trusted.environment_keys().unwrap().clone(),
            counter: target.counter,
            version: release.version.clone(),
        });
        self.floors = floors.to_bytes().unwrap();
        Ok(())
    }
}

pub fn fetch(served: &Served, name: &str, bytes_max: u64) -> Answer {
    match served.get(name) {
        // What is longer is cut off one byte after the bound, as a client would.
        Some(bytes) => {
            let limit = usize::try_from(bytes_max).unwrap().saturating_add(1);
            Answer::Found(bytes.iter().take(limit).copied().collect())
        }
        None => Answer::Absent,
    }
}
