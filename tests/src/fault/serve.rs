//! One client's connection, request after request, each passed on over one connection to the host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::sockopt::set_socket_linger;

use super::body::{Copier, Damage};
use super::{Entry, Fault, Shared};
use crate::http::{Framing, Head, next_head};

const PORTAL: &str = "<!doctype html><html><head><title>Bienvenue</title></head>\
<body><h1>Connectez-vous pour continuer</h1><form action=\"/login\"><input name=\"code\"></form></body></html>\n";

/// Serves a client until it leaves or a fault ends the connection.
pub(super) fn connection(shared: &Shared, client: &TcpStream) {
    let _delay = client.set_nodelay(true);
    let mut from_client = BufReader::new(client);
    let mut host = None;
    loop {
        let Ok(Some(request)) = Request::read(&mut from_client) else {
            break;
        };
        match exchange(shared, request, &mut from_client, client, &mut host) {
            Ok(Next::Go) => {}
            Ok(Next::Close) => break,
            Ok(Next::Reset) => {
                // The close that follows is the reset; a shutdown would say goodbye first.
                let _reset = set_socket_linger(client, Some(Duration::ZERO));
                forget(shared, client);
                return;
            }
            Ok(Next::Hold) => {
                // The client's end of the connection is the only way out.
                let _left = from_client.read(&mut [0]);
                break;
            }
            // The host failed, or the client left in the middle: what the client then sees is an end.
            Err(_) => break,
        }
    }
    // The proxy keeps a second handle to end the connection by, so closing this one is not enough.
    let _closed = client.shutdown(std::net::Shutdown::Both);
    forget(shared, client);
}

fn forget(shared: &Shared, client: &TcpStream) {
    let Ok(peer) = client.peer_addr() else { return };
    shared
        .lock()
        .open
        .retain(|open| open.peer_addr().ok() != Some(peer));
}

/// What becomes of the connection.
enum Next {
    Go,
    Close,
    Reset,
    Hold,
}

struct Request {
    bytes: Vec<u8>,
    head: Head,
}

impl Request {
    fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let bytes = next_head(from)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let head = Head::parse(&bytes)?;
        Ok(Some(Self { bytes, head }))
    }
}

fn exchange(
    shared: &Shared,
    request: Request,
    from_client: &mut impl BufRead,
    client: &TcpStream,
    host: &mut Option<BufReader<TcpStream>>,
) -> Result<Next> {
    let head = &request.head;
    let range = head.header("range").map(str::to_owned);
    let fault = shared.due(head.word(1), range.is_some());
    let mut body = Vec::new();
    let mut copier = Copier::new(&mut body, Damage::default());
    let _whole = copier.copy(from_client, Framing::of_request(head))?;
    let mut entry = Entry {
        method: head.word(0).to_owned(),
        path: head.word(1).to_owned(),
        range,
        status: 0,
        request_head: request.bytes.len() as u64,
        request_body: copier.written,
        response_head: 0,
        response_body: 0,
        fault: fault.clone(),
    };
    let result = match &fault {
        Some(Fault::CaptivePortal) => portal(client, &mut entry),
        Some(Fault::Unavailable { retry_after_s }) => {
            unavailable(client, &mut entry, *retry_after_s)
        }
        _ => pass(
            shared,
            &request,
            &body,
            fault.as_ref(),
            client,
            host,
            &mut entry,
        ),
    };
    if result.is_err() {
        *host = None;
    }
    shared.lock().log.push(entry);
    result
}

fn portal(client: &TcpStream, entry: &mut Entry) -> Result<Next> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        PORTAL.len()
    );
    answer(client, entry, 200, &head, PORTAL)
}

fn unavailable(client: &TcpStream, entry: &mut Entry, retry_after_s: u64) -> Result<Next> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {retry_after_s}\r\ncontent-length: 0\r\n\r\n"
    );
    answer(client, entry, 503, &head, "")
}

fn answer(
    mut client: &TcpStream,
    entry: &mut Entry,
    status: u16,
    head: &str,
    body: &str,
) -> Result<Next> {
    entry.status = status;
    client.write_all(head.as_bytes())?;
    entry.response_head = head.len() as u64;
    if entry.method != "HEAD" {
        client.write_all(body.as_bytes())?;
        entry.response_body = body.len() as u64;
    }
    Ok(Next::Go)
}

/// Asks the host and gives its answer on, with the fault done to it.
fn pass(
    shared: &Shared,
    request: &Request,
    body: &[u8],
    fault: Option<&Fault>,
    mut client: &TcpStream,
    host: &mut Option<BufReader<TcpStream>>,
    entry: &mut Entry,
) -> Result<Next> {
    let asked = request_bytes(request, fault);
    let stream = match host.take() {
        Some(open) => open,
        None => BufReader::new(TcpStream::connect(shared.upstream).context("the host")?),
    };
    let stream = host.insert(stream);
    stream.get_mut().write_all(&asked)?;
    stream.get_mut().write_all(body)?;
    let head_bytes = next_head(stream)?;
    anyhow::ensure!(!head_bytes.is_empty(), "the host closed without an answer");
    let head = Head::parse(&head_bytes)?;

    let shown = response_bytes(&head, &head_bytes, fault, entry.range.as_deref());
    entry.status = head.word(1).parse().unwrap_or(0);
    client.write_all(&shown)?;
    entry.response_head = shown.len() as u64;

    let framing = Framing::of_response(&head, &entry.method);
    let mut copier = Copier::new(&mut client, damage(fault, &head));
    let copied = copier.copy(stream, framing);
    entry.response_body = copier.written;
    match (copied, fault) {
        (Ok(std::ops::ControlFlow::Continue(())), _) => {}
        (_, Some(Fault::Stall { pause: None, .. })) => {
            *host = None;
            return Ok(Next::Hold);
        }
        (Ok(_), Some(Fault::CutAt { .. })) => {
            *host = None;
            return Ok(Next::Reset);
        }
        // Cut short with a length that fits: the connection goes on, the host's does not.
        (Ok(_), _) => {
            *host = None;
            return Ok(Next::Go);
        }
        (Err(error), _) => return Err(error),
    }
    let closes = |head: &Head| {
        head.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    };
    if closes(&head) || closes(&request.head) || framing == Framing::UntilClose {
        *host = None;
        return Ok(Next::Close);
    }
    Ok(Next::Go)
}

fn damage(fault: Option<&Fault>, head: &Head) -> Damage {
    let mut damage = Damage::default();
    match fault {
        Some(Fault::CutAt { bytes } | Fault::Truncate { bytes }) => damage.stop_at = Some(*bytes),
        Some(Fault::Stall { bytes, pause }) => damage.stall_at = Some((*bytes, *pause)),
        Some(Fault::FlipBit { offset, bit }) => {
            // The first byte of this body is that byte of the file.
            let start = head
                .header("content-range")
                .and_then(range_start)
                .unwrap_or(0);
            damage.flip = offset.checked_sub(start).map(|at| (at, *bit));
        }
        Some(
            Fault::WrongRange { .. }
            | Fault::WholeForRange
            | Fault::CaptivePortal
            | Fault::Unavailable { .. },
        )
        | None => {}
    }
    damage
}

/// The start of `bytes 100-199/2000` or of `bytes=100-`.
fn range_start(range: &str) -> Option<u64> {
    let digits = range
        .trim()
        .strip_prefix("bytes")?
        .trim_start_matches([' ', '=']);
    digits.split('-').next()?.parse().ok()
}

/// The request as the host gets it.
fn request_bytes(request: &Request, fault: Option<&Fault>) -> Vec<u8> {
    match fault {
        Some(Fault::WholeForRange) => with_header(&request.bytes, "range", None),
        Some(Fault::WrongRange { shift, .. }) => {
            let moved = request
                .head
                .header("range")
                .and_then(|range| moved(range, *shift));
            moved.map_or_else(
                || request.bytes.clone(),
                |range| with_header(&request.bytes, "range", Some(&range)),
            )
        }
        _ => request.bytes.clone(),
    }
}

/// `bytes=100-199` a little later or earlier.
fn moved(range: &str, shift: i64) -> Option<String> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse::<u64>().ok()?.saturating_add_signed(shift);
    let end = end
        .parse::<u64>()
        .ok()
        .map(|end| end.saturating_add_signed(shift).to_string());
    Some(format!("bytes={start}-{}", end.unwrap_or_default()))
}

/// The answer's head as the client gets it.
fn response_bytes(
    head: &Head,
    bytes: &[u8],
    fault: Option<&Fault>,
    asked: Option<&str>,
) -> Vec<u8> {
    match fault {
        Some(Fault::Truncate { bytes: length }) => {
            let length = head
                .content_length()
                .map_or(*length, |whole| whole.min(*length));
            with_header(bytes, "content-length", Some(&length.to_string()))
        }
        Some(Fault::WrongRange { lies: true, .. }) => {
            let claim = head
                .header("content-range")
                .zip(asked)
                .and_then(|(found, asked)| claim(found, asked));
            claim.map_or_else(
                || bytes.to_vec(),
                |claim| with_header(bytes, "content-range", Some(&claim)),
            )
        }
        _ => bytes.to_vec(),
    }
}

/// `Content-Range` for the range that was asked for, as long as the one that is sent.
fn claim(found: &str, asked: &str) -> Option<String> {
    let (range, total) = found.strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let length = end.parse::<u64>().ok()?.checked_sub(start.parse().ok()?)?;
    let start = range_start(asked)?;
    Some(format!("bytes {start}-{}/{total}", start + length))
}

/// A head with one header replaced or left out.
fn with_header(head: &[u8], name: &str, value: Option<&str>) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut out = String::new();
    for line in text.split_inclusive("\r\n") {
        let is_it = line
            .split_once(':')
            .is_some_and(|(found, _)| found.trim().eq_ignore_ascii_case(name));
        match (is_it, value) {
            (false, _) => out.push_str(line),
            (true, Some(value)) => out.push_str(&format!("{name}: {value}\r\n")),
            (true, None) => {}
        }
    }
    out.into_bytes()
}
