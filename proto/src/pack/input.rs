//! The pack as it streams in: counts bytes, reads numbers, and never reads ahead of what is asked.

use std::io::{self, Read};

use super::error::PackError;
use crate::varint;

/// A reader that knows where it is.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    /// Pack bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `out`.
    pub(super) fn exact(&mut self, out: &mut [u8], what: &'static str) -> Result<(), PackError> {
        let mut filled = 0;
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.reader.read(room) {
                Ok(0) => {
                    return Err(PackError::CutShort {
                        offset: self.offset,
                        what,
                    });
                }
                Ok(count) => {
                    filled += count;
                    self.offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PackError::Read(error)),
            }
        }
        Ok(())
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], PackError> {
        let mut out = [0; N];
        self.exact(&mut out, what)?;
        Ok(out)
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, PackError> {
        self.array(what).map(|[byte]| byte)
    }

    /// A number that is at most `limit`.
    pub(super) fn number(&mut self, what: &'static str, limit: u64) -> Result<u64, PackError> {
        let mut value = 0;
        for index in 0.. {
            let byte = self.byte(what)?;
            match varint::step(&mut value, index, byte) {
                None => return Err(PackError::malformed(what, "a number in the wrong form")),
                Some(None) => {}
                Some(Some(done)) if done > limit => return Err(PackError::TooBig { what, limit }),
                Some(Some(done)) => return Ok(done),
            }
        }
        Err(PackError::malformed(what, "a number without end"))
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), PackError> {
        let mut byte = [0];
        loop {
            match self.reader.read(&mut byte) {
                Ok(0) => return Ok(()),
                Ok(_) => return Err(PackError::malformed("pack", "bytes after its end")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PackError::Read(error)),
            }
        }
    }
}
