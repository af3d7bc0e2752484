//! Each fault is what it says, once, and the log is exact.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Instant;

use super::*;
use crate::http::{Response, request};
use crate::world::Step;

const LENGTH: usize = 100_000;

fn content() -> Vec<u8> {
    (0..LENGTH)
        .map(|index| u8::try_from(index % 251).unwrap_or(0))
        .collect()
}

/// A host with one file that knows ranges and keeps its connections open.
fn host() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || while answer(&stream).is_ok() {});
        }
    });
    Ok(address)
}

fn answer(mut stream: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut range = None;
    loop {
        let mut line = String::new();
        anyhow::ensure!(reader.read_line(&mut line)? > 0);
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (start, end) = value.trim().split_once('-').context("range")?;
            range = Some((
                start.parse::<usize>()?,
                end.parse().unwrap_or(LENGTH - 1).min(LENGTH - 1),
            ));
        }
        if line == "\r\n" {
            break;
        }
    }
    let (start, end) = range.unwrap_or((0, LENGTH - 1));
    let body = &content()[start..=end];
    let head = match range {
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
        Some(_) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{end}/{LENGTH}\r\n"
        ),
    };
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
    stream.write_all(body)?;
    Ok(())
}

fn get(proxy: &FaultProxy, range: Option<&str>) -> Result<Response> {
    let headers: Vec<_> = range.iter().map(|range| ("range", *range)).collect();
    request("GET", &format!("{}/v1/pack/x", proxy.url()), &headers, b"")
}

/// A proxy with one fault that happens once.
fn once(fault: Fault) -> Result<FaultProxy> {
    let proxy = FaultProxy::start(host()?)?;
    proxy.add(Rule::on("/v1/pack/", fault).times(1));
    Ok(proxy)
}

#[test]
fn without_a_rule_every_byte_passes_and_is_counted() -> Result<()> {
    let proxy = FaultProxy::start(host()?)?;
    assert!(get(&proxy, None)?.body == content());
    let part = get(&proxy, Some("bytes=100-299"))?;
    assert_eq!((part.status, part.body.len()), (206, 200));
    // An exchange is written down when its last byte has gone, which may be after it was read here.
    let log = crate::world::eventually("two exchanges in the log", crate::world::PATIENCE, || {
        let log = proxy.log();
        Ok(if log.len() < 2 {
            Step::Waiting(log.len().to_string())
        } else {
            Step::Done(log)
        })
    })?;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    assert_eq!(
        (log[0].response_head, log[0].response_body),
        (head.len() as u64, 100_000)
    );
    assert_eq!(
        (log[1].range.as_deref(), log[1].status),
        (Some("bytes=100-299"), 206)
    );
    let totals = proxy.totals();
    assert_eq!((totals.requests, totals.bodies), (2, 100_200));
    assert_eq!(totals.sent, log[0].request_head + log[1].request_head);
    assert!(totals.wire() > totals.sent + totals.bodies);
    Ok(())
}

#[test]
fn a_cut_comes_at_its_byte_and_only_once() -> Result<()> {
    let proxy = once(Fault::CutAt { bytes: 70_001 })?;
    assert!(get(&proxy, None).is_err());
    assert_eq!(proxy.log()[0].response_body, 70_001);
    assert!(get(&proxy, None)?.body == content());
    Ok(())
}

#[test]
fn a_truncated_body_looks_whole() -> Result<()> {
    let proxy = once(Fault::Truncate { bytes: 5_000 })?;
    let short = get(&proxy, None)?;
    assert_eq!(
        (short.status, short.header("content-length")),
        (200, Some("5000"))
    );
    assert!(short.body == content()[..5_000]);
    Ok(())
}

#[test]
fn ranges_go_wrong_in_three_ways() -> Result<()> {
    let proxy = once(Fault::WholeForRange)?;
    // A request without a range does not use the rule up.
    assert_eq!(get(&proxy, None)?.body.len(), LENGTH);
    let whole = get(&proxy, Some("bytes=500-"))?;
    assert_eq!((whole.status, whole.body.len()), (200, LENGTH));

    let proxy = once(Fault::WrongRange {
        shift: 7,
        lies: false,
    })?;
    let other = get(&proxy, Some("bytes=500-599"))?;
    assert_eq!(other.header("content-range"), Some("bytes 507-606/100000"));
    assert!(other.body == content()[507..607]);

    let proxy = once(Fault::WrongRange {
        shift: -9,
        lies: true,
    })?;
    let other = get(&proxy, Some("bytes=500-599"))?;
    assert_eq!(other.header("content-range"), Some("bytes 500-599/100000"));
    assert!(other.body == content()[491..591]);
    Ok(())
}

#[test]
fn one_bit_of_the_file_is_wrong_whatever_the_range() -> Result<()> {
    let proxy = FaultProxy::start(host()?)?;
    proxy.add(Rule::on(
        "",
        Fault::FlipBit {
            offset: 600,
            bit: 3,
        },
    ));
    let mut expected = content();
    expected[600] ^= 8;
    assert!(get(&proxy, None)?.body == expected);
    assert!(get(&proxy, Some("bytes=550-700"))?.body == expected[550..=700]);
    assert!(get(&proxy, Some("bytes=601-700"))?.body == content()[601..=700]);
    proxy.heal();
    assert!(get(&proxy, None)?.body == content());
    Ok(())
}

#[test]
fn a_stall_ends_or_lasts_until_the_client_leaves() -> Result<()> {
    let pause = Some(Duration::from_millis(120));
    let proxy = once(Fault::Stall { bytes: 10, pause })?;
    let started = Instant::now();
    assert!(get(&proxy, None)?.body == content());
    assert!(started.elapsed() >= Duration::from_millis(120));

    let proxy = once(Fault::Stall {
        bytes: 1_000,
        pause: None,
    })?;
    let mut stream = TcpStream::connect(proxy.address())?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(b"GET /v1/pack/x HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut got = Vec::new();
    assert!(
        stream.read_to_end(&mut got).is_err(),
        "it neither goes on nor ends"
    );
    let body = got
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("head")?
        + 4;
    assert_eq!(got.len() - body, 1_000);
    Ok(())
}

#[test]
fn a_portal_and_a_busy_host_answer_for_every_path() -> Result<()> {
    let proxy = FaultProxy::start(host()?)?;
    proxy.add(
        Rule::on("", Fault::Unavailable { retry_after_s: 7 })
            .after(1)
            .times(1),
    );
    proxy.add(Rule::on("", Fault::CaptivePortal).times(1));
    let portal = get(&proxy, Some("bytes=5-"))?;
    assert_eq!(portal.status, 200);
    assert!(portal.text().contains("<html>"));
    let busy = get(&proxy, None)?;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("7")));
    assert!(get(&proxy, None)?.body == content());
    Ok(())
}
