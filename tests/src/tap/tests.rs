//! The tap against a real TLS server that wants a client certificate, and the parsers byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, StreamOwned};

use super::parse::Event;
use super::*;
use crate::world::{PATIENCE, Step, eventually};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: Vec<u8>,
}

fn authority() -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem().into_bytes();
    let issuer = Issuer::new(params, key);
    Ok(Authority { issuer, pem })
}

impl Authority {
    fn identity(&self, name: &str) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        })
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in chain(&self.pem)? {
            roots.add(certificate)?;
        }
        Ok(roots)
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers every request of every connection, but only to clients with a certificate.
fn server(authority: &Authority, identity: &Identity) -> Result<SocketAddr> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = Arc::new(authority.roots()?);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&identity.chain_pem)?, key(&identity.key_pem)?)?;
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(session) = rustls::ServerConnection::new(Arc::clone(&config)) else {
                continue;
            };
            let mut stream = StreamOwned::new(session, stream);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    if stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

fn ask(config: &Arc<ClientConfig>, tap: &Tap, requests: &[&[u8]]) -> Result<()> {
    let session = ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(session, StdStream::connect(tap.address())?);
    for request in requests {
        stream.write_all(request)?;
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, ANSWER);
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

#[test]
fn heads_and_bodies_are_counted_before_tls() -> Result<()> {
    let authority = authority()?;
    let identity = authority.identity("localhost")?;
    let tap = Tap::start(&Plan {
        upstream: server(&authority, &identity)?,
        server_name: "localhost".to_owned(),
        server: identity,
        ca_pem: authority.pem.clone(),
        client: Some(authority.identity("node")?),
        protocols: vec!["http/1.1".to_owned()],
    })?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(authority.roots()?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);

    let poll = b"POST /v1/poll HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let get = b"GET /v1/pack HTTP/1.1\r\nhost: x\r\n\r\n";
    ask(&config, &tap, &[poll, get])?;
    let exchanges = tap.exchanges();
    assert_eq!(exchanges.len(), 2);
    let expected = Exchange {
        method: "POST".to_owned(),
        path: "/v1/poll".to_owned(),
        status: 200,
        request_head: poll.len() as u64 - 3,
        request_body: 3,
        response_head: ANSWER.len() as u64 - 5,
        response_body: 5,
    };
    assert_eq!(exchanges[0], expected);
    assert_eq!(
        (exchanges[1].path.as_str(), exchanges[1].request_body),
        ("/v1/pack", 0)
    );
    let tally = tap.tally();
    assert_eq!(tally.sent, (poll.len() + get.len()) as u64);
    assert_eq!(tally.received, 2 * ANSWER.len() as u64);
    assert!(tally.tls_sent > tally.sent && tally.tls_received > tally.received);

    ask(&config, &tap, &[get])?;
    let tally = eventually("the second connection", PATIENCE, || {
        let tally = tap.tally();
        Ok(if tally.requests == 3 {
            Step::Done(tally)
        } else {
            Step::Waiting(format!("{tally:?}"))
        })
    })?;
    assert_eq!((tally.connections, tally.resumed), (2, 1));
    Ok(())
}

/// Feeds a connection in pieces of every size and gives the exchanges, which must not depend on it.
fn metered(is_h2: bool, sent: &[u8], received: &[u8]) -> (Vec<Exchange>, Tally) {
    let mut results = (1..=sent.len().max(received.len())).map(|size| {
        let shared = Shared::default();
        let mut meter = Meter::new(is_h2, Arc::clone(&shared));
        sent.chunks(size).for_each(|piece| meter.sent(piece));
        received
            .chunks(size)
            .for_each(|piece| meter.received(piece));
        let state = lock(&shared);
        (state.exchanges.clone(), state.tally)
    });
    let first = results.next().unwrap();
    assert!(results.all(|other| other == first));
    first
}

#[test]
fn chunked_empty_and_interim_answers_are_told_apart() {
    let sent = b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n";
    let received = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let (exchanges, tally) = metered(false, sent, received);
    let told: Vec<_> = exchanges
        .iter()
        .map(|e| (e.path.as_str(), e.status, e.request_body, e.response_body))
        .collect();
    assert_eq!(
        told,
        [("/a", 200, 0, 13), ("/b", 200, 0, 0), ("/c", 204, 12, 0)]
    );
    let sums: u64 = exchanges
        .iter()
        .map(|e| e.request_head + e.request_body + e.response_head + e.response_body)
        .sum();
    assert_eq!(sums, tally.wire());
}

#[test]
fn frames_of_http2_go_to_their_streams() {
    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut bytes = vec![0, 0, length, kind, 0, 0, 0, 0, stream];
        bytes.extend_from_slice(payload);
        bytes
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let sent = [
        preface,
        frame(4, 0, b""),
        frame(1, 1, b"hh"),
        frame(0, 1, b"body!"),
        frame(1, 3, b"h"),
    ]
    .concat();
    let received = [
        frame(4, 0, b"123456"),
        frame(1, 3, b"abc"),
        frame(0, 1, b"xy"),
        frame(8, 0, b"1234"),
    ]
    .concat();
    let (exchanges, tally) = metered(true, &sent, &received);
    assert_eq!(tally.requests, 2);
    let told: Vec<_> = exchanges
        .iter()
        .map(|e| {
            (
                e.request_head,
                e.request_body,
                e.response_head,
                e.response_body,
            )
        })
        .collect();
    assert_eq!(told, [(9 + 2 + 9, 5, 9, 2), (9 + 1, 0, 9 + 3, 0)]);
    assert_eq!(tally.overhead, 24 + 9 + 15 + 13);
    assert_eq!(
        (tally.sent, tally.received),
        (sent.len() as u64, received.len() as u64)
    );
}

#[test]
fn a_head_that_is_not_http_is_still_counted() {
    let mut parser = parse::Http1::new();
    let mut bytes = b"no colon here\r\nat all\r\n\r\nmore"
        .iter()
        .copied()
        .collect();
    assert_eq!(parser.next(&mut bytes), Some(Event::Body(25)));
    assert_eq!(parser.next(&mut bytes), Some(Event::Body(4)));
}
