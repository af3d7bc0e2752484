//! The control: a client that begins again whenever its connection breaks, on the same host and the
//! same kind of link. If the bound did not catch it, the bound would say nothing.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use super::CUT_BYTES;
use crate::content::HEAD_BYTES;
use crate::http;
use crate::link::{Cuts, Link, Plan};

/// Cuts that the control gets: few, since each of them costs it all that it had.
const CUTS: usize = 20;

/// What it read, and what it was allowed, in bytes of bodies.
///
/// # Errors
/// When even the last try brings another file.
pub(super) fn fetch(host: SocketAddr, seed: u64, path: &str, pack: u64) -> Result<(u64, u64)> {
    let link = Link::start(host, Plan::new(seed))?;
    link.set_cuts(Cuts::random(seed, CUTS, pack));
    let url = format!("http://{}{path}", link.address());
    let mut tries = 0;
    let whole = loop {
        tries += 1;
        match http::get(&url) {
            Ok(answer) => break answer,
            Err(error) => ensure!(tries <= 2 * CUTS, "without resume, even so: {error:#}"),
        }
    };
    ensure!(
        whole.body.len() as u64 == pack,
        "{} bytes",
        whole.body.len()
    );
    let read = link
        .connections()
        .iter()
        .map(|connection| connection.down.delivered.saturating_sub(HEAD_BYTES))
        .sum();
    Ok((read, pack + link.counts().cuts * CUT_BYTES))
}
