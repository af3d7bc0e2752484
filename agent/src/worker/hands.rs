//! What the worker does: it talks to hosts, keeps packs, and decodes them. It decides nothing of trust,
//! and nothing that it says is believed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::{Digest, FrameRoot};
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::enrol::Welcome;
use sanaga_proto::wire::offer::Offer;
use tokio::task::spawn_blocking;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::message::{
    Ask, Call, FetchedMessage, Gift, Job, Nothing, Opened, PackStatus, Packs, Polling, Renewing,
    SizesMessage, Taking, Tell,
};
use super::{Talk, bundle, decoder, fault};
use crate::config::{Config, Paths};
use crate::disk;
use crate::fetch::budget::Pace;
use crate::fetch::client::{Host, Patience, Thrift};
use crate::fetch::resume::{self, PackFile};
use crate::fetch::tls::{self, KnownTime};
use crate::fetch::{FetchError, exchange};
use crate::identity::{self, Credentials, IdentityFiles};

/// Hosts that are kept at once; an assignment names a few.
const HOSTS_MAX: usize = 16;

/// The worker's means.
pub struct Hands {
    files: IdentityFiles,
    packs: PathBuf,
    patience: Patience,
    post_quantum: bool,
    /// Pack files that are open, each verified as far as it goes.
    open: RefCell<BTreeMap<FrameRoot, PackFile>>,
    /// Hosts that are talked to, by URL: an open connection and a TLS session are bytes that need not
    /// be paid again.
    hosts: RefCell<BTreeMap<String, Host>>,
    /// Our side of TLS, with the sessions that can be taken up again.
    tls: RefCell<Option<rustls::ClientConfig>>,
    /// The least time that it can be, for TLS.
    tls_time: KnownTime,
    /// How fast packs are read, all together.
    pace: Arc<Mutex<Pace>>,
    /// From when the pace counts.
    since: Instant,
}

impl Hands {
    /// The worker of this node.
    #[must_use]
    pub fn new(paths: &Paths, config: &Config) -> Self {
        Self {
            files: paths.identity_files(),
            packs: paths.packs.clone(),
            patience: Patience {
                connect_s: config.fetch.connect.as_secs(),
                stall_s: config.fetch.stall.as_secs(),
            },
            post_quantum: config.fetch.post_quantum,
            open: RefCell::default(),
            hosts: RefCell::default(),
            tls: RefCell::default(),
            tls_time: KnownTime::default(),
            pace: Arc::new(Mutex::new(Pace::new(config.fetch.second_bytes_max))),
            since: Instant::now(),
        }
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// A fault of the link, of a host, or of the worker's own disk.
    pub async fn follow(
        &self,
        ask: Ask,
        file: Option<OwnedFd>,
        talk: &Talk,
    ) -> Result<Tell, FetchError> {
        match ask {
            Ask::Poll(polling) => self.poll(polling).await,
            Ask::Open(offer) => self.open(&offer).await.map(Tell::Pack),
            Ask::Fetch(job) => self.fetch(job, talk).await.map(Tell::Fetched),
            // Whoever reads asks knows which one is meant.
            Ask::Stop(_) => Ok(Tell::Done(Nothing {})),
            Ask::Put(gift) => self.put(&gift).await,
            Ask::Sizes(packs) => Ok(Tell::Sizes(self.sizes(&packs))),
            Ask::KeepOnly(packs) => {
                self.keep_only(&packs);
                Ok(Tell::Done(Nothing {}))
            }
            Ask::Request(Nothing {}) => identity::tls_request(&self.files)
                .map(|request| Tell::Request(Bytes(request)))
                .map_err(FetchError::Own),
            Ask::Renew(renewing) => self.renew(renewing).await,
            Ask::Validity(Nothing {}) => self.validity().map(Tell::Validity),
            Ask::Bundle(opened) => read_bundle(file, opened).await,
            Ask::Take(taking) => self.take(file, taking).await,
            Ask::Decode(offer) => self.decode(file, offer).await,
        }
    }

    /// Where the pack of an offer is.
    #[must_use]
    pub fn pack_path(&self, offer: &Offer) -> PathBuf {
        resume::path(&self.packs, offer)
    }

    async fn poll(&self, polling: Polling) -> Result<Tell, FetchError> {
        let url = polling.call.url.clone();
        let host = self.host(&polling.call)?;
        let node_key = polling.node_key;
        let heard = exchange::poll(&host, node_key, polling.told()).await;
        if heard.is_err() {
            self.forget(&url);
        }
        Ok(Tell::Heard(heard?.into()))
    }

    /// A host by its URL, with our credentials where TLS is spoken.
    fn host(&self, call: &Call) -> Result<Host, FetchError> {
        let encrypted = call.url.starts_with("https://");
        if encrypted {
            self.tls_time.learn(call.known_s);
        }
        if let Some(host) = self.hosts.borrow().get(&call.url) {
            return Ok(host.clone());
        }
        let config = if encrypted { Some(self.tls()?) } else { None };
        let host = Host::new(&call.url, config, self.patience)?;
        let mut hosts = self.hosts.borrow_mut();
        if hosts.len() >= HOSTS_MAX {
            hosts.clear();
        }
        hosts.insert(call.url.clone(), host.clone());
        Ok(host)
    }

    /// Our side of TLS. There is one for all hosts and for as long as the certificate lasts: the
    /// sessions that are taken up again belong to it.
    fn tls(&self) -> Result<rustls::ClientConfig, FetchError> {
        if let Some(config) = self.tls.borrow().as_ref() {
            return Ok(config.clone());
        }
        let credentials = Credentials::load(&self.files).map_err(FetchError::Own)?;
        let config = tls::pinned(&credentials, self.tls_time.clone(), self.post_quantum)?;
        *self.tls.borrow_mut() = Some(config.clone());
        Ok(config)
    }

    /// A connection that waits for the next request may be as dead as the one that failed.
    fn forget(&self, url: &str) {
        self.hosts.borrow_mut().remove(url);
    }

    /// Opens a pack file, whatever is known of it, and verifies what is there.
    async fn open(&self, offer: &Offer) -> Result<PackStatus, FetchError> {
        self.open.borrow_mut().remove(&offer.frame_root);
        let pack = self.opened(offer).await?;
        let status = status(&pack);
        self.keep_open(offer, pack);
        Ok(status)
    }

    async fn opened(&self, offer: &Offer) -> Result<PackFile, FetchError> {
        let known = self.open.borrow_mut().remove(&offer.frame_root);
        if let Some(pack) = known {
            return Ok(pack);
        }
        sanaga_durable::make_dir(&self.packs).map_err(|error| {
            let failure = disk::durable_failure(&self.packs, error);
            FetchError::Own(failure)
        })?;
        let (folder, offer) = (self.packs.clone(), offer.clone());
        blocking(move || PackFile::open(&folder, &offer)).await
    }

    /// One that is whole needs nothing more.
    fn keep_open(&self, offer: &Offer, pack: PackFile) {
        if !pack.is_complete() {
            self.open.borrow_mut().insert(offer.frame_root, pack);
        }
    }

    async fn fetch(&self, job: Job, talk: &Talk) -> Result<FetchedMessage, FetchError> {
        let mut pack = self.opened(&job.offer).await?;
        pack.show_in(&talk.progress);
        let thrift = Thrift {
            bytes_max: job.bytes_max,
            pace: Arc::clone(&self.pace),
            since: self.since,
        };
        let (mut stopped, mut failed) = (false, None);
        match self.host(&job.call) {
            Ok(host) => {
                let host = host.thrifty(thrift);
                tokio::select! {
                    result = pack.fetch(&host, job.may_skip) => failed = result.err(),
                    () = talk.stop.notified() => stopped = true,
                }
            }
            Err(error) => failed = Some(error),
        }
        if failed.is_some() {
            self.forget(&job.call.url);
        }
        let cost = pack.take_cost();
        let message = FetchedMessage {
            pack: status(&pack),
            received_bytes: cost.received_bytes,
            twice_bytes: cost.twice_bytes,
            stopped,
            fault: failed.map(|error| fault::to_message(&error, error.wait_s())),
        };
        self.keep_open(&job.offer, pack);
        Ok(message)
    }

    async fn put(&self, gift: &Gift) -> Result<Tell, FetchError> {
        let mut pack = self.opened(&gift.offer).await?;
        pack.put("controller", &gift.bytes.0)?;
        let status = status(&pack);
        self.keep_open(&gift.offer, pack);
        Ok(Tell::Pack(status))
    }

    fn sizes(&self, packs: &Packs) -> SizesMessage {
        let size = |root: &Digest| {
            let path = resume::path_of(&self.packs, root);
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        let sizes = packs.roots.iter().map(|root| (*root, size(root))).collect();
        SizesMessage { sizes }
    }

    fn keep_only(&self, packs: &Packs) {
        let kept: Vec<PathBuf> = packs
            .roots
            .iter()
            .map(|root| resume::path_of(&self.packs, root))
            .collect();
        self.open
            .borrow_mut()
            .retain(|root, _| packs.roots.contains(root));
        let entries = std::fs::read_dir(&self.packs)
            .into_iter()
            .flatten()
            .flatten();
        for path in entries.map(|entry| entry.path()) {
            if !kept.contains(&path) {
                let _ = sanaga_durable::remove_file(&path);
            }
        }
    }

    /// The certificate's life.
    fn validity(&self) -> Result<(u64, u64), FetchError> {
        let path = self.files.tls_certificate();
        let bytes = identity::read_optional(&path).map_err(FetchError::Own)?;
        let read = bytes.and_then(|bytes| Certificate::from_der(&bytes).ok());
        let certificate = read.ok_or_else(|| FetchError::Own(Failure::new(code::NOT_ENROLLED)))?;
        let validity = certificate.tbs_certificate.validity;
        Ok((
            validity.not_before.to_unix_duration().as_secs(),
            validity.not_after.to_unix_duration().as_secs(),
        ))
    }

    async fn renew(&self, renewing: Renewing) -> Result<Tell, FetchError> {
        let ca = identity::read_optional(&self.files.ca()).map_err(FetchError::Own)?;
        let ca = ca.ok_or_else(|| FetchError::Own(Failure::new(code::NOT_ENROLLED)))?;
        let known = KnownTime::default();
        known.learn(renewing.call.known_s);
        let credentials = Credentials { ca, client: None };
        let config = tls::pinned(&credentials, known, self.post_quantum)?;
        let host = Host::new(&renewing.call.url, Some(config), self.patience)?;
        let answer = host
            .post("/v1/renew", renewing.body.0, Welcome::BYTES_MAX)
            .await?;
        let welcome = Welcome::from_bytes(&answer.unwrap_or_default())
            .map_err(|error| FetchError::Own(Failure::of(error)))?;
        let path = self.files.tls_certificate();
        identity::write(&path, &welcome.certificate.0, 0o644).map_err(FetchError::Own)?;
        // Nothing of the former certificate is used any more.
        self.tls.borrow_mut().take();
        self.hosts.borrow_mut().clear();
        Ok(Tell::Done(Nothing {}))
    }

    async fn take(&self, file: Option<OwnedFd>, taking: Taking) -> Result<Tell, FetchError> {
        let file = File::from(file.ok_or_else(no_file)?);
        let mut pack = self.opened(&taking.offer).await?;
        let offer = taking.offer.clone();
        let pack = blocking(move || {
            let path = PathBuf::from(taking.path);
            bundle::take_pack(file, &path, taking.offer.frame_root, &mut pack)
                .map(|()| pack)
                .map_err(FetchError::Own)
        })
        .await?;
        let status = status(&pack);
        self.keep_open(&offer, pack);
        Ok(Tell::Pack(status))
    }

    async fn decode(&self, socket: Option<OwnedFd>, offer: Offer) -> Result<Tell, FetchError> {
        let socket = std::os::unix::net::UnixStream::from(socket.ok_or_else(no_file)?);
        let path = self.pack_path(&offer);
        blocking(move || {
            let served = socket
                .set_nonblocking(false)
                .and_then(|()| decoder::serve(socket, &path, &offer));
            if let Err(error) = served {
                tracing::info!(%error, "the helper took no more of a pack");
            }
            Ok(Tell::Done(Nothing {}))
        })
        .await
    }
}

async fn read_bundle(file: Option<OwnedFd>, opened: Opened) -> Result<Tell, FetchError> {
    let file = File::from(file.ok_or_else(no_file)?);
    blocking(move || {
        bundle::read(file, &opened)
            .map(Tell::Bundle)
            .map_err(FetchError::Own)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    let internal = |error| FetchError::Own(Failure::new(code::INTERNAL).arg("problem", error));
    spawn_blocking(work).await.map_err(internal)?
}

fn no_file() -> FetchError {
    FetchError::Own(Failure::new(code::INTERNAL).arg("problem", "no file came along"))
}

fn status(pack: &PackFile) -> PackStatus {
    PackStatus {
        received: pack.received(),
        total: pack.total(),
        complete: pack.is_complete(),
    }
}
