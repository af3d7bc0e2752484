//! Codecs: how a segment's payload becomes bytes of the new image. A codec is an id, its
//! parameters, and a decoder that writes pieces of at most 128 KiB and never more than the segment
//! claims. Ids from 3 on are free for codecs to come (docs/bundle-format.md, "Codecs").

use std::io::Read;
use std::ops::Range;

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_frame_content_size};

use super::error::PackError;
use super::input::Input;
use super::old_image::OldImage;
use super::segment::SegmentHead;
use crate::limits::{
    LIST_BYTES_MAX, PREFIX_BYTES_MAX, PREFIX_RANGES_MAX, UNPACKED_BYTES_MAX, WINDOW_LOG_MAX,
};
use crate::varint;

/// The largest window of a plain zstd frame, log2 of bytes.
pub const PLAIN_WINDOW_LOG_MAX: u32 = 23;
/// What a zstd frame begins with (RFC 8878 §3.1.1); payloads go without it.
pub const ZSTD_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Payload that is held at once, bytes.
const INPUT_BYTES: usize = 64 << 10;
/// The largest piece that a decoder gives, bytes.
const OUTPUT_BYTES: usize = 128 << 10;

/// How a payload is coded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codec {
    /// 0: as it is.
    Stored,
    /// 1: one zstd frame (RFC 8878) without its magic number that states its content size; window
    /// at most 8 MiB.
    Zstd,
    /// 2: the same, window at most 32 MiB, with these parts of the old image, joined, as raw
    /// content before it: at most 64 ranges, none empty, 16 MiB together.
    ZstdPrefix(Vec<Range<u64>>),
}

impl Codec {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
            Self::ZstdPrefix(_) => 2,
        }
    }

    pub(super) fn encode_parameters(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stored | Self::Zstd => {}
            Self::ZstdPrefix(ranges) => {
                varint::put(out, ranges.len() as u64);
                for range in ranges {
                    varint::put(out, range.start);
                    varint::put(out, range.end - range.start);
                }
            }
        }
    }

    pub(super) fn take<R: Read>(id: u8, input: &mut Input<R>) -> Result<Self, PackError> {
        match id {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Zstd),
            2 => take_ranges(input).map(Self::ZstdPrefix),
            _ => Err(PackError::TooNew {
                what: "codec",
                number: id.into(),
            }),
        }
    }
}

fn take_ranges<R: Read>(input: &mut Input<R>) -> Result<Vec<Range<u64>>, PackError> {
    let count = input.number("ranges of old data", PREFIX_RANGES_MAX)?;
    let mut left = PREFIX_BYTES_MAX;
    let mut ranges = Vec::new();
    for _ in 0..count {
        let start = input.number("old data", LIST_BYTES_MAX + UNPACKED_BYTES_MAX)?;
        let len = input.number("old data of a segment", left)?;
        if len == 0 {
            return Err(PackError::malformed(
                "segment head",
                "an empty range of old data",
            ));
        }
        left -= len;
        ranges.push(start..start + len);
    }
    Ok(ranges)
}

/// Decodes segments, one after the other, and keeps its buffers between them.
pub(super) struct SegmentDecoder {
    plain: DCtx<'static>,
    input: Vec<u8>,
    output: Vec<u8>,
    prefix: Vec<u8>,
    /// What `prefix` holds: neighbours often refer to the same old data.
    prefix_ranges: Vec<Range<u64>>,
}

/// Takes decoded bytes.
pub(super) type Write<'w, E> = dyn FnMut(&[u8]) -> Result<(), E> + 'w;

impl SegmentDecoder {
    pub(super) fn new() -> Self {
        Self {
            plain: DCtx::create(),
            input: vec![0; INPUT_BYTES],
            output: vec![0; OUTPUT_BYTES],
            prefix: Vec::new(),
            prefix_ranges: Vec::new(),
        }
    }

    /// Decodes the payload that follows `head`. Old data may be referred to below `old_end`.
    pub(super) fn run<R: Read, E: From<PackError>>(
        &mut self,
        index: u64,
        head: &SegmentHead,
        input: &mut Input<R>,
        old: Option<(&OldImage<'_>, u64)>,
        write: &mut Write<'_, E>,
    ) -> Result<(), E> {
        match &head.codec {
            Codec::Stored => self.run_stored(index, head, input, write),
            Codec::Zstd => {
                let job = Job { index, head };
                job.run(
                    &mut self.plain,
                    &mut self.input,
                    &mut self.output,
                    input,
                    write,
                )
            }
            Codec::ZstdPrefix(ranges) => {
                self.load_prefix(index, ranges, old)?;
                let mut context = DCtx::create();
                let job = Job { index, head };
                let refused = |_| job.bad("its old data is refused");
                context.ref_prefix(&self.prefix).map_err(refused)?;
                job.run(
                    &mut context,
                    &mut self.input,
                    &mut self.output,
                    input,
                    write,
                )
            }
        }
    }

    fn run_stored<R: Read, E: From<PackError>>(
        &mut self,
        index: u64,
        head: &SegmentHead,
        input: &mut Input<R>,
        write: &mut Write<'_, E>,
    ) -> Result<(), E> {
        if head.payload_bytes != head.image_bytes {
            let problem = "stored, but of another length";
            return Err(PackError::Segment { index, problem }.into());
        }
        let mut left = head.payload_bytes;
        while left > 0 {
            let piece = front(&mut self.input, left);
            input.exact(piece, "payload")?;
            left -= piece.len() as u64;
            write(piece)?;
        }
        Ok(())
    }

    fn load_prefix(
        &mut self,
        index: u64,
        ranges: &[Range<u64>],
        old: Option<(&OldImage<'_>, u64)>,
    ) -> Result<(), PackError> {
        let bad = |problem| PackError::Segment { index, problem };
        let (image, old_end) = old.ok_or(bad("refers to old data in a full pack"))?;
        if ranges.iter().any(|range| range.end > old_end) {
            return Err(bad("refers to old data that it may not see"));
        }
        if self.prefix_ranges == ranges {
            return Ok(());
        }
        self.prefix.clear();
        self.prefix_ranges.clear();
        // Reserved at once: growing by doubling would hold up to 48 MiB for a while.
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.prefix
            .reserve_exact(bytes.min(PREFIX_BYTES_MAX) as usize);
        for range in ranges {
            image.read(range.clone(), &mut self.prefix)?;
        }
        self.prefix_ranges = ranges.to_vec();
        Ok(())
    }
}

/// One zstd frame to decode.
struct Job<'h> {
    index: u64,
    head: &'h SegmentHead,
}

impl Job<'_> {
    fn bad(&self, problem: &'static str) -> PackError {
        let index = self.index;
        PackError::Segment { index, problem }
    }

    fn run<R: Read, E: From<PackError>>(
        &self,
        context: &mut DCtx<'_>,
        in_buffer: &mut [u8],
        out_buffer: &mut [u8],
        input: &mut Input<R>,
        write: &mut Write<'_, E>,
    ) -> Result<(), E> {
        let window_log = match self.head.codec {
            Codec::Stored | Codec::Zstd => PLAIN_WINDOW_LOG_MAX,
            Codec::ZstdPrefix(_) => WINDOW_LOG_MAX,
        };
        let refused = |_| self.bad("zstd refuses its window");
        context
            .set_parameter(DParameter::WindowLogMax(window_log))
            .map_err(refused)?;
        let mut in_left = self.head.payload_bytes;
        let mut out_left = self.head.image_bytes;
        let mut is_finished = false;
        // The magic number comes from here, and everything behind it from the pack.
        let mut lead = ZSTD_MAGIC.len();
        for (to, from) in in_buffer.iter_mut().zip(ZSTD_MAGIC) {
            *to = from;
        }
        while in_left > 0 {
            let piece = front(in_buffer, in_left + lead as u64);
            let fresh = piece.get_mut(lead..).unwrap_or_default();
            input.exact(fresh, "payload")?;
            in_left -= fresh.len() as u64;
            if lead > 0 {
                self.check_frame(piece)?;
                lead = 0;
            }
            let mut from = InBuffer::around(piece);
            loop {
                if is_finished {
                    return Err(self.bad("bytes behind its zstd frame").into());
                }
                let mut to = OutBuffer::around(&mut *out_buffer);
                let hint = context
                    .decompress_stream(&mut to, &mut from)
                    .map_err(|_| self.bad("not decodable"))?;
                let made = to.as_slice();
                out_left = out_left
                    .checked_sub(made.len() as u64)
                    .ok_or_else(|| self.bad("more data than it claims"))?;
                let is_full = made.len() == OUTPUT_BYTES;
                if !made.is_empty() {
                    write(made)?;
                }
                is_finished = hint == 0;
                if from.pos() == piece.len() && (is_finished || !is_full) {
                    break;
                }
            }
        }
        if !is_finished || out_left > 0 {
            return Err(self.bad("less data than it claims").into());
        }
        Ok(())
    }

    /// A frame must state its size: zstd then allocates no more than that for its window.
    fn check_frame(&self, front: &[u8]) -> Result<(), PackError> {
        match get_frame_content_size(front) {
            Ok(Some(bytes)) if bytes == self.head.image_bytes => Ok(()),
            Ok(_) => Err(self.bad("its zstd frame states another size")),
            Err(_) => Err(self.bad("not a zstd frame")),
        }
    }
}

/// The front of a buffer, at most `left` bytes.
fn front(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let count = left.min(buffer.len() as u64) as usize;
    buffer.get_mut(..count).unwrap_or_default()
}
