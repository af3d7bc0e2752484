//! One HTTP/1.1 client for one host: no redirects, no total time-out, a time-out on silence.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use sanaga_proto::failure::Failure;
use sanaga_proto::wire::Document;
use sanaga_proto::wire::enrol::Refusal;
use tokio::time::timeout;

use super::budget::Pace;
use super::{FetchError, tls};

/// How patient a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// To connect, seconds.
    pub connect_s: u64,
    /// Without a byte, seconds.
    pub stall_s: u64,
}

/// What reading packs from a host may cost.
#[derive(Debug, Clone)]
pub struct Thrift {
    /// The most that one answer may bring, bytes; none is no limit.
    pub bytes_max: Option<u64>,
    /// How fast, shared by all that is fetched at once.
    pub pace: Arc<Mutex<Pace>>,
    /// From when the pace counts.
    pub since: Instant,
}

/// A host that is talked to.
#[derive(Debug, Clone)]
pub struct Host {
    thrift: Option<Thrift>,
    client: reqwest::Client,
    url: String,
    name: String,
    patience: Patience,
}

/// The body of an answer while it comes in.
#[derive(Debug)]
pub struct Body {
    thrift: Option<Thrift>,
    response: reqwest::Response,
    host: String,
    stall_s: u64,
    /// Where in the file it begins, bytes.
    pub start: u64,
    /// How long the whole file is, bytes, where the host says so.
    pub total: Option<u64>,
}

impl Host {
    /// A host at `url` (scheme, name and port, no path). `tls` is needed for `https`.
    ///
    /// # Errors
    /// [`FetchError::Tls`] when the client cannot be built.
    pub fn new(
        url: &str,
        tls: Option<rustls::ClientConfig>,
        patience: Patience,
    ) -> Result<Self, FetchError> {
        let tls = tls.map_or_else(tls::nobody, Ok)?;
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(patience.connect_s))
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(60))
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| FetchError::Tls(error.to_string()))?;
        let url = url.trim_end_matches('/').to_owned();
        let name = url
            .split_once("://")
            .map_or(url.as_str(), |(_, rest)| rest)
            .to_owned();
        Ok(Self {
            thrift: None,
            client,
            url,
            name,
            patience,
        })
    }

    /// The same host, whose packs are read as thriftily as this says.
    #[must_use]
    pub fn thrifty(mut self, thrift: Thrift) -> Self {
        self.thrift = Some(thrift);
        self
    }

    /// The host's name and port, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Posts a body and reads the answer, at most `bytes_max`; none for 204.
    ///
    /// # Errors
    /// [`FetchError::Refused`] with the controller's code for an answer of 403, else a fault of the link.
    pub async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let response = self.send(Method::POST, path, Some(body), None).await?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            StatusCode::OK => self
                .body(response, 0, None)
                .collect(bytes_max)
                .await
                .map(Some),
            StatusCode::FORBIDDEN => Err(self.refusal(response).await),
            status => Err(self.unexpected(status, &response)),
        }
    }

    /// Reads a small file; none when the host says that there is none.
    ///
    /// # Errors
    /// A fault of the link, or [`FetchError::BadAnswer`] for more than `bytes_max`.
    pub async fn get_small(
        &self,
        path: &str,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let response = self.send(Method::GET, path, None, None).await?;
        match response.status() {
            StatusCode::OK => self
                .body(response, 0, None)
                .collect(bytes_max)
                .await
                .map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(self.unexpected(status, &response)),
        }
    }

    /// Asks for a file from `start` on. The answer may begin elsewhere: the caller looks at
    /// [`Body::start`] and [`Body::total`].
    ///
    /// # Errors
    /// A fault of the link, or an answer that cannot be that file.
    pub async fn get_from(&self, path: &str, start: u64, total: u64) -> Result<Body, FetchError> {
        let most = self.thrift.as_ref().and_then(|thrift| thrift.bytes_max);
        // What the budget has no room for is not even asked for.
        let end = most
            .map(|most| start.saturating_add(most))
            .filter(|end| *end < total);
        let range = match end {
            Some(end) => Some(format!("bytes={start}-{}", end.saturating_sub(1))),
            None => (start > 0).then(|| format!("bytes={start}-")),
        };
        let response = self.send(Method::GET, path, None, range).await?;
        match response.status() {
            StatusCode::OK => {
                let length = header_number(&response, &CONTENT_LENGTH);
                if length.is_some_and(|length| length != total) {
                    return Err(self.bad(format!(
                        "{} bytes instead of {total}",
                        length.unwrap_or_default()
                    )));
                }
                Ok(self.body(response, 0, length))
            }
            StatusCode::PARTIAL_CONTENT => {
                let (first, whole) =
                    content_range(&response).ok_or_else(|| self.bad("no usable range".into()))?;
                if whole.is_some_and(|whole| whole != total) {
                    return Err(self.bad(format!(
                        "{} bytes instead of {total}",
                        whole.unwrap_or_default()
                    )));
                }
                Ok(self.body(response, first, whole))
            }
            status => Err(self.unexpected(status, &response)),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        range: Option<String>,
    ) -> Result<reqwest::Response, FetchError> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.body(body);
        }
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        // Connecting has its own time-out; after that the head of the answer may take one stall.
        let wait = Duration::from_secs(self.patience.connect_s + self.patience.stall_s);
        match timeout(wait, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(FetchError::from_reqwest(
                &self.name,
                self.patience.connect_s,
                error,
            )),
            Err(_) => Err(FetchError::Stalled {
                host: self.name.clone(),
                seconds: wait.as_secs(),
            }),
        }
    }

    fn body(&self, response: reqwest::Response, start: u64, total: Option<u64>) -> Body {
        Body {
            thrift: self.thrift.clone(),
            response,
            host: self.name.clone(),
            stall_s: self.patience.stall_s,
            start,
            total,
        }
    }

    fn bad(&self, problem: String) -> FetchError {
        FetchError::BadAnswer {
            host: self.name.clone(),
            problem,
        }
    }

    fn unexpected(&self, status: StatusCode, response: &reqwest::Response) -> FetchError {
        let wait = header_number(response, &RETRY_AFTER);
        match (status, wait) {
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, Some(seconds)) => {
                FetchError::AskedToWait {
                    host: self.name.clone(),
                    seconds,
                }
            }
            (status, _) => self.bad(format!("status {}", status.as_u16())),
        }
    }

    async fn refusal(&self, response: reqwest::Response) -> FetchError {
        let status = response.status();
        let parsed = match self
            .body(response, 0, None)
            .collect(Refusal::BYTES_MAX)
            .await
        {
            Ok(bytes) => Refusal::from_bytes(&bytes).ok(),
            Err(_) => None,
        };
        match parsed.and_then(|refusal| failure(&refusal)) {
            Some(refusal) => FetchError::Refused {
                host: self.name.clone(),
                refusal,
            },
            None => self.bad(format!("status {}", status.as_u16())),
        }
    }
}

impl Body {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`FetchError::Stalled`] after a silence, [`FetchError::Offline`] for a broken connection.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        if self
            .thrift
            .as_ref()
            .is_some_and(|thrift| thrift.bytes_max == Some(0))
        {
            return Ok(None);
        }
        match timeout(Duration::from_secs(self.stall_s), self.response.chunk()).await {
            Ok(Ok(piece)) => {
                self.pay(piece.as_ref().map_or(0, |piece| piece.len() as u64))
                    .await;
                Ok(piece)
            }
            Ok(Err(error)) => Err(FetchError::from_reqwest(&self.host, self.stall_s, error)),
            Err(_) => Err(FetchError::Stalled {
                host: self.host.clone(),
                seconds: self.stall_s,
            }),
        }
    }

    /// Counts a piece that was read, and waits as long as the pace asks for.
    async fn pay(&mut self, bytes: u64) {
        let Some(thrift) = &mut self.thrift else {
            return;
        };
        thrift.bytes_max = thrift.bytes_max.map(|left| left.saturating_sub(bytes));
        let now = thrift.since.elapsed();
        let pause = {
            let mut pace = thrift.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.read(bytes, now)
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    async fn collect(mut self, bytes_max: u64) -> Result<Vec<u8>, FetchError> {
        let mut out = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if (out.len() + piece.len()) as u64 > bytes_max {
                let problem = format!("more than {bytes_max} bytes");
                return Err(FetchError::BadAnswer {
                    host: self.host,
                    problem,
                });
            }
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }
}

fn header_number(response: &reqwest::Response, name: &reqwest::header::HeaderName) -> Option<u64> {
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// First byte and whole length of a `Content-Range: bytes 5-9/10` (RFC 9110 §14.4).
fn content_range(response: &reqwest::Response) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.parse().ok()?;
    Some((first, whole.parse().ok()))
}

/// The failure that a refusal names, if this program knows the code.
fn failure(refusal: &Refusal) -> Option<Failure> {
    let code = sanaga_proto::code::ALL
        .iter()
        .find(|code| u64::from(code.number) == refusal.code)?;
    let start = Failure::new(*code);
    Some(
        refusal
            .args
            .iter()
            .fold(start, |failure, (name, value)| failure.named(name, value)),
    )
}
