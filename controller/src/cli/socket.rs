//! The client of the ops socket: HTTP/1.1 over a Unix socket, one connection for each request.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::UnixStream;

use crate::ops::{FailureBody, Operation, from_body};

/// The longest answer, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What is read from a file at once, bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// A running server.
#[derive(Debug, Clone)]
pub struct Socket {
    path: PathBuf,
    actor: String,
}

impl Socket {
    /// The socket at a path, for somebody of that name; nothing is connected yet.
    #[must_use]
    pub fn new(path: PathBuf, actor: String) -> Self {
        Self { path, actor }
    }

    /// Whether a server listens.
    pub async fn answers(&self) -> bool {
        UnixStream::connect(&self.path).await.is_ok()
    }

    /// Does one operation in the server.
    ///
    /// # Errors
    /// What the operation says, `LOCKED` when the server is gone, `INTERNAL` for an odd answer.
    pub async fn call<O: Operation>(&self, operation: O) -> Result<O::Answer, Failure> {
        let body = serde_json::to_vec(&operation).map_err(internal)?;
        let path = format!("/ops/{}", O::NAME);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "sanaga")
            .header("sanaga-actor", &self.actor)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(internal)?;
        let answer = self.send(request).await?;
        serde_json::from_slice(&answer).map_err(internal)
    }

    /// Hands in a file.
    ///
    /// # Errors
    /// As [`Socket::call`].
    pub async fn upload(&self, file: &Path, sha256: &Digest) -> Result<(), Failure> {
        let open = tokio::fs::File::open(file).await.map_err(internal)?;
        let length = open.metadata().await.map_err(internal)?.len();
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("/ops/upload/{sha256}"))
            .header("host", "sanaga")
            .header("sanaga-actor", &self.actor)
            .header("content-length", length)
            .body(FileBody {
                file: open,
                left: length,
            })
            .map_err(internal)?;
        self.send(request).await.map(drop)
    }

    async fn send<B>(&self, request: Request<B>) -> Result<Bytes, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| {
            Failure::new(code::LOCKED)
                .arg("path", self.path.display())
                .because(error)
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(internal)?;
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(internal)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(internal)?
            .to_bytes();
        connection.abort();
        if status == StatusCode::OK {
            return Ok(body);
        }
        match serde_json::from_slice::<FailureBody>(&body) {
            Ok(failure) => Err(from_body(&failure)),
            Err(_) => Err(internal(format!("the server answered {status}"))),
        }
    }
}

/// A file as the body of a request, piece by piece.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        let mut chunk = vec![0; size];
        let mut buffer = ReadBuf::new(&mut chunk);
        match Pin::new(&mut self.file).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) => {
                let read = buffer.filled().len();
                if read == 0 {
                    let error = std::io::ErrorKind::UnexpectedEof;
                    return Poll::Ready(Some(Err(error.into())));
                }
                self.left -= read as u64;
                chunk.truncate(read);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))))
            }
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}

fn internal(problem: impl std::fmt::Display) -> Failure {
    Failure::new(code::INTERNAL).arg("problem", problem)
}
