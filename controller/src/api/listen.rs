//! Accepting connections: over TLS, where the client's certificate travels with each request to the
//! endpoint that decides, and on the local socket. Ends politely when it is told to.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

use super::authority::{Identity, identity};
use super::error::ApiError;

/// Connections at the same time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16_384;
/// A handshake over a bad link may take so long.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// A connection may be idle, or take to send a request's head, for so long.
const IDLE: Duration = Duration::from_secs(90);
/// What a connection keeps of a request's head and of an answer, bytes.
const BUFFER_BYTES: usize = 32 * 1024;
/// When we end, answers that are on their way have so long.
const FAREWELL: Duration = Duration::from_secs(10);
/// After a fault of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// What its certificate says, if it has one of ours.
    pub identity: Option<Identity>,
    /// The user at the other end of the local socket.
    pub user_id: Option<u32>,
}

/// Tells every connection when to end.
pub(super) type Stop = watch::Receiver<bool>;

/// Listens on a TCP address, with BBR where the kernel has it: at 20 % loss the usual algorithm
/// never ends a transfer that BBR does. Gives the algorithm that holds.
pub(super) async fn bind(address: &str) -> Result<(TcpListener, String), ApiError> {
    let listener = TcpListener::bind(address).await.map_err(|cause| {
        let address = address.to_owned();
        if cause.kind() == std::io::ErrorKind::AddrInUse {
            ApiError::Taken { address }
        } else {
            ApiError::Listen { address, cause }
        }
    })?;
    // Sockets that are accepted inherit it.
    if let Err(error) = rustix::net::sockopt::set_tcp_congestion(&listener, "bbr") {
        tracing::debug!(%error, "no BBR");
    }
    let algorithm = rustix::net::sockopt::tcp_congestion(&listener).unwrap_or_default();
    Ok((listener, algorithm))
}

/// Serves TLS connections until it is told to stop.
pub(super) async fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    router: Router,
    mut stop: Stop,
) {
    let acceptor = TlsAcceptor::from(config);
    let (turns, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    while let Some((stream, turn)) = next(&turns, &mut stop, || listener.accept()).await {
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            tls_connection(stream, acceptor, router, stop).await;
            drop(turn);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    farewell(connections).await;
}

/// Serves the local socket until it is told to stop.
pub(super) async fn serve_local(listener: UnixListener, router: Router, mut stop: Stop) {
    let (turns, mut connections) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    while let Some((stream, turn)) = next(&turns, &mut stop, || listener.accept()).await {
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let user_id = UnixStream::peer_cred(&stream).ok().map(|user| user.uid());
            let peer = Peer {
                identity: None,
                user_id,
            };
            http(stream, peer, router, stop).await;
            drop(turn);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    farewell(connections).await;
}

/// The next connection and its turn; none when it is time to stop.
async fn next<S, A, F>(
    turns: &Arc<Semaphore>,
    stop: &mut Stop,
    accept: impl Fn() -> F,
) -> Option<(S, tokio::sync::OwnedSemaphorePermit)>
where
    F: Future<Output = std::io::Result<(S, A)>>,
{
    loop {
        let turn = tokio::select! {
            turn = Arc::clone(turns).acquire_owned() => turn.ok()?,
            () = told(stop) => return None,
        };
        tokio::select! {
            accepted = accept() => match accepted {
                Ok((stream, _)) => return Some((stream, turn)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = told(stop) => return None,
        }
    }
}

/// Ready when it is time to stop, or when nobody can say so any more.
async fn told(stop: &mut Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn farewell(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(FAREWELL, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn tls_connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router, stop: Stop) {
    // Small answers must not wait for company.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS");
            return;
        }
        Err(_) => return,
    };
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    let peer = Peer {
        identity: certificate.and_then(identity),
        user_id: None,
    };
    http(stream, peer, router, stop).await;
}

async fn http<S>(stream: S, peer: Peer, router: Router, mut stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broken");
    }
}

async fn answer(mut router: Router, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    router.call(request).await
}
