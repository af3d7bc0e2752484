//! Builds packs by hand, right or wrong in any one place, and receives what they make.

use std::io;

use sanaga_proto::ids::{Digest, TreeRoot};
use sanaga_proto::pack::codec::Codec;
use sanaga_proto::pack::segment::{END, Header, SegmentHead, SegmentTable, TableRow};
use sanaga_proto::pack::{Base, DecodeError, Event, PackError, TreeSink, decode};
use sanaga_proto::tree::{Entry, HashedTree, Kind, TreeList};

/// A pack in parts; each may be spoilt before [`Raw::bytes`] joins them.
#[derive(Debug, Clone)]
pub struct Raw {
    pub header: Header,
    pub segments: Vec<(SegmentHead, Vec<u8>)>,
    pub tail: Vec<u8>,
}

pub const ROOT: TreeRoot = Digest([7; 32]);

pub fn stored(bytes: &[u8]) -> (SegmentHead, Vec<u8>) {
    let head = SegmentHead {
        codec: Codec::Stored,
        image_bytes: bytes.len() as u64,
        payload_bytes: bytes.len() as u64,
    };
    (head, bytes.to_vec())
}

pub fn with_codec(codec: Codec, image_bytes: usize, payload: Vec<u8>) -> (SegmentHead, Vec<u8>) {
    let head = SegmentHead {
        codec,
        image_bytes: image_bytes as u64,
        payload_bytes: payload.len() as u64,
    };
    (head, payload)
}

/// A full pack of a list part and its content, one stored segment each.
pub fn full(list_part: &[u8], content: &[u8]) -> Raw {
    let mut segments = vec![stored(list_part)];
    if !content.is_empty() {
        segments.push(stored(content));
    }
    Raw {
        header: Header {
            root: ROOT,
            base: None,
            list_bytes: list_part.len() as u64,
            image_bytes: (list_part.len() + content.len()) as u64,
        },
        segments,
        tail: Vec::new(),
    }
}

impl Raw {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.header.encode();
        let mut table = SegmentTable::default();
        for (head, payload) in &self.segments {
            let encoded = head.encode();
            table.rows.push(TableRow {
                codec: head.codec.id(),
                pack_bytes: (encoded.len() + payload.len()) as u64,
                image_bytes: head.image_bytes,
            });
            out.extend(encoded);
            out.extend(payload);
        }
        out.push(END);
        if self.header.base.is_none() {
            out.extend(table.encode(out.len() as u64));
        }
        out.extend(&self.tail);
        out
    }

    pub fn decode(&self) -> Result<Memory, PackError> {
        decode_full(&self.bytes())
    }
}

/// Unsigned LEB128, as the format has it.
pub fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// One entry of a raw list: shares nothing with its predecessor unless the first bytes are equal.
pub struct RawEntry<'a> {
    pub path: &'a [u8],
    pub mode: u64,
    pub kind: u64,
    /// Size or target, as it stands in the list.
    pub tail: Vec<u8>,
}

pub fn raw_file(path: &str, size: u64) -> RawEntry<'_> {
    RawEntry {
        path: path.as_bytes(),
        mode: 0o644,
        kind: 1,
        tail: number(size),
    }
}

pub fn raw_directory(path: &str) -> RawEntry<'_> {
    RawEntry {
        path: path.as_bytes(),
        mode: 0o755,
        kind: 0,
        tail: Vec::new(),
    }
}

pub fn raw_link<'a>(path: &'a str, target: &str) -> RawEntry<'a> {
    let mut tail = number(target.len() as u64);
    tail.extend(target.as_bytes());
    RawEntry {
        path: path.as_bytes(),
        mode: 0,
        kind: 2,
        tail,
    }
}

/// A list part of a full pack whose entries nobody checked.
pub fn raw_list_part(entries: &[RawEntry<'_>]) -> Vec<u8> {
    let mut out = number(entries.len() as u64);
    let mut previous: &[u8] = b"";
    let mut files = 0;
    for entry in entries {
        let shared = previous
            .iter()
            .zip(entry.path)
            .take_while(|(a, b)| a == b)
            .count();
        out.extend(number(shared as u64));
        out.extend(number((entry.path.len() - shared) as u64));
        out.extend(&entry.path[shared..]);
        out.extend(number(entry.mode << 2 | entry.kind));
        out.extend(&entry.tail);
        files += u64::from(entry.kind == 1);
        previous = entry.path;
    }
    out.extend(list_end(files));
    out
}

/// Sources (all literal), no old files, order of paths.
pub fn list_end(files: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if files > 0 {
        out.extend(number(files << 2 | 2));
    }
    out.extend([0, 0]);
    out
}

/// Keeps everything that a pack makes.
#[derive(Debug, Default)]
pub struct Memory {
    pub list: TreeList,
    pub files: Vec<Option<Vec<u8>>>,
    pub reused: Vec<(u32, u32)>,
    open: Vec<u8>,
    pub done: bool,
}

impl TreeSink for Memory {
    type Error = std::convert::Infallible;

    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error> {
        match event {
            Event::List(list) => {
                self.list = list.clone();
                self.files = vec![None; list.files().len()];
            }
            Event::Reuse { new, old } => self.reused.push((new, old)),
            Event::Begin { .. } => self.open.clear(),
            Event::Data(data) => self.open.extend(data),
            Event::End { file } => {
                let content = std::mem::take(&mut self.open);
                assert_eq!(content.len() as u64, self.list.file_size(file).unwrap());
                let slot = &mut self.files[file as usize];
                assert!(slot.is_none(), "file {file} came twice");
                *slot = Some(content);
            }
            Event::Done => self.done = true,
        }
        Ok(())
    }
}

/// A tree in memory, as it can be the base of a patch.
#[derive(Debug, Clone)]
pub struct MemoryTree {
    pub tree: HashedTree,
    pub files: Vec<Vec<u8>>,
}

impl MemoryTree {
    /// Files, directories (`None`) and links (`Some(Err(target))`), in canonical order.
    pub fn new(items: &[(&str, u16, Item<'_>)]) -> Self {
        let mut files = Vec::new();
        let entries = items.iter().map(|(path, mode, item)| Entry {
            path: (*path).to_owned(),
            kind: match item {
                Item::Directory => Kind::Directory { mode: *mode },
                Item::Link(target) => Kind::Symlink {
                    target: (*target).to_owned(),
                },
                Item::File(content) => {
                    files.push(content.to_vec());
                    Kind::File {
                        mode: *mode,
                        size: content.len() as u64,
                    }
                }
            },
        });
        let list = TreeList::new(entries.collect::<Vec<_>>()).unwrap();
        let hashes = files.iter().map(|content| Digest::of(content)).collect();
        let tree = HashedTree::new(list, hashes).unwrap();
        Self { tree, files }
    }
}

pub enum Item<'a> {
    Directory,
    File(&'a [u8]),
    Link(&'a str),
}

impl Base for MemoryTree {
    fn root(&self) -> TreeRoot {
        self.tree.root()
    }

    fn list(&self) -> &TreeList {
        self.tree.list()
    }

    fn read_at(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = &self.files[file as usize];
        let start = offset as usize;
        let part = content
            .get(start..start + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }
}

pub fn decode_full(bytes: &[u8]) -> Result<Memory, PackError> {
    decode_with(bytes, &ROOT, None)
}

pub fn decode_with(
    bytes: &[u8],
    root: &TreeRoot,
    base: Option<&dyn Base>,
) -> Result<Memory, PackError> {
    let mut memory = Memory::default();
    match decode(bytes, root, base, &mut memory) {
        Ok(_) => {
            assert!(memory.done && memory.files.len() == memory.list.files().len());
            Ok(memory)
        }
        Err(DecodeError::Pack(error)) => {
            assert!(!memory.done);
            Err(error)
        }
        Err(DecodeError::Sink(never)) => match never {},
    }
}
