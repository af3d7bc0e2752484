//! A pack on its way to the disk. What arrived is kept whatever happens: an unfinished frame stays
//! unverified and is completed; a frame that is wrong is fetched again, and nothing else.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sanaga_proto::ids::FrameRoot;
use sanaga_proto::pack::frame::{FrameError, FrameVerifier, Hole};
use sanaga_proto::wire::offer::Offer;

use super::FetchError;
use super::client::Host;

/// Frames are synced no more often than this.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What a transfer has cost since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Body bytes read from the network.
    pub received_bytes: u64,
    /// Those of them that had been read before.
    pub twice_bytes: u64,
}

/// A pack file, whole or in part.
#[derive(Debug)]
pub struct PackFile {
    path: PathBuf,
    file: File,
    url_path: String,
    verifier: FrameVerifier,
    holes: Vec<Hole>,
    synced: Instant,
    cost: Cost,
    progress: Progress,
}

/// Bytes of the served file that are here, seen from beside a running transfer.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The bytes.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Tells how many there are now.
    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// Where the pack of an offer is kept.
#[must_use]
pub fn path(folder: &Path, offer: &Offer) -> PathBuf {
    path_of(folder, &offer.frame_root)
}

/// Where the pack with this frame root is kept.
#[must_use]
pub fn path_of(folder: &Path, frame_root: &FrameRoot) -> PathBuf {
    folder.join(format!("{frame_root}.pack"))
}

impl PackFile {
    /// Opens or creates the file and verifies what is there. Reads all of it: call it where
    /// blocking is allowed.
    ///
    /// # Errors
    /// [`FetchError::Disk`], or [`FetchError::BadAnswer`] for an offer of an impossible length.
    pub fn open(folder: &Path, offer: &Offer) -> Result<Self, FetchError> {
        let path = path(folder, offer);
        let disk = |source| FetchError::Disk {
            path: path.clone(),
            source,
        };
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(disk)?;
        if is_new {
            // Its name must outlast a power cut as its frames do.
            sanaga_durable::sync_dir(folder).map_err(|error| disk(error.source))?;
        }
        let (verifier, holes) = loop {
            let mut verifier =
                FrameVerifier::new(offer.frame_root, offer.pack_bytes).map_err(|error| {
                    FetchError::BadAnswer {
                        host: "offer".to_owned(),
                        problem: error.to_string(),
                    }
                })?;
            let scan = verifier.scan(&file).map_err(disk)?;
            rewind(&file).map_err(disk)?;
            if scan.blocked {
                // A damaged page hides what is behind it: what cannot be judged is fetched again.
                file.set_len(verifier.verified()).map_err(disk)?;
                continue;
            }
            if scan.too_long {
                file.set_len(verifier.layout().served_bytes())
                    .map_err(disk)?;
            }
            break (verifier, scan.holes);
        };
        let url_path = format!("/v1/pack/{}", offer.frame_root);
        Ok(Self {
            path,
            file,
            url_path,
            verifier,
            holes,
            synced: Instant::now(),
            cost: Cost::default(),
            progress: Progress::default(),
        })
    }

    /// Whether all of it is here and verified.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.verifier.is_complete() && self.holes.is_empty()
    }

    /// Bytes of the served file that are here.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.verifier.received()
    }

    /// Bytes of the served file.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.verifier.layout().served_bytes()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on this is told where it stands while [`PackFile::fetch`] runs.
    pub fn show_in(&mut self, progress: &Progress) {
        self.progress = progress.clone();
        self.progress.set(self.received());
    }

    /// Takes the cost since the last call, for the ledger.
    pub fn take_cost(&mut self) -> Cost {
        std::mem::take(&mut self.cost)
    }

    /// Puts in a whole pack that came another way.
    ///
    /// # Errors
    /// [`FetchError::FrameMismatch`] when it is not this pack.
    pub fn put(&mut self, host: &str, bytes: &[u8]) -> Result<(), FetchError> {
        let start = usize::try_from(self.received()).unwrap_or(usize::MAX);
        self.take(host, bytes.get(start..).unwrap_or_default())?;
        self.sync()
    }

    /// Adds the next bytes, which came from beside the network.
    ///
    /// # Errors
    /// As [`PackFile::put`].
    pub fn append(&mut self, host: &str, bytes: &[u8]) -> Result<(), FetchError> {
        self.take(host, bytes)
    }

    /// Makes what was added last.
    ///
    /// # Errors
    /// [`FetchError::Disk`].
    pub fn finish(&mut self) -> Result<(), FetchError> {
        self.sync()
    }

    /// Fetches what is missing from one host. It can be dropped at any await: what was written stays.
    /// With `may_skip`, a host that ignores ranges is read from its start once more.
    ///
    /// # Errors
    /// A fault of the link, the host or the disk; what came before it is kept.
    pub async fn fetch(&mut self, host: &Host, may_skip: bool) -> Result<(), FetchError> {
        while let Some(hole) = self.holes.last().cloned() {
            let mut bytes = Vec::new();
            let body = host
                .get_from(&self.url_path, hole.range.start, self.total())
                .await;
            let mut body = body?;
            if body.start != hole.range.start {
                return Err(wrong_range(host));
            }
            let wanted = hole.range.end.saturating_sub(hole.range.start) as usize;
            while bytes.len() < wanted {
                let Some(piece) = body.chunk().await? else {
                    break;
                };
                self.count(piece.len() as u64, piece.len() as u64);
                bytes.extend_from_slice(&piece);
            }
            bytes.truncate(wanted);
            if !hole.accepts(&bytes) {
                return Err(FetchError::FrameMismatch {
                    host: host.name().to_owned(),
                    offset: hole.range.start,
                });
            }
            self.write_at(&bytes, hole.range.start)?;
            self.holes.pop();
        }
        if !self.verifier.is_complete() {
            self.fetch_rest(host, may_skip).await?;
        }
        self.sync()
    }

    async fn fetch_rest(&mut self, host: &Host, may_skip: bool) -> Result<(), FetchError> {
        let mut body = host
            .get_from(&self.url_path, self.received(), self.total())
            .await?;
        let mut skip = self.received().saturating_sub(body.start);
        if body.start > self.received() || (skip > 0 && !(may_skip && body.start == 0)) {
            return Err(wrong_range(host));
        }
        while let Some(piece) = body.chunk().await? {
            let known = skip.min(piece.len() as u64);
            skip -= known;
            self.count(piece.len() as u64, known);
            self.take(host.name(), piece.get(known as usize..).unwrap_or_default())?;
            if self.synced.elapsed() >= SYNC_EVERY {
                self.sync()?;
            }
        }
        if self.verifier.is_complete() {
            return Ok(());
        }
        // The host said how long it is and ended early without saying so.
        Err(FetchError::BadAnswer {
            host: host.name().to_owned(),
            problem: "the answer ends early".to_owned(),
        })
    }

    /// Writes and judges the next bytes. A step that is wrong is taken off the file again.
    fn take(&mut self, host: &str, bytes: &[u8]) -> Result<(), FetchError> {
        let at = self.received();
        let room = self.total().saturating_sub(at);
        let fitting = bytes
            .get(..usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()))
            .unwrap_or_default();
        self.write_at(fitting, at)?;
        match self.verifier.push(bytes) {
            Ok(()) => {
                self.progress.set(self.received());
                Ok(())
            }
            Err(FrameError::BadStep { offset, .. }) => {
                self.cost.twice_bytes += (at + fitting.len() as u64).saturating_sub(offset);
                self.file
                    .set_len(offset)
                    .map_err(|source| self.disk(source))?;
                Err(FetchError::FrameMismatch {
                    host: host.to_owned(),
                    offset,
                })
            }
            Err(
                error @ (FrameError::TooLong { .. }
                | FrameError::TooBig { .. }
                | FrameError::CutShort { .. }),
            ) => Err(FetchError::BadAnswer {
                host: host.to_owned(),
                problem: error.to_string(),
            }),
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), FetchError> {
        self.file
            .write_all_at(bytes, at)
            .map_err(|source| self.disk(source))
    }

    fn count(&mut self, received: u64, twice: u64) {
        self.cost.received_bytes += received;
        self.cost.twice_bytes += twice;
    }

    fn sync(&mut self) -> Result<(), FetchError> {
        sanaga_durable::sync_file(&self.file)
            .map_err(|error| self.disk(io::Error::new(error.kind(), error)))?;
        self.synced = Instant::now();
        Ok(())
    }

    fn disk(&self, source: io::Error) -> FetchError {
        FetchError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

fn rewind(mut file: &File) -> io::Result<()> {
    use std::io::Seek as _;
    file.rewind()
}

fn wrong_range(host: &Host) -> FetchError {
    FetchError::BadAnswer {
        host: host.name().to_owned(),
        problem: "another range than was asked for".to_owned(),
    }
}
