//! What goes through a TLS connection, counted before TLS: a proxy that ends the client's TLS with
//! the server's own certificate and key, looks at the plain bytes, and encrypts them again.
//!
//! The client's certificate cannot be passed on, so the tap shows one of its own to the server: give
//! it the node's. It does not ask the client for one, and its session tickets are its own, so the
//! bytes of TCP and TLS that it counts are not those of the real server: count these with
//! [`crate::link`], which touches nothing.

mod io;
mod meter;
mod parse;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use io::Counted;
use meter::Meter;

/// A certificate chain and its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The leaf first.
    pub chain_pem: Vec<u8>,
    /// PKCS#8.
    pub key_pem: Vec<u8>,
}

/// What a tap needs to stand between.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The real server.
    pub upstream: SocketAddr,
    /// The name in its certificate.
    pub server_name: String,
    /// What the tap shows to clients: the real server's.
    pub server: Identity,
    /// The authority that the real server's certificate comes from, in PEM.
    pub ca_pem: Vec<u8>,
    /// What the tap shows to the real server: the node's.
    pub client: Option<Identity>,
    /// The protocols that the server offers, best first: `h2`, `http/1.1`.
    pub protocols: Vec<String>,
}

/// One request and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The method; empty for HTTP/2, whose heads are compressed.
    pub method: String,
    /// The path; empty for HTTP/2.
    pub path: String,
    /// The status; 0 for HTTP/2, and where no answer came.
    pub status: u16,
    /// Bytes of the request's head; for HTTP/2 of its HEADERS frames and the heads of its DATA frames.
    pub request_head: u64,
    /// Bytes of the request's body.
    pub request_body: u64,
    /// Bytes of the answer's head.
    pub response_head: u64,
    /// Bytes of the answer's body.
    pub response_body: u64,
}

/// Sums over all connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections whose handshake succeeded.
    pub connections: u64,
    /// Those of them that resumed a session.
    pub resumed: u64,
    /// Requests.
    pub requests: u64,
    /// Plain bytes from the client: heads, bodies, and the framing of HTTP/2.
    pub sent: u64,
    /// Plain bytes to the client.
    pub received: u64,
    /// Of these, bytes of HTTP/2 that belong to no request: preface, SETTINGS, WINDOW_UPDATE …
    pub overhead: u64,
    /// Bytes of TLS from the client.
    pub tls_sent: u64,
    /// Bytes of TLS to the client.
    pub tls_received: u64,
}

impl Tally {
    /// Heads and bodies, both ways, before TLS: *bytes on the wire*.
    #[must_use]
    pub fn wire(&self) -> u64 {
        self.sent + self.received
    }
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    exchanges: Vec<Exchange>,
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running tap. Dropping it ends its connections and frees the port.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When a certificate or key is not usable, or no port or thread can be had.
    pub fn start(plan: &Plan) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(
            server_config(plan).context("the tap's side to the client")?,
        ));
        let ends = Arc::new(Ends {
            upstream: plan.upstream,
            name: ServerName::try_from(plan.server_name.clone()).context("the server's name")?,
            config: client_config(plan).context("the tap's side to the server")?,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let shared = Shared::default();
        let (stop, stopped) = oneshot::channel();
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("tap".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(&listener, &acceptor, &ends, &inner) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sums so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        lock(&self.shared).tally
    }

    /// Every request so far, in order of arrival.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared).exchanges.clone()
    }

    /// Forgets what was counted. Only between requests: an open one would be counted from here.
    pub fn clear(&self) {
        *lock(&self.shared) = State::default();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

struct Ends {
    upstream: SocketAddr,
    name: ServerName<'static>,
    config: ClientConfig,
}

fn server_config(plan: &Plan) -> Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain(&plan.server.chain_pem)?, key(&plan.server.key_pem)?)?;
    config.alpn_protocols = plan
        .protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

fn client_config(plan: &Plan) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(&plan.ca_pem)? {
        roots.add(certificate)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots);
    Ok(match &plan.client {
        Some(identity) => {
            builder.with_client_auth_cert(chain(&identity.chain_pem)?, key(&identity.key_pem)?)?
        }
        None => builder.with_no_client_auth(),
    })
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!chain.is_empty(), "no certificate in the PEM");
    Ok(chain)
}

fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).context("a private key in PEM")
}

async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor, ends: &Arc<Ends>, shared: &Shared) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let (acceptor, ends, shared) = (acceptor.clone(), Arc::clone(ends), Arc::clone(shared));
        tokio::spawn(async move {
            // What fails here the client sees as a closed connection, as it would without the tap.
            if let Err(error) = connection(client, &acceptor, &ends, &shared).await {
                eprintln!("tap: {error:#}");
            }
        });
    }
}

async fn connection(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    ends: &Ends,
    shared: &Shared,
) -> Result<()> {
    client.set_nodelay(true)?;
    let counted = Counted::new(client, Arc::clone(shared));
    let client = acceptor
        .accept(counted)
        .await
        .context("the client's handshake")?;
    let (_, session) = client.get_ref();
    let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    {
        let tally = &mut lock(shared).tally;
        tally.connections += 1;
        tally.resumed += u64::from(resumed);
    }

    // The server is asked for what the client was promised.
    let mut config = ends.config.clone();
    config.alpn_protocols = protocol.iter().cloned().collect();
    let server = TcpStream::connect(ends.upstream)
        .await
        .context("the server")?;
    server.set_nodelay(true)?;
    let server = TlsConnector::from(Arc::new(config))
        .connect(ends.name.clone(), server)
        .await
        .context("the server's handshake")?;

    let meter = Mutex::new(Meter::new(
        protocol.as_deref() == Some(b"h2"),
        Arc::clone(shared),
    ));
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::join!(
        relay(from_client, to_server, |bytes| meter_of(&meter).sent(bytes)),
        relay(from_server, to_client, |bytes| meter_of(&meter)
            .received(bytes)),
    );
    Ok(())
}

fn meter_of(meter: &Mutex<Meter>) -> MutexGuard<'_, Meter> {
    meter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies until one end closes; how it closed is passed on as a plain end.
async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut count: impl FnMut(&[u8]),
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let piece = buffer.get(..read).unwrap_or_default();
        count(piece);
        if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _closed = to.shutdown().await;
}

#[cfg(test)]
mod tests;
