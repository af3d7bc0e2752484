//! The http probe: one GET, one answer, nothing followed and no body read.

use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::LookError;

/// The head of an answer may be so big, bytes.
const HEAD_BYTES_MAX: usize = 16_384;

/// Looks once. The caller bounds the time.
pub(super) async fn look(url: &str) -> Result<(), LookError> {
    let bad = |problem: &str| LookError::BadTarget {
        problem: format!("`{url}` {problem}"),
    };
    let uri: Uri = url.parse().map_err(|_| bad("is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(bad("must begin with http://"));
    }
    let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(80);
    let stream =
        TcpStream::connect((host, port))
            .await
            .map_err(|error| LookError::NoConnection {
                problem: error.to_string(),
            })?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(
            USER_AGENT,
            concat!("sanaga-agent/", env!("CARGO_PKG_VERSION")),
        )
        .header(CONNECTION, "close")
        .body(String::new())
        .map_err(|_| bad("is not a URL"))?;
    let status = exchange(stream, request)
        .await
        .map_err(|error| LookError::NoAnswer {
            problem: error.to_string(),
        })?;
    match status {
        200..=399 => Ok(()),
        _ => Err(LookError::Status { status }),
    }
}

/// Sends the request and returns the status; the connection ends with this function.
async fn exchange(stream: TcpStream, request: Request<String>) -> hyper::Result<u16> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        found = &mut answer => return found.map(|response| response.status().as_u16()),
        ended = connection => ended?,
    }
    // The connection ended at once with its answer.
    answer.await.map(|response| response.status().as_u16())
}
