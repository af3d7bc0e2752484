//! Frames: how a pack is served, so that every step of at most 64 KiB proves itself against one
//! hash, the frame root (docs/bundle-format.md, "Frames").
//!
//! A pack of at most one frame is served as it is; its frame root is its SHA-256. A longer one is
//! served as `head ‖ (page ‖ its frames)*`. The place of everything follows from the pack's length.

mod read;
mod verify;
mod write;

use std::ops::Range;

pub use read::{InnerView, VerifiedReader};
pub use verify::{FrameVerifier, Hole, Scan};
pub use write::{Framed, frame};

use crate::code::{self, Code};
use crate::failure::{Args, Coded};
use crate::limits::{FRAME_BYTES, FRAMES_PER_PAGE, PACK_BYTES_MAX};

/// Bytes of one hash.
const HASH_BYTES: u64 = 32;
/// Bytes of a full page.
const PAGE_BYTES: u64 = FRAMES_PER_PAGE * HASH_BYTES;
/// The pack's length at the front of the head, bytes.
const LENGTH_BYTES: u64 = 8;
/// What a full page and its frames take as served, bytes.
const GROUP_BYTES: u64 = PAGE_BYTES + FRAMES_PER_PAGE * FRAME_BYTES;

/// What can be wrong with framed bytes.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A pack longer than any may be.
    #[error("a pack of {bytes} bytes; {PACK_BYTES_MAX} are allowed")]
    TooBig {
        /// Its claimed length.
        bytes: u64,
    },
    /// A step does not match its hash. Bytes before `offset` are good; these must come again.
    #[error("bytes {offset} to {} do not match their hash", offset + len)]
    BadStep {
        /// Where the step starts in the served file.
        offset: u64,
        /// Its length, at most 64 KiB.
        len: u64,
    },
    /// More bytes than the served file has.
    #[error("bytes behind the end, at {served_bytes}")]
    TooLong {
        /// The length of the served file.
        served_bytes: u64,
    },
    /// The served file ends early.
    #[error("it ends at byte {offset} of {served_bytes}")]
    CutShort {
        /// Where it ends.
        offset: u64,
        /// The length it should have.
        served_bytes: u64,
    },
}

impl Coded for FrameError {
    fn code(&self) -> Code {
        match self {
            Self::TooBig { .. } => code::TOO_BIG,
            Self::BadStep { .. } | Self::TooLong { .. } | Self::CutShort { .. } => code::BAD_PACK,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::TooBig { .. } => Args::from([
                ("what", "pack".to_owned()),
                ("limit", PACK_BYTES_MAX.to_string()),
            ]),
            Self::BadStep { .. } | Self::TooLong { .. } | Self::CutShort { .. } => {
                Args::from([("problem", self.to_string())])
            }
        }
    }
}

/// One step of a served file: the bytes that one hash covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The pack's length and the hashes of its pages; the frame root is its hash.
    Head,
    /// The hashes of up to 2,048 frames; number of the page.
    Page(u64),
    /// Pack bytes; number of the frame.
    Frame(u64),
}

/// Where everything of a served file stands: a pure function of the pack's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pack_bytes: u64,
}

impl Layout {
    /// The layout of a pack of `pack_bytes` bytes.
    ///
    /// # Errors
    /// If no pack may be so long.
    pub fn new(pack_bytes: u64) -> Result<Self, FrameError> {
        if pack_bytes > PACK_BYTES_MAX {
            return Err(FrameError::TooBig { bytes: pack_bytes });
        }
        Ok(Self { pack_bytes })
    }

    /// The pack without head and pages, bytes.
    #[must_use]
    pub fn pack_bytes(&self) -> u64 {
        self.pack_bytes
    }

    /// Whether the pack is one frame, served as it is.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.pack_bytes <= FRAME_BYTES
    }

    /// The served file, bytes.
    #[must_use]
    pub fn served_bytes(&self) -> u64 {
        match self.is_bare() {
            true => self.pack_bytes,
            false => self.head_bytes() + self.frames() * HASH_BYTES + self.pack_bytes,
        }
    }

    /// The head, bytes; 0 where there is none.
    #[must_use]
    pub fn head_bytes(&self) -> u64 {
        match self.is_bare() {
            true => 0,
            false => LENGTH_BYTES + self.frames().div_ceil(FRAMES_PER_PAGE) * HASH_BYTES,
        }
    }

    /// How many frames there are; an empty pack has one, which is empty.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.pack_bytes.div_ceil(FRAME_BYTES).max(1)
    }

    /// The step at the front of the file.
    #[must_use]
    pub fn first(&self) -> Step {
        match self.is_bare() {
            true => Step::Frame(0),
            false => Step::Head,
        }
    }

    /// The step that stands behind `step`; `None` behind the last.
    #[must_use]
    pub fn after(&self, step: Step) -> Option<Step> {
        match step {
            Step::Head => Some(Step::Page(0)),
            Step::Page(page) => Some(Step::Frame(page * FRAMES_PER_PAGE)),
            Step::Frame(frame) if frame + 1 >= self.frames() => None,
            Step::Frame(frame) if (frame + 1).is_multiple_of(FRAMES_PER_PAGE) => {
                Some(Step::Page((frame + 1) / FRAMES_PER_PAGE))
            }
            Step::Frame(frame) => Some(Step::Frame(frame + 1)),
        }
    }

    /// Where a step stands in the served file. A step that the pack does not have is empty.
    #[must_use]
    pub fn served(&self, step: Step) -> Range<u64> {
        let (start, len) = match step {
            Step::Head => (0, self.head_bytes()),
            Step::Page(page) => {
                let frames = self.frames().saturating_sub(page * FRAMES_PER_PAGE);
                let start = self.head_bytes() + page * GROUP_BYTES;
                (start, frames.min(FRAMES_PER_PAGE) * HASH_BYTES)
            }
            Step::Frame(frame) => {
                let inner = frame * FRAME_BYTES;
                let len = self.pack_bytes.saturating_sub(inner).min(FRAME_BYTES);
                (self.served_offset(inner), len)
            }
        };
        start..start + len
    }

    /// The served offset of a pack offset (that of its end, for the pack's end).
    #[must_use]
    pub fn served_offset(&self, inner: u64) -> u64 {
        if self.is_bare() {
            return inner;
        }
        let frame = (inner / FRAME_BYTES).min(self.frames().saturating_sub(1));
        let page = frame / FRAMES_PER_PAGE;
        let pages_bytes = page * PAGE_BYTES + self.served(Step::Page(page)).count_bytes();
        self.head_bytes() + pages_bytes + inner
    }

    /// The frames, as served ranges, that hold these pack bytes: what a repair must fetch.
    #[must_use]
    pub fn served_frames(&self, inner: Range<u64>) -> Range<u64> {
        if inner.is_empty() {
            return 0..0;
        }
        let first = self.served(Step::Frame(inner.start / FRAME_BYTES));
        let last = self.served(Step::Frame((inner.end - 1) / FRAME_BYTES));
        first.start..last.end
    }
}

/// The length of a range of bytes.
trait CountBytes {
    fn count_bytes(&self) -> u64;
}

impl CountBytes for Range<u64> {
    fn count_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

#[cfg(test)]
mod tests;
