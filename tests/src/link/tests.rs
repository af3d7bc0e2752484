//! The emulator is an instrument: its counts, its cut points and its rate must be right.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use anyhow::bail;

use super::*;
use crate::seed::Rng;

/// A server that reads one line "FROM\n" and sends the bytes of `content` from there on.
fn server(content: Arc<Vec<u8>>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let content = Arc::clone(&content);
            std::thread::spawn(move || answer(stream, &content));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, content: &[u8]) -> Result<()> {
    let mut line = String::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
        line.push(char::from(byte[0]));
    }
    let from: usize = line.trim().parse()?;
    stream.write_all(&content[from..])?;
    Ok(())
}

/// Fetches everything through the link, going on where it was after each cut.
fn fetch(link: &Link, length: usize) -> Result<Vec<u8>> {
    let mut got = Vec::new();
    let mut tries = 0;
    while got.len() < length {
        tries += 1;
        if tries > 10_000 {
            bail!("{} of {length} bytes after {tries} connections", got.len());
        }
        let Ok(mut stream) = TcpStream::connect(link.address()) else {
            continue;
        };
        if stream
            .write_all(format!("{}\n", got.len()).as_bytes())
            .is_err()
        {
            continue;
        }
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            got.extend_from_slice(&buffer[..read]);
        }
    }
    Ok(got)
}

fn noise(length: usize) -> Arc<Vec<u8>> {
    let mut content = vec![0; length];
    Rng::new(1).fill(&mut content);
    Arc::new(content)
}

/// The counts of a link that has nothing left on the way.
fn settled(link: &Link) -> Result<Counts> {
    link.wait(
        "all is delivered or dropped",
        Duration::from_secs(10),
        |counts| {
            [counts.up, counts.down]
                .iter()
                .all(|flow| flow.taken == flow.delivered + flow.dropped)
        },
    )
}

#[test]
fn a_perfect_link_changes_nothing_and_counts_every_byte() -> Result<()> {
    let content = noise(3_000_000);
    let link = Link::start(server(Arc::clone(&content))?, Plan::new(1))?;
    assert!(fetch(&link, content.len())? == *content);
    let counts = settled(&link)?;
    assert_eq!(
        (counts.down.delivered, counts.up.delivered, counts.cuts),
        (3_000_000, 2, 0)
    );
    assert_eq!(link.connections()[0].down, counts.down);
    Ok(())
}

#[test]
fn cuts_come_at_their_exact_bytes_and_lose_what_was_queued() -> Result<()> {
    let content = noise(400_000);
    let points = vec![1, 1_000, 65_537, 300_000];
    let link = Link::start(
        server(Arc::clone(&content))?,
        Plan::new(1).cuts(Cuts::At(points.clone())),
    )?;
    assert!(fetch(&link, content.len())? == *content);
    let counts = settled(&link)?;
    assert_eq!(counts.cuts, 4);
    // The client goes on from the byte that it had: nothing is delivered twice, whatever was lost.
    assert_eq!(counts.down.delivered, 400_000);
    assert!(counts.down.dropped > 0);
    let mut total = 0;
    let ends: Vec<u64> = link
        .connections()
        .iter()
        .filter(|connection| connection.end == End::Cut)
        .map(|connection| {
            total += connection.down.delivered;
            total
        })
        .collect();
    assert_eq!(ends, points);
    Ok(())
}

#[test]
fn the_same_seed_cuts_at_the_same_bytes() -> Result<()> {
    let content = noise(200_000);
    let address = server(Arc::clone(&content))?;
    let run = |seed| -> Result<Vec<u64>> {
        let link = Link::start(
            address,
            Plan::new(seed)
                .cuts(Cuts::Gap(5_000..=40_000))
                .rate(80_000_000),
        )?;
        assert!(fetch(&link, content.len())? == *content);
        Ok(link
            .connections()
            .iter()
            .map(|connection| connection.down.delivered)
            .collect())
    };
    let first = run(5)?;
    assert!(first.len() > 5, "{first:?}");
    assert_eq!(first, run(5)?);
    assert_ne!(first, run(6)?);
    assert_eq!(
        Cuts::random(3, 200, 5_000_000),
        Cuts::random(3, 200, 5_000_000)
    );
    Ok(())
}

#[test]
fn rate_and_delay_are_what_was_asked_for() -> Result<()> {
    let content = noise(50_000);
    let link = Link::start(
        server(Arc::clone(&content))?,
        Plan::new(1).rate(400_000).delay_ms(100),
    )?;
    let started = Instant::now();
    assert!(fetch(&link, content.len())? == *content);
    // 50,000 bytes at 50,000 bytes a second, and the delay once up and once down. A loaded machine
    // may take longer, never less.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(1_190), "{took:?}");

    link.set_rate_unlimited();
    link.set_delay_ms(0);
    let started = Instant::now();
    assert!(fetch(&link, content.len())? == *content);
    assert!(started.elapsed() < took);
    Ok(())
}

#[test]
fn down_refuses_up_lets_in_and_frozen_loses_nothing() -> Result<()> {
    let content = noise(100_000);
    let link = Link::start(server(Arc::clone(&content))?, Plan::new(1))?;
    link.down();
    let mut stream = TcpStream::connect(link.address())?;
    assert!(
        stream
            .write_all(b"0\n")
            .and_then(|()| stream.read(&mut [0; 8]))
            .is_err()
    );
    assert_eq!((link.counts().refused, link.counts().connections), (1, 0));
    link.up();

    link.freeze();
    let mut stream = TcpStream::connect(link.address())?;
    stream.write_all(b"0\n")?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    assert!(
        stream.read(&mut [0; 8]).is_err(),
        "nothing comes while it is frozen"
    );
    link.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut got = Vec::new();
    stream.read_to_end(&mut got)?;
    assert!(got == *content);
    Ok(())
}

#[test]
fn a_silent_cut_leaves_the_client_waiting() -> Result<()> {
    let content = noise(100_000);
    let plan = Plan::new(1)
        .cuts(Cuts::At(vec![40_000]))
        .cut_mode(CutMode::Silent);
    let link = Link::start(server(Arc::clone(&content))?, plan)?;
    let mut stream = TcpStream::connect(link.address())?;
    stream.write_all(b"0\n")?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut got = Vec::new();
    let error = stream.read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(got.len(), 40_000);
    Ok(())
}

#[test]
fn stalls_lose_nothing_and_outages_pass() -> Result<()> {
    let content = noise(100_000);
    let plan = Plan::new(9)
        .stall(10_000..=20_000, 5..=10)
        .cuts(Cuts::At(vec![50_000]))
        .outage_ms(50..=60);
    let link = Link::start(server(Arc::clone(&content))?, plan)?;
    assert!(fetch(&link, content.len())? == *content);
    let counts = settled(&link)?;
    assert!(counts.stalls >= 4, "{counts:?}");
    assert!(counts.refused >= 1, "{counts:?}");
    Ok(())
}

#[test]
fn a_schedule_goes_up_and_down() -> Result<()> {
    let plan = Plan::new(2).schedule(20..=30, 20..=30);
    let link = Link::start(server(noise(1))?, plan)?;
    link.wait("three cuts", Duration::from_secs(10), |counts| {
        counts.cuts >= 3
    })?;
    Ok(())
}

#[test]
fn a_server_that_is_gone_is_a_reset_not_a_hang() -> Result<()> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let link = Link::start(address, Plan::new(1))?;
    let mut stream = TcpStream::connect(link.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let error = stream
        .write_all(b"0\n")
        .and_then(|()| stream.read(&mut [0; 8]))
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    Ok(())
}
