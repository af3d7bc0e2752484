//! TCP segments of a short talk, counted by the kernel.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::super::missing;

/// IPv4 (20) and TCP (20) with timestamps (12), the options of Linux and of every phone network; in
/// bytes a segment.
const HEADERS_BYTES: u64 = 52;
/// Both ends say goodbye: FIN and ACK each, and the TLS alert `close_notify` in a record each. The
/// talk is looked at before that.
const FAREWELL_SEGMENTS: u64 = 4;
const CLOSE_NOTIFY_BYTES: u64 = 24;

/// What a talk cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Talk {
    up: u64,
    down: u64,
    segments: u64,
}

impl Talk {
    /// Bytes of TLS and segments, both ways, of a talk that has not yet ended.
    pub(super) fn new(up: u64, down: u64, segments: u64) -> Self {
        Self {
            up: up + CLOSE_NOTIFY_BYTES,
            down: down + CLOSE_NOTIFY_BYTES,
            segments: segments + FAREWELL_SEGMENTS,
        }
    }

    /// Everything, headers of TCP and IP included.
    pub(super) fn bytes(&self) -> u64 {
        self.up + self.down + self.segments * HEADERS_BYTES
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TLS up {} B, down {} B, {} segments of {HEADERS_BYTES} B headers, {} B in all",
            self.up,
            self.down,
            self.segments,
            self.bytes()
        )
    }
}

/// TCP segments of the one connection that stands to this port, both ways, pure acknowledgements
/// included: `segs_in` and `segs_out` of `TCP_INFO`, which `ss` of iproute2 prints.
///
/// # Errors
/// When there is no `ss`, or it does not know the connection.
pub(super) fn segments(port: u16) -> Result<u64> {
    let shown = Command::new("ss")
        .args(["-tinH", "state", "established"])
        .arg(format!("sport = :{port}"))
        .stdin(Stdio::null())
        .output()
        .map_err(|_| missing("no `ss` (iproute2) in PATH"))?;
    let text = String::from_utf8_lossy(&shown.stdout);
    let counts: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| {
            word.strip_prefix("segs_in:")
                .or(word.strip_prefix("segs_out:"))
        })
        .filter_map(|count| count.parse().ok())
        .collect();
    ensure!(
        counts.len() == 2,
        "`ss` does not show one connection to port {port}:\n{text}"
    );
    Ok(counts.iter().sum())
}
