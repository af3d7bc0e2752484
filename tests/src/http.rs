//! A minimal blocking HTTP/1.1 client, and the reading of heads that client and proxies share.
//! It is deliberately not the agent's client: the harness must not inherit its faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The longest head that is read, in bytes.
pub const HEAD_MAX: usize = 64 * 1024;

/// How long one read or write may stand still.
const STALL: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, with their values, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Looks a header up by its name in lower case.
#[must_use]
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.as_str())
}

/// The start line of a request or response, and its headers with names in lower case.
#[derive(Debug, Clone)]
pub struct Head {
    /// The first line, without its end.
    pub start: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head from its bytes, the empty line included.
    ///
    /// # Errors
    /// When it is not UTF-8 or a line has no colon.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).context("a head that is not UTF-8")?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line
                    .split_once(':')
                    .with_context(|| format!("header line `{line}`"))?;
                Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { start, headers })
    }

    /// The first value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The word of the start line at `index`: method, path, version; or version, status.
    #[must_use]
    pub fn word(&self, index: usize) -> &str {
        self.start.split(' ').nth(index).unwrap_or_default()
    }

    /// `Content-Length`, if it is there and is a number.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Whether the body is chunked (RFC 9112 §7.1).
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    }
}

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks, of which the last is empty.
    Chunked,
    /// Whatever comes until the connection ends.
    UntilClose,
}

impl Framing {
    /// Of a request.
    #[must_use]
    pub fn of_request(head: &Head) -> Self {
        if head.is_chunked() {
            Self::Chunked
        } else {
            head.content_length().map_or(Self::Empty, Self::Length)
        }
    }

    /// Of an answer to this method.
    #[must_use]
    pub fn of_response(head: &Head, method: &str) -> Self {
        let status = head.word(1);
        if method == "HEAD" || status.starts_with('1') || status == "204" || status == "304" {
            Self::Empty
        } else if head.is_chunked() {
            Self::Chunked
        } else {
            head.content_length().map_or(Self::UntilClose, Self::Length)
        }
    }
}

/// Fetches `http://host:port/path`.
///
/// # Errors
/// When the server cannot be reached, stands still for 30 s, or answers something else than HTTP.
pub fn get(url: &str) -> Result<Response> {
    request("GET", url, &[], b"")
}

/// Posts a body.
///
/// # Errors
/// As [`get`].
pub fn post(url: &str, body: &[u8]) -> Result<Response> {
    request("POST", url, &[], body)
}

/// Sends one request on a connection of its own and reads the whole answer.
///
/// # Errors
/// As [`get`].
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("`{url}` is not http://"))?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let address = authority
        .to_socket_addrs()
        .with_context(|| format!("address `{authority}`"))?
        .next()
        .with_context(|| format!("no address for `{authority}`"))?;
    let mut stream = TcpStream::connect_timeout(&address, STALL)
        .with_context(|| format!("connect {address}"))?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;

    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    read_response(&mut BufReader::new(stream), method).with_context(|| format!("{method} {url}"))
}

fn read_response(reader: &mut impl BufRead, method: &str) -> Result<Response> {
    let head = next_head(reader)?;
    if head.is_empty() {
        bail!("the connection ended before an answer");
    }
    let head = Head::parse(&head)?;
    let status = head
        .word(1)
        .parse()
        .with_context(|| format!("status line `{}`", head.start))?;
    let mut body = Vec::new();
    match Framing::of_response(&head, method) {
        Framing::Empty => {}
        Framing::Chunked => read_chunked(reader, &mut body)?,
        Framing::Length(length) => {
            reader.take(length).read_to_end(&mut body)?;
            if body.len() as u64 != length {
                bail!("the body ended after {} of {length} bytes", body.len());
            }
        }
        Framing::UntilClose => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(Response {
        status,
        headers: head.headers,
        body,
    })
}

/// The bytes of the next head, its empty line included; none if the connection ended before it.
///
/// # Errors
/// When the connection ends inside the head, or the head is longer than [`HEAD_MAX`].
pub fn next_head(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let before = head.len();
        reader.take(HEAD_MAX as u64).read_until(b'\n', &mut head)?;
        if head.len() == before && before == 0 {
            return Ok(head);
        }
        if head.len() == before {
            bail!("the connection ended inside a head");
        }
        if head.len() > HEAD_MAX {
            bail!("a head longer than {HEAD_MAX} bytes");
        }
    }
    Ok(head)
}

fn read_chunked(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let digits = line.trim().split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(digits, 16)
            .with_context(|| format!("chunk size `{}`", line.trim()))?;
        reader.take(length).read_to_end(body)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if length == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_joined() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let response = read_response(&mut &wire[..], "GET").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "abcde"));
    }

    #[test]
    fn a_short_body_is_an_error() {
        let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        assert!(read_response(&mut &wire[..], "GET").is_err());
    }
}
