//! The local socket, through which the command line works while the server holds the folder. Who
//! can open it can open the folder, and so may do everything.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path as UrlPath, State};
use axum::routing::{post, put};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

use super::Api;
use super::error::ApiError;
use super::listen::Peer;
use super::reply::{self, Reply};
use crate::ops::{Actor, dispatch, to_body};

/// A request, bytes; the biggest holds a role file.
const REQUEST_BYTES_MAX: u64 = 64 << 20;
/// Says under which name the caller stands in the audit log.
const ACTOR_HEADER: &str = "sanaga-actor";
/// What an upload is called until it is whole.
const PART: &str = ".part";

/// Makes the socket. A stale one is removed: the caller holds the folder's lock.
pub(super) fn bind(path: &Path) -> Result<UnixListener, ApiError> {
    let failed = |cause| ApiError::Socket {
        path: path.display().to_string(),
        cause,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    // The folder around it is 0700, so that nobody comes in before the next line.
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

pub(super) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/ops/{name}", post(operation))
        .route("/ops/upload/{sha256}", put(upload))
        .with_state(api)
}

fn actor(peer: &Peer, headers: &HeaderMap) -> Actor {
    let named = headers
        .get(ACTOR_HEADER)
        .and_then(|name| name.to_str().ok());
    Actor::local(named.unwrap_or_default(), peer.user_id)
}

async fn operation(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let request = match api.read(body, REQUEST_BYTES_MAX).await {
        Ok(request) => request,
        Err(reply) => return reply,
    };
    match dispatch(&api.context, &actor(&peer, &headers), &name, &request).await {
        Ok(answer) => reply::bytes(answer),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> Reply {
    let body = serde_json::to_vec(&to_body(failure)).unwrap_or_default();
    let mut reply = reply::bytes(body);
    *reply.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    reply
}

/// Takes in a file whose name is the hash of its content.
async fn upload(
    State(api): State<Arc<Api>>,
    UrlPath(sha256): UrlPath<String>,
    body: Body,
) -> Reply {
    static UPLOADS: AtomicU64 = AtomicU64::new(0);
    let sha256: Digest = match sha256.parse() {
        Ok(sha256) => sha256,
        Err(error) => {
            let failure = Failure::new(code::BAD_REQUEST).arg("problem", error);
            return failed(&failure);
        }
    };
    let folder = api.context.home.uploads();
    let number = UPLOADS.fetch_add(1, Ordering::Relaxed);
    let part = folder.join(format!("{sha256}.{number}{PART}"));
    match receive(body, &part, &folder.join(sha256.to_string()), &sha256).await {
        Ok(()) => reply::empty(StatusCode::OK),
        Err(failure) => {
            let _ = tokio::fs::remove_file(&part).await;
            failed(&failure)
        }
    }
}

async fn receive(
    mut body: Body,
    part: &Path,
    whole: &Path,
    sha256: &Digest,
) -> Result<(), Failure> {
    let disk = |error: std::io::Error| crate::disk::failure(part, &error);
    let bad = |problem: String| Failure::new(code::BAD_REQUEST).arg("problem", problem);
    let mut file = tokio::fs::File::create(part).await.map_err(disk)?;
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| bad(format!("the upload broke off: {error}")))?;
        if let Ok(bytes) = frame.into_data() {
            hash.update(&bytes);
            file.write_all(&bytes).await.map_err(disk)?;
        }
    }
    let found = Digest(hash.finalize().into());
    if found != *sha256 {
        return Err(bad(format!("the upload is {found}, not {sha256}")));
    }
    file.flush().await.map_err(disk)?;
    let (file, part, whole) = (file.into_std().await, part.to_owned(), whole.to_owned());
    tokio::task::spawn_blocking(move || {
        sanaga_durable::sync_file(&file)?;
        sanaga_durable::rename(&part, &whole)
    })
    .await
    .map_err(|error| Failure::new(code::INTERNAL).arg("problem", error))?
    .map_err(|error| crate::disk::failure(&error.path, &error))
}

/// Removes what uploads left behind that were never finished.
pub(super) fn sweep(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(PART) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
