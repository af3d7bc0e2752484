//! Cuts the content part of a new image into files and tells the receiver.

use super::decode::{Event, TreeSink};
use super::error::DecodeError;
use super::list_part::ListPart;

/// Where the stream stands in the literal files.
pub(super) struct ContentCutter {
    /// Number and size of each literal file, in order of content.
    files: std::vec::IntoIter<(u32, u64)>,
    open: Option<(u32, u64)>,
}

impl ContentCutter {
    pub(super) fn new(part: &ListPart) -> Self {
        let file = |file: u32| Some((file, part.list.file_size(file)?));
        let files: Vec<_> = part.literals().into_iter().filter_map(file).collect();
        Self {
            files: files.into_iter(),
            open: None,
        }
    }

    /// Opens files until one wants data, or none is left. Empty files end at once.
    pub(super) fn settle<S: TreeSink>(
        &mut self,
        sink: &mut S,
    ) -> Result<(), DecodeError<S::Error>> {
        loop {
            match self.open {
                Some((_, left)) if left > 0 => return Ok(()),
                Some((file, _)) => send(sink, Event::End { file })?,
                None => {}
            }
            self.open = self.files.next();
            match self.open {
                Some((file, _)) => send(sink, Event::Begin { file })?,
                None => return Ok(()),
            }
        }
    }

    /// Passes data on. The caller has checked that all data together is what the files need.
    pub(super) fn write<S: TreeSink>(
        &mut self,
        mut data: &[u8],
        sink: &mut S,
    ) -> Result<(), DecodeError<S::Error>> {
        while let Some((_, left)) = &mut self.open {
            let count = (data.len() as u64).min(*left) as usize;
            if count == 0 {
                break;
            }
            *left -= count as u64;
            let (now, later) = data.split_at(count);
            data = later;
            send(sink, Event::Data(now))?;
            self.settle(sink)?;
        }
        Ok(())
    }
}

pub(super) fn send<S: TreeSink>(
    sink: &mut S,
    event: Event<'_>,
) -> Result<(), DecodeError<S::Error>> {
    sink.event(event).map_err(DecodeError::Sink)
}
