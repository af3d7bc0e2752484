//! What an operation works with, and who asks for it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{EnvironmentName, NodeName, RepositoryId};
use sanaga_proto::trust::MemorySigner;

use tokio::sync::{Mutex, MutexGuard};

use super::{authority, names};
use crate::fleet::{Batch, Controller, Environment, Node, Note, Store, publish_waiting};
use crate::home::Home;
use crate::repository::Repository;
use crate::server_keys::ServerKeys;

/// What every operation gets.
pub struct Context {
    /// What the controller knows.
    pub store: Arc<dyn Store>,
    /// Where published files live.
    pub repository: Repository,
    /// The controller's folder.
    pub home: Home,
    /// The online keys.
    pub keys: ServerKeys,
    now_s: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Operations that change something take turns: each decides from what the last one left.
    turn: Mutex<()>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.home.path().display())
    }
}

impl Context {
    /// Everything that operations need. `now_s` is an argument, so that tests say what time it is.
    pub fn new(
        store: Arc<dyn Store>,
        repository: Repository,
        home: Home,
        keys: ServerKeys,
        now_s: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            repository,
            home,
            keys,
            now_s: Box::new(now_s),
            turn: Mutex::new(()),
        }
    }

    /// Waits for its turn, and has it until the guard is dropped.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Now, seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.now_s)()
    }

    /// Now, as signed metadata counts.
    pub(super) fn now_signed_s(&self) -> i64 {
        i64::try_from(self.now_s()).unwrap_or(i64::MAX)
    }

    /// A batch by this actor at this moment.
    pub(super) fn batch(&self, actor: &Actor, note: Note) -> Batch {
        Batch::new(self.now_s(), actor.to_string(), note)
    }

    /// Commits a batch and publishes the files that it implies.
    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Failure> {
        self.store.commit(batch).await.map_err(Failure::of)?;
        publish_waiting(self.store.as_ref(), &self.repository)
            .await
            .map_err(Failure::of)?;
        Ok(())
    }

    /// Who this controller is.
    pub(super) async fn controller(&self) -> Result<Controller, Failure> {
        self.store.controller().await.map_err(Failure::of)
    }

    /// The director's key, as the current targets names it.
    ///
    /// # Errors
    /// `BAD_SIGNATURE` when this server does not have it.
    pub(crate) async fn director(&self) -> Result<Arc<MemorySigner>, Failure> {
        let named = authority::of_role(self, "director").await?;
        self.keys.signer("director", &named.keys)
    }

    /// Which repository this is.
    pub(super) async fn repository_id(&self) -> Result<RepositoryId, Failure> {
        Ok(self.controller().await?.repository)
    }

    /// An environment by its name.
    pub(super) async fn environment(&self, name: &EnvironmentName) -> Result<Environment, Failure> {
        let all = self.store.environments().await.map_err(Failure::of)?;
        names::find(&all, name.as_str(), |environment| environment.name.as_str())
            .cloned()
            .map_err(|near| {
                Failure::new(code::NO_SUCH_ENVIRONMENT)
                    .arg("environment", name)
                    .arg("near", near)
            })
    }

    /// A node by its name; one whose key is revoked too.
    pub(super) async fn node(&self, name: &NodeName) -> Result<Node, Failure> {
        let all = self.store.nodes().await.map_err(Failure::of)?;
        names::find(&all, name.as_str(), |node| node.name.as_str())
            .cloned()
            .map_err(|near| {
                Failure::new(code::NO_SUCH_NODE)
                    .arg("node", name)
                    .arg("near", near)
            })
    }
}

/// What somebody may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Look.
    Read,
    /// Add releases and signatures; what counts are the signatures.
    Publish,
    /// Say which node runs what.
    Operate,
    /// Change who may sign, and refuse nodes.
    Administer,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Publish, Self::Operate, Self::Administer];

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Through what: `cli`, `serve`.
    pub channel: &'static str,
    /// The person or program.
    pub name: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
}

impl Actor {
    /// Somebody who can enter the controller's folder, and so may do everything.
    #[must_use]
    pub fn owner(name: impl Into<String>) -> Self {
        Self {
            channel: "cli",
            name: name.into(),
            rights: Right::ALL.into(),
        }
    }

    /// Somebody at this machine: the name that they give themselves, which they can choose freely,
    /// and the user that the kernel says they are, which they cannot.
    #[must_use]
    pub fn local(named: &str, user_id: Option<u32>) -> Self {
        let user = match user_id {
            Some(user_id) => format!("uid {user_id}"),
            None => "uid unknown".to_owned(),
        };
        let plain = |c: &char| !c.is_control() && !matches!(c, '(' | ')');
        let named: String = named.chars().filter(plain).take(64).collect();
        if named.is_empty() || named == user {
            return Self::owner(user);
        }
        Self::owner(format!("{named} ({user})"))
    }

    /// The server itself, when it renews what is online.
    #[must_use]
    pub fn server() -> Self {
        Self {
            channel: "serve",
            name: "timer".to_owned(),
            rights: Right::ALL.into(),
        }
    }

    pub(super) fn require(&self, right: Right, operation: &str) -> Result<(), Failure> {
        if self.rights.contains(&right) {
            return Ok(());
        }
        Err(Failure::new(code::BAD_REQUEST).arg(
            "problem",
            format!("{self} may not {} ({operation})", right.word()),
        ))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.name)
    }
}
