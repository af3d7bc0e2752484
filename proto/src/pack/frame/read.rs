//! Two ways to read a pack's own bytes from its served form: one that verifies as it goes, and one
//! that seeks.

use std::io::{self, Read, Seek, SeekFrom};

use super::{FrameError, FrameVerifier, Layout, Step};
use crate::ids::FrameRoot;
use crate::limits::FRAME_BYTES;

/// Reads a served file from its start and gives the pack's bytes, each frame only after it was
/// verified. Holds one frame and one page.
#[derive(Debug)]
pub struct VerifiedReader<R> {
    served: R,
    verifier: FrameVerifier,
    frame: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> VerifiedReader<R> {
    /// A reader of the pack that `root` authenticates.
    ///
    /// # Errors
    /// If no pack may be so long.
    pub fn new(served: R, root: FrameRoot, pack_bytes: u64) -> Result<Self, FrameError> {
        Ok(Self {
            served,
            verifier: FrameVerifier::new(root, pack_bytes)?,
            frame: Vec::new(),
            given: 0,
            ended: false,
        })
    }

    /// Reads steps until there are bytes to give, or the end.
    fn fill(&mut self) -> io::Result<()> {
        self.frame.clear();
        self.given = 0;
        while let Some(step) = self.verifier.step() {
            let wanted = self.verifier.wanted();
            self.frame.clear();
            (&mut self.served)
                .take(wanted)
                .read_to_end(&mut self.frame)?;
            if (self.frame.len() as u64) < wanted {
                return Err(io::Error::other(FrameError::CutShort {
                    offset: self.verifier.verified() + self.frame.len() as u64,
                    served_bytes: self.verifier.layout().served_bytes(),
                }));
            }
            let good = self.verifier.push(&self.frame);
            if let Err(error) = good {
                self.frame.clear();
                return Err(io::Error::other(error));
            }
            if wanted == 0 {
                // An empty pack whose root is not that of nothing.
                return Err(io::Error::other(FrameError::BadStep { offset: 0, len: 0 }));
            }
            if matches!(step, Step::Frame(_)) {
                return Ok(());
            }
        }
        self.frame.clear();
        if !self.ended && self.served.read(&mut [0])? != 0 {
            return Err(io::Error::other(FrameError::TooLong {
                served_bytes: self.verifier.layout().served_bytes(),
            }));
        }
        self.ended = true;
        Ok(())
    }
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given >= self.frame.len() {
            self.fill()?;
        }
        let rest = self.frame.get(self.given..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}

/// Reads and seeks in a pack's own bytes; head and pages are stripped, nothing is verified.
#[derive(Debug)]
pub struct InnerView<R> {
    served: R,
    layout: Layout,
    at: u64,
}

impl<R: Read + Seek> InnerView<R> {
    /// A view of a served file.
    #[must_use]
    pub fn new(served: R, layout: Layout) -> Self {
        Self {
            served,
            layout,
            at: 0,
        }
    }
}

impl<R: Read + Seek> Read for InnerView<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let in_frame = FRAME_BYTES - self.at % FRAME_BYTES;
        let left = self.layout.pack_bytes().saturating_sub(self.at);
        let room = in_frame.min(left).min(out.len() as u64) as usize;
        if room == 0 {
            return Ok(0);
        }
        self.served
            .seek(SeekFrom::Start(self.layout.served_offset(self.at)))?;
        let count = self.served.read(out.get_mut(..room).unwrap_or_default())?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for InnerView<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.layout.pack_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
