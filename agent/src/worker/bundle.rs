//! Reading an offline bundle: a file from a stick is parsed here, by the side that has nothing to lose.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sanaga_proto::code;
use sanaga_proto::failure::Failure;
use sanaga_proto::ids::Digest;
use sanaga_proto::limits;
use sanaga_proto::wire::Document as _;
use sanaga_proto::wire::bundle::{self, Index};
use sanaga_proto::wire::document::Bytes;
use sanaga_proto::wire::poll::name;

use super::message::{BundleMessage, Opened};
use crate::disk;
use crate::fetch::FetchError;
use crate::fetch::resume::PackFile;
use crate::helper::poll_name;

/// All documents of a bundle that are for this node, bytes: a root chain of 1,024 steps and the rest fit.
const DOCUMENTS_BYTES_MAX: u64 = 32 << 20;
/// What is read of a pack at once, bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Reads what a bundle holds for a node.
///
/// # Errors
/// [`code::TRUNCATED`], [`code::TOO_BIG`], or a file that is no bundle.
pub fn read(file: File, opened: &Opened) -> Result<BundleMessage, Failure> {
    let mut reader = Reader::begin(file, Path::new(&opened.path))?;
    let mut message = BundleMessage {
        repository: reader.index.repository,
        documents: Vec::new(),
        packs: Vec::new(),
    };
    let mut documents_bytes: u64 = 0;
    for (path, length) in reader.index.files.clone() {
        if let Some(root) = path.strip_prefix("pack/") {
            message.packs.extend(root.parse::<Digest>().ok());
            reader.skip(length)?;
        } else if let Some(name) = name_of(&path, opened) {
            documents_bytes = documents_bytes.saturating_add(length);
            if documents_bytes > DOCUMENTS_BYTES_MAX {
                return Err(too_big("bundle", DOCUMENTS_BYTES_MAX));
            }
            let bytes = reader.take(&path, length)?;
            message.documents.push((name, Bytes(bytes)));
        } else {
            reader.skip(length)?;
        }
    }
    Ok(message)
}

/// Takes one pack out of a bundle, from where the pack file stands.
///
/// # Errors
/// [`code::TRUNCATED`], or a fault of the disk.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named here is handed on whole"
)]
pub fn take_pack(
    file: File,
    path: &Path,
    frame_root: Digest,
    pack: &mut PackFile,
) -> Result<(), Failure> {
    let mut reader = Reader::begin(file, path)?;
    let mut length = None;
    for (path, bytes) in reader.index.files.clone() {
        let root = path.strip_prefix("pack/");
        if root.and_then(|root| root.parse::<Digest>().ok()) == Some(frame_root) {
            length = Some(bytes);
            break;
        }
        reader.skip(bytes)?;
    }
    let length = length.ok_or_else(|| reader.truncated())?;
    let already = pack.received().min(length);
    reader.skip(already)?;
    let mut left = length - already;
    let mut buffer = vec![0; PIECE_BYTES];
    while left > 0 && !pack.is_complete() {
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let piece = buffer.get_mut(..room).unwrap_or_default();
        reader.fill(piece)?;
        pack.append("bundle", piece).map_err(|error| match error {
            FetchError::FrameMismatch { .. } | FetchError::BadAnswer { .. } => reader.truncated(),
            other => Failure::of(other),
        })?;
        left -= room as u64;
    }
    pack.finish().map_err(Failure::of)
}

/// The name in polls of a static path; what is for another node has none.
fn name_of(path: &str, opened: &Opened) -> Option<String> {
    let node = opened.node.to_string();
    Some(match path.split_once('/') {
        Some(("tuf", file)) => poll_name(file, opened.environment.as_str()),
        Some(("assignment", key)) if key == node => name::ASSIGNMENT.to_owned(),
        Some(("hold", "all")) => name::HOLD_ALL.to_owned(),
        Some(("hold", key)) if key == node => name::HOLD_NODE.to_owned(),
        Some(("manifest" | "offer", _)) => path.to_owned(),
        Some(_) | None => return None,
    })
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
    path: PathBuf,
    index: Index,
    at: u64,
}

impl Reader {
    fn begin(mut file: File, path: &Path) -> Result<Self, Failure> {
        // The same open file may have been read before.
        file.rewind().map_err(|error| disk::failure(path, error))?;
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
                io::ErrorKind::UnexpectedEof => self.truncated(),
                _ => disk::failure(&self.path, error),
            })?;
        self.at += into.len() as u64;
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), Failure> {
        let at = self.at.saturating_add(length);
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
            .seek(SeekFrom::Start(at))
            .map_err(|error| disk::failure(&self.path, error))?;
        self.at = at;
        Ok(())
    }

    fn truncated(&self) -> Failure {
        Failure::new(code::TRUNCATED).arg("path", self.path.display())
    }
}
