//! The server: what nodes poll, where they join, the published files, and the local socket for the
//! command line. It carries and checks; what is decided is decided in `ops` and `fleet`.

mod answer;
pub mod authority;
mod enrol;
mod error;
mod listen;
mod local;
mod poll;
mod range;
mod reply;
mod statics;
mod tickets;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use rustls::ServerConfig;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::wire::WireError;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::authority::Authority;
pub use self::error::ApiError;
use self::reply::Reply;
use self::tls::OwnCertificate;
use crate::fleet::publish_waiting;
use crate::ops::{Actor, Context, renew_online};

/// How often the server looks at what it must renew.
const UPKEEP: Duration = Duration::from_secs(300);
/// A request's body may stand still for so long.
const STALL: Duration = Duration::from_secs(60);
/// The slowest link that is waited for, bytes a second: whoever sends slower only holds a connection.
const RATE_MIN: u64 = 64;

/// What handlers work with.
pub(crate) struct Api {
    context: Arc<Context>,
    authority: Arc<Authority>,
}

impl Api {
    /// Reads a request's body of at most `limit` bytes.
    async fn read(&self, mut body: Body, limit: u64) -> Result<Vec<u8>, Reply> {
        let broken = |problem: &str| reply::malformed(&WireError::malformed("request", problem));
        let mut bytes = Vec::new();
        let until = Instant::now() + STALL + Duration::from_secs(limit / RATE_MIN);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(STALL.min(left), body.frame()).await {
                Ok(None) => return Ok(bytes),
                Ok(Some(Ok(frame))) => {
                    bytes.extend(frame.into_data().unwrap_or_default());
                    if bytes.len() as u64 > limit {
                        let what = "request";
                        return Err(reply::malformed(&WireError::TooBig { what, limit }));
                    }
                }
                Ok(Some(Err(_))) => return Err(broken("broke off")),
                Err(_) => return Err(broken("stood still")),
            }
        }
    }
}

/// A server that listens and does not serve yet.
pub struct Server {
    api: Arc<Api>,
    own: Arc<OwnCertificate>,
    tls: Arc<ServerConfig>,
    listener: TcpListener,
    local: UnixListener,
    congestion: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({:?})", self.listener.local_addr())
    }
}

impl Server {
    /// Listens on `address` (`0.0.0.0:8443`, see [`default_listen`]) and on the folder's local
    /// socket, finishes what a crash left undone, and signs what is due. The caller holds the
    /// folder's lock.
    ///
    /// # Errors
    /// [`code::PORT_TAKEN`], [`code::NOT_INITIALISED`], or what the store and the disk say.
    pub async fn bind(context: Arc<Context>, address: &str) -> Result<Self, Failure> {
        let controller = context.store.controller().await.map_err(Failure::of)?;
        let keys = &context.keys.tls_ca;
        let authority = Authority::from_pem(&keys.key_pem, &keys.certificate_pem);
        let authority = Arc::new(authority.map_err(Failure::of)?);
        let (host, _) = host_and_port(&controller.url);
        let own = OwnCertificate::new(Arc::clone(&authority), host, context.now_s());
        let own = Arc::new(own.map_err(Failure::of)?);
        let tls = tls::config(&authority, Arc::clone(&own)).map_err(Failure::of)?;
        let (listener, congestion) = listen::bind(address).await.map_err(Failure::of)?;
        let local = local::bind(&context.home.socket()).map_err(Failure::of)?;
        let uploads = context.home.uploads();
        local::sweep(&uploads).map_err(|error| {
            Failure::new(code::DISK_FAULT)
                .arg("path", uploads.display())
                .arg("problem", error)
        })?;
        let api = Arc::new(Api { context, authority });
        let server = Self {
            api,
            own,
            tls: Arc::new(tls),
            listener,
            local,
            congestion,
        };
        server.upkeep().await?;
        Ok(server)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The congestion control of its connections: `bbr` where the kernel has it.
    #[must_use]
    pub fn congestion(&self) -> &str {
        &self.congestion
    }

    /// Serves until `stop` is ready; answers on their way are finished.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (tell, told) = watch::channel(false);
        let nodes = listen::serve_tls(
            self.listener,
            Arc::clone(&self.tls),
            router(Arc::clone(&self.api)),
            told.clone(),
        );
        let operators = local::router(Arc::clone(&self.api));
        let operators = listen::serve_local(self.local, operators, told);
        let keeper = tokio::spawn(keep_up(Arc::clone(&self.api), Arc::clone(&self.own)));
        let ending = async {
            stop.await;
            // Nobody listens any more only if both have ended.
            let _ = tell.send(true);
        };
        tokio::join!(nodes, operators, ending);
        keeper.abort();
        let _ = std::fs::remove_file(self.api.context.home.socket());
    }

    async fn upkeep(&self) -> Result<(), Failure> {
        upkeep(&self.api, &self.own).await
    }
}

/// What nodes and caches reach.
fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/poll", post(poll::serve))
        .route("/v1/enroll", post(enrol::enrol))
        .route("/v1/renew", post(enrol::renew))
        .route("/v1/{folder}/{name}", get(statics::serve))
        .with_state(api)
}

async fn keep_up(api: Arc<Api>, own: Arc<OwnCertificate>) {
    let mut clock = tokio::time::interval(UPKEEP);
    clock.tick().await;
    loop {
        clock.tick().await;
        if let Err(failure) = upkeep(&api, &own).await {
            // The next round tries again; nodes go on with what is signed.
            tracing::error!(%failure, "upkeep");
        }
    }
}

/// Publishes what waits, signs the timestamp when it is a day old, and renews our certificate.
async fn upkeep(api: &Api, own: &OwnCertificate) -> Result<(), Failure> {
    let context = &api.context;
    publish_waiting(context.store.as_ref(), &context.repository)
        .await
        .map_err(Failure::of)?;
    renew_online(context, &Actor::server()).await?;
    own.renew(context.now_s()).map_err(Failure::of)
}

/// Host and port of a URL such as `https://deploy.example.cm:8443`.
fn host_and_port(url: &str) -> (&str, u16) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(443)),
        Some(_) | None => (rest, 443),
    }
}

/// The address to listen on when nobody says otherwise: the port of the controller's URL.
#[must_use]
pub fn default_listen(url: &str) -> String {
    format!("0.0.0.0:{}", host_and_port(url).1)
}

#[cfg(test)]
mod tests;
