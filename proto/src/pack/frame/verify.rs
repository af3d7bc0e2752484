//! The incremental verifier: takes a served file in pieces of any size, from its start, and says
//! exactly which step is bad. It holds the head and one page, at most 70 KB.

use std::io::{self, Read};
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::{CountBytes as _, FrameError, HASH_BYTES, Layout, Step};
use crate::ids::{Digest, FrameRoot};
use crate::limits::{FRAME_BYTES, FRAMES_PER_PAGE};

/// Verifies a served file step by step. Pure: bytes come in as arguments.
#[derive(Debug, Clone)]
pub struct FrameVerifier {
    layout: Layout,
    root: FrameRoot,
    /// The step under way; `None` when all is there.
    step: Option<Step>,
    hasher: Sha256,
    in_step: u64,
    /// What was read of a head or page under way.
    kept: Vec<u8>,
    pages: Vec<Digest>,
    /// Hashes of the frames of the page at hand.
    frames: Vec<Digest>,
}

/// A step that is stored but wrong, with the hash that its bytes must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Where it stands in the served file; at most 64 KiB long.
    pub range: Range<u64>,
    hash: Digest,
}

impl Hole {
    /// Whether these are the right bytes, all of them.
    #[must_use]
    pub fn accepts(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.range.count_bytes() && Digest::of(bytes) == self.hash
    }
}

/// What a scan of stored bytes found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Steps to fetch again, and to write in their place.
    pub holes: Vec<Hole>,
    /// The last hole is a head or page: what is stored behind it can be judged only by another
    /// scan, after that hole is filled. Do not cut the file.
    pub blocked: bool,
    /// The file is longer than the served file: cut it at [`Layout::served_bytes`].
    pub too_long: bool,
}

impl FrameVerifier {
    /// Starts at byte 0 of the served file of a pack of `pack_bytes` bytes.
    ///
    /// # Errors
    /// If no pack may be so long.
    pub fn new(root: FrameRoot, pack_bytes: u64) -> Result<Self, FrameError> {
        let layout = Layout::new(pack_bytes)?;
        let mut verifier = Self {
            layout,
            root,
            step: Some(layout.first()),
            hasher: Sha256::new(),
            in_step: 0,
            kept: Vec::new(),
            pages: Vec::new(),
            frames: Vec::new(),
        };
        // An empty pack is one empty frame, complete at once if the root says so.
        if pack_bytes == 0 && root == Digest::of(&[]) {
            verifier.step = None;
        }
        Ok(verifier)
    }

    /// The layout of the served file.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The step under way; `None` when all is there.
    #[must_use]
    pub fn step(&self) -> Option<Step> {
        self.step
    }

    /// Whether every step was taken.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.step.is_none()
    }

    /// Up to this served offset every step was verified (or skipped as a hole by a scan).
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.step.map_or(self.layout.served_bytes(), |step| {
            self.layout.served(step).start
        })
    }

    /// The served offset of the next byte to push: `verified` and the part of a step behind it.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.verified() + self.in_step
    }

    /// How many bytes the step under way still needs.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.step.map_or(0, |step| {
            self.layout.served(step).count_bytes() - self.in_step
        })
    }

    /// Takes the next bytes, of any length.
    ///
    /// # Errors
    /// [`FrameError::BadStep`] for a step that does not match its hash: the verifier stands at its
    /// first byte again, and what was pushed behind it is forgotten. [`FrameError::TooLong`] for
    /// bytes behind the end.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            let Some(step) = self.step else {
                return Err(FrameError::TooLong {
                    served_bytes: self.layout.served_bytes(),
                });
            };
            let wanted = usize::try_from(self.wanted()).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            self.hasher.update(now);
            if !matches!(step, Step::Frame(_)) {
                self.kept.extend(now);
            }
            self.in_step += now.len() as u64;
            if self.wanted() == 0 {
                self.end_step(step)?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Reads what is stored, from its start; the verifier must be new. Wrong frames are listed and
    /// passed over. Afterwards the next bytes to push are those at [`FrameVerifier::received`].
    ///
    /// # Errors
    /// Those of the reader.
    pub fn scan(&mut self, mut stored: impl Read) -> io::Result<Scan> {
        let mut found = Scan::default();
        let mut buffer = vec![0; FRAME_BYTES as usize];
        loop {
            let room = self.wanted().clamp(1, FRAME_BYTES) as usize;
            let count = match stored.read(buffer.get_mut(..room).unwrap_or_default()) {
                Ok(0) => return Ok(found),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (at, hash) = (self.step, self.expected());
            match self.push(buffer.get(..count).unwrap_or_default()) {
                Ok(()) => {}
                Err(FrameError::BadStep { offset, len }) => {
                    found.holes.push(Hole {
                        range: offset..offset + len,
                        hash,
                    });
                    match at {
                        Some(step @ Step::Frame(_)) => self.step = self.layout.after(step),
                        Some(Step::Head | Step::Page(_)) | None => {
                            found.blocked = true;
                            return Ok(found);
                        }
                    }
                }
                Err(FrameError::TooLong { .. }) => {
                    found.too_long = true;
                    return Ok(found);
                }
                Err(error @ (FrameError::TooBig { .. } | FrameError::CutShort { .. })) => {
                    return Err(io::Error::other(error));
                }
            }
        }
    }

    fn end_step(&mut self, step: Step) -> Result<(), FrameError> {
        let expected = self.expected();
        let range = self.layout.served(step);
        let found = Digest(self.hasher.finalize_reset().into());
        let kept = std::mem::take(&mut self.kept);
        self.in_step = 0;
        let is_good = found == expected && (step != Step::Head || self.head_fits(&kept));
        if !is_good {
            return Err(FrameError::BadStep {
                offset: range.start,
                len: range.count_bytes(),
            });
        }
        match step {
            Step::Head => self.pages = hashes(kept.get(8..).unwrap_or_default()),
            Step::Page(_) => self.frames = hashes(&kept),
            Step::Frame(_) => {}
        }
        self.step = self.layout.after(step);
        Ok(())
    }

    /// Whether an authentic head is that of a pack of the length that was promised.
    fn head_fits(&self, head: &[u8]) -> bool {
        head.first_chunk() == Some(&self.layout.pack_bytes().to_be_bytes())
    }

    /// The hash that the step under way must have.
    fn expected(&self) -> Digest {
        let known = match self.step {
            None | Some(Step::Head) => None,
            Some(Step::Page(page)) => self.pages.get(page as usize),
            Some(Step::Frame(frame)) => self.frames.get((frame % FRAMES_PER_PAGE) as usize),
        };
        // Only the head and the frame of a bare pack have no page above them.
        *known.unwrap_or(&self.root)
    }
}

fn hashes(bytes: &[u8]) -> Vec<Digest> {
    let (whole, _) = bytes.as_chunks::<{ HASH_BYTES as usize }>();
    whole.iter().map(|hash| Digest(*hash)).collect()
}
