//! Taking in an offline bundle: the same verification as online; only its dates may be older, if a
//! local operator vouches for it (rule 10).

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::limits;
use sanaga_proto::trust::Allowance;
use sanaga_proto::wire::bundle::{self, Index};
use sanaga_proto::wire::receipt::EventKind;
use sanaga_proto::wire::{Document as _, offer::Offer, poll::name};

use super::node::Node;
use super::poller::version_of;
use crate::disk;
use crate::fetch::FetchError;
use crate::fetch::resume::PackFile;
use crate::helper::{Incoming, poll_name};

/// All documents of a bundle that are for this node, bytes: a root chain of 1,024 steps and the rest fit.
const DOCUMENTS_BYTES_MAX: u64 = 32 << 20;

impl Node {
    /// Reads a bundle, adopts its documents and puts its packs in place.
    ///
    /// # Errors
    /// [`code::TRUNCATED`], [`code::NOT_FOR_US`], [`code::BUNDLE_NEEDS_CONFIRMATION`], or whatever
    /// verification says. Nothing that runs is touched.
    pub fn install(&self, path: &Path, accept_expired: bool) -> Result<(), Failure> {
        let mut reader = Reader::open(path)?;
        if reader.index.repository != self.helper.identity().repository {
            return Err(Failure::new(code::NOT_FOR_US)
                .arg("what", path.display())
                .arg("expected", self.helper.identity().repository)
                .arg("found", reader.index.repository));
        }
        let mut incoming = Incoming::default();
        let mut packs = Vec::new();
        let files = reader.index.files.clone();
        let mut documents_bytes: u64 = 0;
        for (path, length) in files {
            if let Some(root) = path.strip_prefix("pack/") {
                packs.push((root.parse::<Digest>().ok(), reader.at, length));
                reader.skip(length)?;
            } else if let Some(name) = self.name_of(&path) {
                documents_bytes = documents_bytes.saturating_add(length);
                if documents_bytes > DOCUMENTS_BYTES_MAX {
                    return Err(too_big("bundle", DOCUMENTS_BYTES_MAX));
                }
                incoming.documents.insert(name, reader.take(&path, length)?);
            } else {
                reader.skip(length)?;
            }
        }
        self.prefer_newer_metadata(&mut incoming)?;
        // The bundle carries the whole chain: it has no root after its last.
        incoming.absent.extend(after_the_last_root(&incoming));
        let allowance = Allowance::Bundle {
            confirmed: accept_expired,
        };
        let adopted = self.adopt(&incoming, allowance)?;
        if let Some((_, failure)) = adopted
            .refused
            .into_iter()
            .find(|(document, _)| document == name::ASSIGNMENT)
        {
            return Err(failure);
        }
        for (root, at, length) in packs {
            if let Some(root) = root {
                self.take_pack(&mut reader, root, at, length)?;
            }
        }
        let detail = if accept_expired {
            "bundle, expired roles accepted"
        } else {
            "bundle"
        };
        self.helper
            .note_event(EventKind::OperatorAction, None, detail, self.clock.read())?;
        for app in self.apps.borrow().values() {
            app.wake.notify_one();
        }
        Ok(())
    }

    /// A bundle of this morning on a node that has polled at noon: what it says of roles is older than
    /// what is held, and needless. What is held then decides whether its releases are signed.
    fn prefer_newer_metadata(&self, incoming: &mut Incoming) -> Result<(), Failure> {
        let held = self.helper.store().metadata()?;
        let held = held.iter().find(|(file, _)| file == "timestamp.json");
        let held = held.map_or(0, |(_, bytes)| version_of(bytes));
        let brought = incoming.documents.get(name::TIMESTAMP);
        if brought.is_some_and(|bytes| version_of(bytes) < held) {
            for role in [
                name::TIMESTAMP,
                name::SNAPSHOT,
                name::TARGETS,
                name::ENVIRONMENT,
            ] {
                incoming.documents.remove(role);
            }
        }
        Ok(())
    }

    /// The name in polls of a static path; what is for another node has none.
    fn name_of(&self, path: &str) -> Option<String> {
        let node = self.helper.node_key_id().to_string();
        Some(match path.split_once('/') {
            Some(("tuf", file)) => poll_name(file, self.helper.identity().environment.as_str()),
            Some(("assignment", key)) if key == node => name::ASSIGNMENT.to_owned(),
            Some(("hold", "all")) => name::HOLD_ALL.to_owned(),
            Some(("hold", key)) if key == node => name::HOLD_NODE.to_owned(),
            Some(("manifest" | "offer", _)) => path.to_owned(),
            Some(_) | None => return None,
        })
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not named here is handed on whole"
    )]
    fn take_pack(
        &self,
        reader: &mut Reader,
        root: Digest,
        at: u64,
        length: u64,
    ) -> Result<(), Failure> {
        let wanted: Vec<Offer> = self
            .apps
            .borrow()
            .values()
            .filter_map(|app| {
                app.wanted
                    .borrow()
                    .as_ref()
                    .map(|wanted| wanted.release.root)
            })
            .flat_map(|tree| self.helper.offers(&tree).unwrap_or_default())
            .filter(|offer| offer.frame_root == root)
            .collect();
        let Some(offer) = wanted.first() else {
            return Ok(());
        };
        sanaga_durable::make_dir(&self.paths.packs)
            .map_err(|error| disk::durable_failure(&self.paths.packs, error))?;
        let mut pack = PackFile::open(&self.paths.packs, offer).map_err(Failure::of)?;
        reader.seek(at)?;
        let already = pack.received().min(length);
        reader.skip(already)?;
        let mut left = length - already;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 && !pack.is_complete() {
            let room = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let piece = buffer.get_mut(..room).unwrap_or_default();
            reader.fill(piece)?;
            pack.append("bundle", piece).map_err(|error| match error {
                FetchError::FrameMismatch { .. } | FetchError::BadAnswer { .. } => {
                    reader.truncated()
                }
                other => Failure::of(other),
            })?;
            left -= room as u64;
        }
        pack.finish().map_err(Failure::of)
    }
}

/// The names of the roots after the newest one that came: none of them is here.
fn after_the_last_root(incoming: &Incoming) -> Option<String> {
    let versions = incoming
        .documents
        .keys()
        .filter_map(|name| name.strip_prefix("root/")?.parse::<u64>().ok());
    versions.max().map(|last| name::root(last + 1))
}

/// The bound of a document by its path, bytes; what it says of itself is not asked.
fn bytes_max(path: &str) -> u64 {
    match path.split_once('/') {
        Some(("offer", _)) => limits::OFFER_BYTES_MAX,
        Some(("hold", _)) => limits::HOLD_BYTES_MAX,
        Some(("assignment", _)) => limits::ASSIGNMENT_BYTES_MAX,
        Some(("manifest", _)) => limits::MANIFEST_BYTES_MAX,
        Some(_) | None => limits::TARGETS_BYTES_MAX,
    }
}

fn too_big(what: &str, limit: u64) -> Failure {
    Failure::new(code::TOO_BIG)
        .arg("what", what)
        .arg("limit", limit)
}

/// A bundle file while it is read.
struct Reader {
    file: BufReader<File>,
    path: std::path::PathBuf,
    index: Index,
    at: u64,
}

impl Reader {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| disk::failure(path, error))?;
        let empty = Index {
            repository: Digest([0; 32]),
            files: vec![],
        };
        let mut reader = Self {
            file: BufReader::new(file),
            path: path.to_owned(),
            index: empty,
            at: 0,
        };
        let mut start = [0; 12];
        reader.fill(&mut start)?;
        let length = bundle::index_bytes(&start).map_err(Failure::of)?;
        let bytes = reader.take("index", length)?;
        reader.index = Index::from_bytes(&bytes).map_err(Failure::of)?;
        Ok(reader)
    }

    fn take(&mut self, name: &str, length: u64) -> Result<Vec<u8>, Failure> {
        let limit = bytes_max(name);
        if length > limit {
            return Err(too_big(name, limit));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not named here is handed on whole"
    )]
    fn fill(&mut self, into: &mut [u8]) -> Result<(), Failure> {
        self.file
            .read_exact(into)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => self.truncated(),
                _ => disk::failure(&self.path, error),
            })?;
        self.at += into.len() as u64;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), Failure> {
        self.seek(self.at.saturating_add(length))
    }

    fn seek(&mut self, at: u64) -> Result<(), Failure> {
        use std::io::Seek as _;
        let end = self
            .file
            .get_ref()
            .metadata()
            .map_err(|error| disk::failure(&self.path, error))?
            .len();
        if at > end {
            return Err(self.truncated());
        }
        self.file
            .seek(std::io::SeekFrom::Start(at))
            .map_err(|error| disk::failure(&self.path, error))?;
        self.at = at;
        Ok(())
    }

    fn truncated(&self) -> Failure {
        Failure::new(code::TRUNCATED).arg("path", self.path.display())
    }
}
