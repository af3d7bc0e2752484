//! The server against real clients: a founded repository, a listening server, nodes with keys.

mod files;
mod joining;
mod operators;
mod polling;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll as TaskPoll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use sanaga_proto::code::{self, Code};
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, NodeKeyId};
use sanaga_proto::trust::{KeyKind, MemorySigner, Signer as _, add_signature};
use sanaga_proto::wire::document::Bytes as Octets;
use sanaga_proto::wire::enrol::{EnrolRequest, Refusal, Token, Welcome};
use sanaga_proto::wire::poll::{Answer, AppStatus, Poll, short_digest};
use sanaga_proto::wire::{Document, envelope, poll_body};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::*;
use crate::fleet::{Price, Sqlite};
use crate::home::Home;
use crate::keys::ceremony::Founders;
use crate::ops::{Draft, Founding, MakeToken, found, perform};
use crate::repository::Repository;
use crate::server_keys::ServerKeys;

/// A running controller.
struct World {
    _folder: tempfile::TempDir,
    context: Arc<Context>,
    clock: Arc<AtomicU64>,
    address: SocketAddr,
    ca: Vec<u8>,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<()>,
}

fn real_now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

async fn context(home: Home, clock: Arc<AtomicU64>) -> Arc<Context> {
    home.create().unwrap();
    let keys = ServerKeys::create(&home.server(), "Pharma Plus").unwrap();
    let ada = MemorySigner::generate(KeyKind::Ed25519).unwrap();
    let founding = Founding {
        name: "Pharma Plus".to_owned(),
        url: "https://127.0.0.1:8443".to_owned(),
        content_urls: Vec::new(),
        price: Price {
            thousandths_per_mb: 1_000,
            currency: "XAF".to_owned(),
        },
        founders: Founders::One(ada.public().clone()),
    };
    let now_s = i64::try_from(clock.load(Ordering::Relaxed)).unwrap();
    let mut draft = Draft::of(&founding, &keys, now_s).unwrap();
    for file in &mut draft.files {
        file.bytes = add_signature(&file.bytes, &ada).unwrap();
    }
    let store = Arc::new(Sqlite::open(&home.database()).unwrap());
    let repository = Repository::local(&home.public().join("v1")).unwrap();
    let now_s = move || clock.load(Ordering::Relaxed);
    let context = Context::new(store, repository, home, keys, now_s);
    let actor = Actor::owner("ada");
    found(&context, &actor, &founding, draft).await.unwrap();
    Arc::new(context)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(real_now_s()));
        let context = context(Home::at(folder.path().join("c")), Arc::clone(&clock)).await;
        let server = Server::bind(Arc::clone(&context), "127.0.0.1:0")
            .await
            .unwrap();
        let address = server.address().unwrap();
        let ca = server.api.authority.certificate().to_vec();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            _folder: folder,
            context,
            clock,
            address,
            ca,
            stop: Some(stop),
            ended,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn token(&self, node: &str, replace: bool) -> Token {
        let request = MakeToken {
            node: node.parse().unwrap(),
            site: "douala-akwa".parse().unwrap(),
            environment: "dev".parse().unwrap(),
            valid_h: 24,
            replace,
        };
        let made = perform(&self.context, &Actor::owner("ada"), request).await;
        Token::from_text(&made.unwrap().token).unwrap()
    }

    /// A node that has joined.
    async fn node(&self, name: &str) -> Node {
        let token = self.token(name, false).await;
        let mut node = Node::new();
        let answer = self.post("/v1/enroll", node.enrol(&token), None).await;
        node.certificate = welcome(&answer).certificate.0;
        node
    }

    fn tls(&self, node: Option<&Node>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.clone())).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match node {
            Some(node) => {
                let key = PrivatePkcs8KeyDer::from(node.tls_key.serialize_der());
                let chain = vec![CertificateDer::from(node.certificate.clone())];
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key))
                    .unwrap()
            }
            None => builder.with_no_client_auth(),
        })
    }

    /// One request on a connection of its own.
    async fn exchange(&self, tls: Arc<ClientConfig>, request: Request<Full<Bytes>>) -> Exchange {
        let (tcp, on_tcp) = Counted::new(TcpStream::connect(self.address).await.unwrap());
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(tls).connect(name, tcp).await.unwrap();
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let (stream, in_http) = Counted::new(stream);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        drop(sender);
        connection.await.unwrap().unwrap();
        Exchange {
            answer: Response::from_parts(head, body),
            http_bytes: in_http.load(Ordering::Relaxed),
            tcp_bytes: on_tcp.load(Ordering::Relaxed),
            resumed,
        }
    }

    async fn post(&self, path: &str, body: Vec<u8>, node: Option<&Node>) -> Response<Bytes> {
        self.exchange(self.tls(node), posting(path, body))
            .await
            .answer
    }

    async fn poll(&self, node: &Node, poll: &Poll) -> Response<Bytes> {
        self.post("/v1/poll", poll.to_bytes(), Some(node)).await
    }

    async fn end(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended.await.unwrap();
    }
}

/// What one request cost and brought.
struct Exchange {
    answer: Response<Bytes>,
    http_bytes: u64,
    tcp_bytes: u64,
    resumed: bool,
}

/// As reqwest sends it.
fn posting(path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("accept", "*/*")
        .header("host", "127.0.0.1:8443")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

fn welcome(answer: &Response<Bytes>) -> Welcome {
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    Welcome::from_bytes(answer.body()).unwrap()
}

/// The code and words of a refusal.
fn refusal(answer: &Response<Bytes>) -> (Code, BTreeMap<String, String>) {
    let refusal = Refusal::from_bytes(answer.body()).unwrap();
    let code = code::ALL
        .iter()
        .find(|code| u64::from(code.number) == refusal.code);
    (*code.unwrap(), refusal.args.into_iter().collect())
}

fn refused_with(answer: &Response<Bytes>) -> Code {
    assert_eq!(
        answer.status(),
        StatusCode::FORBIDDEN,
        "{:?}",
        answer.body()
    );
    refusal(answer).0
}

/// A machine, as far as the controller sees it.
struct Node {
    key: MemorySigner,
    tls_key: rcgen::KeyPair,
    certificate: Vec<u8>,
    held: BTreeMap<String, Vec<u8>>,
    apps: Vec<AppStatus>,
}

impl Node {
    fn new() -> Self {
        Self {
            key: MemorySigner::generate(KeyKind::Ed25519).unwrap(),
            tls_key: rcgen::KeyPair::generate().unwrap(),
            certificate: vec![],
            held: BTreeMap::new(),
            apps: vec![],
        }
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.public().raw().try_into().unwrap()
    }

    fn key_id(&self) -> NodeKeyId {
        Digest::of(&self.public_key())
    }

    fn csr(&self) -> Octets {
        let params = rcgen::CertificateParams::default();
        Octets(
            params
                .serialize_request(&self.tls_key)
                .unwrap()
                .der()
                .to_vec(),
        )
    }

    fn enrol(&self, token: &Token) -> Vec<u8> {
        let request = EnrolRequest {
            secret: token.secret,
            node_key: self.public_key(),
            csr: self.csr(),
        };
        envelope::seal(&request, &self.key).unwrap()
    }

    fn asks(&self) -> Poll {
        Poll {
            node_key: self.key_id(),
            root_version: 1,
            held: self
                .held
                .iter()
                .map(|(name, bytes)| (name.clone(), short_digest(bytes)))
                .collect(),
            apps: self.apps.clone(),
            delivery: None,
            agent: "0.1.0".to_owned(),
            full: vec![],
        }
    }

    /// Reads an answer and keeps its documents.
    fn hears(&mut self, answer: &Response<Bytes>) -> Answer {
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
        let held: Vec<&[u8]> = self.held.values().map(Vec::as_slice).collect();
        let read = poll_body::decode(answer.body(), &held).unwrap();
        for (name, bytes) in &read.documents {
            self.held.insert(name.clone(), bytes.0.clone());
        }
        read
    }
}

/// Counts the bytes of both directions.
struct Counted<S> {
    inner: S,
    bytes: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    fn new(inner: S) -> (Self, Arc<AtomicU64>) {
        let bytes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&bytes);
        (Self { inner, bytes }, counter)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> TaskPoll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> TaskPoll<std::io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let TaskPoll::Ready(Ok(written)) = &done {
            self.bytes.fetch_add(*written as u64, Ordering::Relaxed);
        }
        done
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> TaskPoll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> TaskPoll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[test]
fn a_url_gives_host_and_port() {
    assert_eq!(host_and_port("https://a.cm:8443"), ("a.cm", 8_443));
    assert_eq!(host_and_port("https://a.cm/x"), ("a.cm", 443));
    assert_eq!(host_and_port("https://[::1]:9"), ("[::1]", 9));
    assert_eq!(host_and_port("https://[::1]"), ("[::1]", 443));
    assert_eq!(default_listen("https://a.cm:8443"), "0.0.0.0:8443");
}

#[tokio::test]
async fn a_taken_port_is_said_and_nothing_is_left_behind() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let other = context(Home::at(folder.path().join("c")), Arc::clone(&world.clock)).await;
    let failure: Failure = Server::bind(Arc::clone(&other), &world.address.to_string())
        .await
        .unwrap_err();
    assert_eq!(
        sanaga_proto::failure::Coded::code(&failure),
        code::PORT_TAKEN
    );
    assert!(!other.home.socket().exists());
    let socket = world.context.home.socket();
    assert!(socket.exists());
    let address = world.address;
    world.end().await;
    assert!(!socket.exists());
    assert!(TcpStream::connect(address).await.is_err());
}
