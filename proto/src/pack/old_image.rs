//! The old image: the old entry list, then the old files that a patch names, as one range of bytes
//! that codecs refer to. Read by position; only the list is held.

use std::io;
use std::ops::Range;

use super::error::PackError;
use crate::ids::TreeRoot;
use crate::tree::TreeList;

/// The tree that a patch starts from. The decoder trusts neither its length nor its content; what
/// it makes is proved by the new tree root.
pub trait Base: Sync {
    /// Its tree root.
    fn root(&self) -> TreeRoot;
    /// Its entries.
    fn list(&self) -> &TreeList;
    /// Fills `out` with the bytes of regular file number `file` (see [`TreeList::files`]) from
    /// `offset` on.
    ///
    /// # Errors
    /// Those of the file system; `UnexpectedEof` if the file is shorter than its entry says.
    fn read_at(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// The old image of a patch.
pub struct OldImage<'a> {
    base: &'a dyn Base,
    list: Vec<u8>,
    /// Where each named file ends in the image, and its number.
    files: Vec<(u64, u32)>,
    bytes: u64,
}

impl<'a> OldImage<'a> {
    /// The image of the list alone.
    #[must_use]
    pub fn new(base: &'a dyn Base) -> Self {
        let list = base.list().encode();
        let bytes = list.len() as u64;
        Self {
            base,
            list,
            files: Vec::new(),
            bytes,
        }
    }

    /// Appends a file; `false` if the base has no such file.
    #[must_use]
    pub fn add(&mut self, file: u32) -> bool {
        let Some(size) = self.base.list().file_size(file) else {
            return false;
        };
        self.bytes = self.bytes.saturating_add(size);
        self.files.push((self.bytes, file));
        true
    }

    /// Its length so far, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends these bytes of the image to `out`; the range must lie inside.
    ///
    /// # Errors
    /// If a file of the base cannot be read.
    pub fn read(&self, range: Range<u64>, out: &mut Vec<u8>) -> Result<(), PackError> {
        let outside = || PackError::malformed("segment head", "old data outside the old image");
        if range.start > range.end || range.end > self.bytes {
            return Err(outside());
        }
        let list_bytes = self.list.len() as u64;
        let in_list = range.start.min(list_bytes) as usize..range.end.min(list_bytes) as usize;
        out.extend(self.list.get(in_list).unwrap_or_default());

        let mut at = range.start.max(list_bytes);
        let first = self.files.partition_point(|(end, _)| *end <= at);
        for (end, file) in self.files.iter().skip(first) {
            if at >= range.end {
                break;
            }
            let size = self.base.list().file_size(*file).unwrap_or(0);
            let offset = at - (end - size);
            let count = (*end).min(range.end) - at;
            let old = out.len();
            out.resize(old + count as usize, 0);
            let room = out.get_mut(old..).unwrap_or_default();
            self.base
                .read_at(*file, offset, room)
                .map_err(|source| self.damaged(*file, source))?;
            at += count;
        }
        Ok(())
    }

    fn damaged(&self, file: u32, source: io::Error) -> PackError {
        let path = self.base.list().file(file).map_or("", |entry| &entry.path);
        PackError::Base {
            path: path.to_owned(),
            source,
        }
    }
}
