//! Where operations run: in this process when no server holds the folder, else in the server,
//! through its socket.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;

use super::socket::Socket;
use crate::fleet::{Sqlite, StoreError};
use crate::home::{Home, HomeLock};
use crate::ops::{Actor, Context, Operation, perform};
use crate::repository::Repository;
use crate::server_keys::ServerKeys;

/// Another command line may hold the folder for a moment.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at again.
const PAUSE: Duration = Duration::from_millis(50);

/// A way to do operations.
pub struct Session {
    /// The folder.
    pub home: Home,
    actor: Actor,
    place: Place,
}

enum Place {
    Here(
        Box<Context>,
        #[expect(dead_code, reason = "held for as long as the session")] HomeLock,
    ),
    There(Socket),
}

/// The name under which this user stands in the audit log.
#[must_use]
pub fn user_name() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

impl Session {
    /// Opens the folder, or finds the server that has it.
    ///
    /// # Errors
    /// `NOT_INITIALISED`, `LOCKED` when neither works, or what the store says.
    pub async fn open(home: &Home) -> Result<Self, Failure> {
        let actor = Actor::local(&user_name(), Some(rustix::process::getuid().as_raw()));
        let start = Instant::now();
        loop {
            if let Some(lock) = home.lock()? {
                let context = open_context(home)?;
                match context.store.controller().await {
                    Ok(_) => {}
                    Err(StoreError::Empty { .. }) => return Err(not_initialised(home)),
                    Err(error) => return Err(Failure::of(error)),
                }
                return Ok(Self {
                    home: home.clone(),
                    actor,
                    place: Place::Here(Box::new(context), lock),
                });
            }
            let socket = Socket::new(home.socket(), user_name());
            if socket.answers().await {
                return Ok(Self {
                    home: home.clone(),
                    actor,
                    place: Place::There(socket),
                });
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure::new(code::LOCKED).arg("path", home.path().display()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Does one operation.
    ///
    /// # Errors
    /// What the operation says, or that the server went away.
    pub async fn call<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        match &self.place {
            Place::Here(context, _) => perform(context, &self.actor, operation).await,
            Place::There(socket) => socket.call(operation).await,
        }
    }

    /// Hands in a file whose name will be the hash of its content.
    ///
    /// # Errors
    /// A fault of the disk, or that the server went away.
    pub async fn upload(&self, file: &Path, sha256: &Digest) -> Result<(), Failure> {
        match &self.place {
            Place::Here(context, _) => {
                let to = context.home.uploads().join(sha256.to_string());
                let copied = tokio::fs::copy(file, &to).await;
                copied
                    .map(drop)
                    .map_err(|error| crate::disk::failure(&to, &error))
            }
            Place::There(socket) => socket.upload(file, sha256).await,
        }
    }
}

/// Everything that operations need, from the folder; the caller holds its lock.
///
/// # Errors
/// What the store and the files say.
pub fn open_context(home: &Home) -> Result<Context, Failure> {
    let path = home.database();
    if !path.exists() {
        return Err(not_initialised(home));
    }
    let keys = ServerKeys::load(&home.server())?;
    context_with(home, keys)
}

/// As [`open_context`], with keys that were just made.
///
/// # Errors
/// What the store and the files say.
pub fn context_with(home: &Home, keys: ServerKeys) -> Result<Context, Failure> {
    let store = Sqlite::open(&home.database()).map_err(Failure::of)?;
    let repository = Repository::local(&home.public().join("v1")).map_err(Failure::of)?;
    Ok(Context::new(
        Arc::new(store),
        repository,
        home.clone(),
        keys,
        now_s,
    ))
}

/// Seconds since 1970, by this machine's clock: the one place of the program that reads it.
#[must_use]
pub fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn not_initialised(home: &Home) -> Failure {
    Failure::new(code::NOT_INITIALISED).arg("path", home.path().display())
}
