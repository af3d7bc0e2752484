//! Copying a body while one thing is done wrong with it.

use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::http::Framing;

/// What happens on the way. Offsets count the data of this body, not its framing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Damage {
    /// The body ends here: nothing more is written.
    pub stop_at: Option<u64>,
    /// A pause here; `None` inside is for ever.
    pub stall_at: Option<(u64, Option<Duration>)>,
    /// This bit is wrong.
    pub flip: Option<(u64, u8)>,
}

/// Copies bodies and counts what was written, framing included.
pub(super) struct Copier<'a, W> {
    pub to: &'a mut W,
    pub written: u64,
    damage: Damage,
    data: u64,
}

impl<'a, W: Write> Copier<'a, W> {
    pub(super) fn new(to: &'a mut W, damage: Damage) -> Self {
        Self {
            to,
            written: 0,
            damage,
            data: 0,
        }
    }

    /// Copies one body. `Break` says that it was stopped on purpose.
    pub(super) fn copy(
        &mut self,
        from: &mut impl BufRead,
        framing: Framing,
    ) -> Result<ControlFlow<()>> {
        match framing {
            Framing::Empty => Ok(ControlFlow::Continue(())),
            Framing::Length(length) => self.data(from, length),
            Framing::UntilClose => self.data(from, u64::MAX),
            Framing::Chunked => self.chunks(from),
        }
    }

    fn chunks(&mut self, from: &mut impl BufRead) -> Result<ControlFlow<()>> {
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let digits = line.trim().split(';').next().unwrap_or_default();
            let length = u64::from_str_radix(digits, 16)
                .with_context(|| format!("chunk size `{}`", line.trim()))?;
            self.raw(line.as_bytes())?;
            if self.data(from, length)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let mut end = String::new();
            from.read_line(&mut end)?;
            self.raw(end.as_bytes())?;
            if length == 0 {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn data(&mut self, from: &mut impl BufRead, length: u64) -> Result<ControlFlow<()>> {
        let mut left = length;
        let mut buffer = vec![0; 16 * 1024];
        while left > 0 {
            if self.damage.stop_at.is_some_and(|at| self.data >= at) {
                self.to.flush()?;
                return Ok(ControlFlow::Break(()));
            }
            if let Some((at, pause)) = self.damage.stall_at
                && self.data >= at
            {
                self.damage.stall_at = None;
                self.to.flush()?;
                let Some(pause) = pause else {
                    bail!("stalled for ever")
                };
                std::thread::sleep(pause);
            }
            let room = self.room(left, buffer.len());
            let piece = buffer.get_mut(..room).unwrap_or_default();
            let read = from.read(piece)?;
            if read == 0 {
                if length == u64::MAX {
                    return Ok(ControlFlow::Continue(()));
                }
                bail!("the host ended a body {left} bytes early");
            }
            let piece = piece.get_mut(..read).unwrap_or_default();
            self.flip(piece);
            self.to.write_all(piece)?;
            self.written += read as u64;
            self.data += read as u64;
            left -= read as u64;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// How much may be copied before something happens.
    fn room(&self, left: u64, most: usize) -> usize {
        let points = [self.damage.stop_at, self.damage.stall_at.map(|(at, _)| at)];
        let next = points
            .into_iter()
            .flatten()
            .map(|at| at.saturating_sub(self.data))
            .min();
        let room = left.min(most as u64).min(next.unwrap_or(u64::MAX)).max(1);
        usize::try_from(room).unwrap_or(most)
    }

    fn flip(&self, piece: &mut [u8]) {
        let Some((at, bit)) = self.damage.flip else {
            return;
        };
        let inside = at
            .checked_sub(self.data)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = inside.and_then(|at| piece.get_mut(at)) {
            *byte ^= 1 << (bit & 7);
        }
    }
}
