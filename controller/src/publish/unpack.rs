//! Unpacks a full pack so that a patch can be made from it: content into numbered files, names and
//! links only in memory. Nothing from the pack becomes a path.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use sanaga_proto::ids::{Digest, FrameRoot, TreeRoot};
use sanaga_proto::pack::frame::VerifiedReader;
use sanaga_proto::pack::{self, DecodeError, Event, PackError, TreeSink};
use sanaga_proto::tree::{HashedTree, TreeList};
use sha2::{Digest as _, Sha256};

use super::PublishError;
use super::scan::{TreeDir, numbered_path};

/// Unpacks the served form of the full pack of `root` into `dir`, which must exist and be empty.
///
/// # Errors
/// If the pack is bad, makes another tree, or `dir` cannot be written.
pub fn unpack(
    served: impl Read,
    frame_root: FrameRoot,
    pack_bytes: u64,
    root: &TreeRoot,
    dir: &Path,
) -> Result<TreeDir, PublishError> {
    let damaged = |error| PublishError::Pack(PackError::Read(io::Error::other(error)));
    let pack = VerifiedReader::new(served, frame_root, pack_bytes).map_err(damaged)?;
    let mut sink = Numbered {
        dir: dir.to_owned(),
        list: TreeList::default(),
        hashes: Vec::new(),
        open: None,
        hasher: Sha256::new(),
    };
    match pack::decode(pack, root, None, &mut sink) {
        Ok(_) => {}
        Err(DecodeError::Pack(error)) => return Err(PublishError::Pack(error)),
        Err(DecodeError::Sink(error)) => return Err(PublishError::Write(error)),
    }
    let tree = HashedTree::new(sink.list, sink.hashes)?;
    let found = tree.root();
    if found != *root {
        let wanted = *root;
        return Err(PublishError::Pack(PackError::WrongTree { wanted, found }));
    }
    Ok(TreeDir::numbered(dir.to_owned(), tree))
}

struct Numbered {
    dir: PathBuf,
    list: TreeList,
    hashes: Vec<Digest>,
    open: Option<BufWriter<File>>,
    hasher: Sha256,
}

impl TreeSink for Numbered {
    type Error = io::Error;

    fn event(&mut self, event: Event<'_>) -> io::Result<()> {
        match event {
            Event::List(list) => {
                self.list = list.clone();
                self.hashes = vec![Digest([0; 32]); list.files().len()];
            }
            // A full pack reuses nothing; the decoder refuses one that does.
            Event::Reuse { .. } | Event::Done => {}
            Event::Begin { file } => {
                let path = numbered_path(&self.dir, file);
                let open = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(path)?;
                self.open = Some(BufWriter::new(open));
                self.hasher = Sha256::new();
            }
            Event::Data(data) => {
                self.hasher.update(data);
                if let Some(open) = &mut self.open {
                    open.write_all(data)?;
                }
            }
            Event::End { file } => {
                if let Some(open) = self.open.take() {
                    open.into_inner()?;
                }
                if let Some(hash) = self.hashes.get_mut(file as usize) {
                    *hash = Digest(self.hasher.finalize_reset().into());
                }
            }
        }
        Ok(())
    }
}
