//! A web server as an operator might rent one for packs: plain HTTP, the files of one folder, one
//! range a request. It knows nothing of packs. Every answer is the only one of its connection and
//! has a head of the same length, so that who counts bytes below it knows which of them are body.

use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::http::{Head, next_head};

/// The length of every head of an answer, bytes.
pub const HEAD_BYTES: u64 = 256;

/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// A running server. Dropping it frees the port.
#[derive(Debug)]
pub struct ContentHost {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ContentHost {
    /// Serves what is below `folder`, which may be made later, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(folder: &Path) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for the content host")?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (folder, ends) = (folder.to_owned(), Arc::clone(&stopped));
        let thread = std::thread::Builder::new()
            .name("content-host".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    if ends.load(Ordering::Acquire) {
                        return;
                    }
                    let folder = folder.clone();
                    // A client that leaves in the middle is what the tests are about.
                    std::thread::spawn(move || drop(answer(&folder, &stream)));
                }
            })
            .context("a thread for the content host")?;
        Ok(Self {
            address,
            stopped,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ContentHost {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the thread that waits for clients.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn answer(folder: &Path, mut stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let head = Head::parse(&next_head(&mut BufReader::new(stream))?)?;
    let path = below(folder, head.word(1));
    let Some(mut file) = path.and_then(|path| std::fs::File::open(path).ok()) else {
        stream.write_all(&padded("404 Not Found", "content-length: 0\r\n")?)?;
        return Ok(());
    };
    let length = file.metadata()?.len();
    let range = head.header("range").and_then(|range| wanted(range, length));
    let (start, end) = range.unwrap_or((0, length));
    let lengths = format!("content-length: {}\r\n", end - start);
    let shown = match range {
        Some(_) => {
            let last = end - 1;
            let range = format!("{lengths}content-range: bytes {start}-{last}/{length}\r\n");
            padded("206 Partial Content", &range)?
        }
        None => padded("200 OK", &lengths)?,
    };
    stream.write_all(&shown)?;
    file.seek(SeekFrom::Start(start))?;
    std::io::copy(&mut file.take(end - start), &mut stream)?;
    Ok(())
}

/// A path of a URL below the folder; none for one that leaves it.
fn below(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.strip_prefix('/')?);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    plain.then(|| folder.join(path))
}

/// Start and end of `bytes=5-` or `bytes=5-9` in a file of this length; none for any other.
fn wanted(range: &str, length: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = match last {
        "" => length,
        last => last.parse::<u64>().ok()?.checked_add(1)?.min(length),
    };
    (first < end).then_some((first, end))
}

fn padded(status: &str, headers: &str) -> Result<Vec<u8>> {
    let start = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}x-pad: ");
    let room = usize::try_from(HEAD_BYTES)?.checked_sub(start.len() + 4);
    ensure!(room.is_some(), "a head longer than {HEAD_BYTES} bytes");
    Ok(format!("{start}{}\r\n\r\n", "-".repeat(room.unwrap_or_default())).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn files_and_ranges_have_heads_of_one_length() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("pack"), b"0123456789")?;
        let host = ContentHost::start(folder.path())?;
        let url = format!("http://{}/pack", host.address());
        let whole = http::get(&url)?;
        assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
        let rest = http::request("GET", &url, &[("range", "bytes=4-")], b"")?;
        assert_eq!((rest.status, rest.text().as_str()), (206, "456789"));
        assert_eq!(rest.header("content-range"), Some("bytes 4-9/10"));
        assert_eq!(http::get(&format!("{url}s"))?.status, 404);
        assert_eq!(
            http::get(&format!("http://{}/../pack", host.address()))?.status,
            404
        );
        assert_eq!(padded("200 OK", "")?.len() as u64, HEAD_BYTES);
        Ok(())
    }
}
