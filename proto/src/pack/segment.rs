//! The parts of a pack that surround its payloads: header, segment heads, the end, and the segment
//! table of a full pack (docs/bundle-format.md, "Packs"). Reading and writing stand side by side.

use std::io::Read;
use std::ops::Range;

use super::codec::Codec;
use super::error::PackError;
use super::input::Input;
use crate::ids::{Digest, TreeRoot};
use crate::limits::{
    LIST_BYTES_MAX, PACK_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENTS_MAX, UNPACKED_BYTES_MAX,
};
use crate::varint::{self, Cursor};

/// What every pack begins with.
pub const MAGIC: [u8; 7] = *b"SNGPACK";
/// The version of the format.
pub const VERSION: u8 = 1;
/// Stands where a codec would, behind the last segment.
pub const END: u8 = 0xff;
/// What a full pack ends with.
pub const TRAILER_MAGIC: [u8; 8] = *b"SNGTABLE";
/// The trailer: offset of the table and [`TRAILER_MAGIC`], bytes.
pub const TRAILER_BYTES: u64 = 16;
const FULL: u8 = 1;
const PATCH: u8 = 2;

/// The front of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The tree that it makes.
    pub root: TreeRoot,
    /// The tree that a patch starts from; none for a full pack.
    pub base: Option<TreeRoot>,
    /// The list part of the new image, bytes.
    pub list_bytes: u64,
    /// The new image, bytes.
    pub image_bytes: u64,
}

impl Header {
    /// Its bytes, magic and version included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.push(if self.base.is_some() { PATCH } else { FULL });
        out.extend(self.root.0);
        self.base.iter().for_each(|base| out.extend(base.0));
        varint::put(&mut out, self.list_bytes);
        varint::put(&mut out, self.image_bytes);
        out
    }

    /// Reads the front of a pack.
    ///
    /// # Errors
    /// If it is not a pack, of another version, or claims more than the limits allow.
    pub fn read(pack: impl Read) -> Result<Self, PackError> {
        Self::take(&mut Input::new(pack))
    }

    pub(super) fn take<R: Read>(input: &mut Input<R>) -> Result<Self, PackError> {
        const PART: &str = "header";
        if input.array(PART)? != MAGIC {
            return Err(PackError::NotAPack);
        }
        let version = input.byte(PART)?;
        if version != VERSION {
            return Err(PackError::TooNew {
                what: "format version",
                number: version.into(),
            });
        }
        let kind = input.byte(PART)?;
        let root = Digest(input.array(PART)?);
        let base = match kind {
            FULL => None,
            PATCH => Some(Digest(input.array(PART)?)),
            _ => {
                return Err(PackError::malformed(
                    PART,
                    "neither a full pack nor a patch",
                ));
            }
        };
        let list_bytes = input.number("list part", LIST_BYTES_MAX)?;
        let image_bytes = input.number("new image", LIST_BYTES_MAX + UNPACKED_BYTES_MAX)?;
        if list_bytes == 0 || list_bytes > image_bytes {
            return Err(PackError::malformed(PART, "a list part that does not fit"));
        }
        Ok(Self {
            root,
            base,
            list_bytes,
            image_bytes,
        })
    }
}

/// What stands before a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// How the payload is coded.
    pub codec: Codec,
    /// What it decodes to, bytes: 1 to 8 MiB.
    pub image_bytes: u64,
    /// The payload, bytes.
    pub payload_bytes: u64,
}

impl SegmentHead {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.codec.id()];
        varint::put(&mut out, self.image_bytes);
        varint::put(&mut out, self.payload_bytes);
        self.codec.encode_parameters(&mut out);
        out
    }

    /// Reads the head of the next segment; `None` at the end marker.
    pub(super) fn take<R: Read>(input: &mut Input<R>) -> Result<Option<Self>, PackError> {
        const PART: &str = "segment head";
        let codec = input.byte(PART)?;
        if codec == END {
            return Ok(None);
        }
        let image_bytes = input.number("segment", SEGMENT_BYTES_MAX)?;
        if image_bytes == 0 {
            return Err(PackError::malformed(PART, "an empty segment"));
        }
        let payload_bytes = input.number("payload", payload_bytes_max(image_bytes))?;
        let codec = Codec::take(codec, input)?;
        Ok(Some(Self {
            codec,
            image_bytes,
            payload_bytes,
        }))
    }
}

/// What no codec needs more than, for a segment of so many bytes.
#[must_use]
pub fn payload_bytes_max(image_bytes: u64) -> u64 {
    image_bytes + image_bytes / 128 + 1_024
}

/// One row of the segment table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRow {
    /// The codec's id.
    pub codec: u8,
    /// Head and payload, bytes.
    pub pack_bytes: u64,
    /// What it decodes to, bytes.
    pub image_bytes: u64,
}

/// Where the segments of a full pack stand, so that a damaged file is repaired by fetching only
/// those that hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentTable {
    /// The segments, in order.
    pub rows: Vec<TableRow>,
}

/// One segment, found through the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Head and payload, in pack bytes.
    pub pack: Range<u64>,
    /// What it decodes to, in the new image.
    pub image: Range<u64>,
}

impl SegmentTable {
    /// Table and trailer, as they stand at the end of a pack whose end marker is followed by
    /// offset `table_offset`.
    #[must_use]
    pub fn encode(&self, table_offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        varint::put(&mut out, self.rows.len() as u64);
        for row in &self.rows {
            out.push(row.codec);
            varint::put(&mut out, row.pack_bytes);
            varint::put(&mut out, row.image_bytes);
        }
        out.extend(table_offset.to_be_bytes());
        out.extend(TRAILER_MAGIC);
        out
    }

    /// Reads the trailer, the last [`TRAILER_BYTES`] of a full pack of `pack_bytes` bytes: where
    /// the table stands.
    ///
    /// # Errors
    /// If that is not a trailer, or points outside.
    pub fn find(trailer: &[u8; 16], pack_bytes: u64) -> Result<Range<u64>, PackError> {
        let bad = |problem| PackError::malformed("trailer", problem);
        let (offset, magic) = trailer.split_first_chunk().ok_or(bad("cut short"))?;
        if magic != TRAILER_MAGIC {
            return Err(bad("not a trailer"));
        }
        let start = u64::from_be_bytes(*offset);
        let end = pack_bytes.saturating_sub(TRAILER_BYTES);
        if start >= end || end - start > SEGMENTS_MAX * 16 {
            return Err(bad("a table that does not fit"));
        }
        Ok(start..end)
    }

    /// Reads a table (without trailer).
    ///
    /// # Errors
    /// If it is malformed or too long.
    pub fn decode(bytes: &[u8]) -> Result<Self, PackError> {
        let bad = PackError::malformed("segment table", "malformed");
        let Some(table) = Self::decode_rows(bytes) else {
            return Err(bad);
        };
        Ok(table)
    }

    fn decode_rows(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let mut table = Self::default();
        for _ in 0..cursor.at_most(SEGMENTS_MAX)? {
            table.rows.push(TableRow {
                codec: cursor.byte()?,
                pack_bytes: cursor.at_most(PACK_BYTES_MAX)?,
                image_bytes: cursor.at_most(SEGMENT_BYTES_MAX)?,
            });
        }
        cursor.is_empty().then_some(table)
    }

    /// The segments that hold these bytes of the new image; the first stands at `first_offset`
    /// (the length of the header).
    pub fn covering(&self, first_offset: u64, image: Range<u64>) -> impl Iterator<Item = Placed> {
        self.rows
            .iter()
            .scan((first_offset, 0_u64), |(pack, at), row| {
                let placed = Placed {
                    pack: *pack..pack.saturating_add(row.pack_bytes),
                    image: *at..at.saturating_add(row.image_bytes),
                };
                (*pack, *at) = (placed.pack.end, placed.image.end);
                Some(placed)
            })
            .filter(move |placed| placed.image.start < image.end && image.start < placed.image.end)
    }

    /// Reads table and trailer from the stream and compares them with the segments that passed.
    pub(super) fn check<R: Read>(&self, input: &mut Input<R>) -> Result<(), PackError> {
        let expected = self.encode(input.offset());
        let mut found = vec![0; expected.len()];
        input.exact(&mut found, "segment table")?;
        if found != expected {
            return Err(PackError::malformed(
                "segment table",
                "not that of its segments",
            ));
        }
        Ok(())
    }
}
