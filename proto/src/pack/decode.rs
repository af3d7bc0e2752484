//! The decoder: reads a pack from its start and tells a receiver what to make, event by event.
//! It holds one segment's old data (≤ 16 MiB), zstd's window (≤ 8 MiB) and the entry lists.

use std::io::Read;

use super::codec::SegmentDecoder;
use super::content::{ContentCutter, send};
use super::error::{DecodeError, PackError};
use super::input::Input;
use super::list_part::{ListPart, Source};
use super::old_image::{Base, OldImage};
use super::segment::{Header, SegmentHead, SegmentTable, TableRow};
use crate::ids::TreeRoot;
use crate::limits::SEGMENTS_MAX;
use crate::tree::TreeList;

/// What a receiver is told, in this order: `List`, every `Reuse`, then for each literal file
/// `Begin`, `Data` as often as needed, `End`; at last `Done`. Files are named by their number among
/// the regular files of their tree ([`TreeList::files`]).
///
/// This is all that crosses from the process that decodes to the one that writes, which trusts none
/// of it: the tree root of what it wrote decides.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The new tree.
    List(&'a TreeList),
    /// The new file has the content of an old one.
    Reuse {
        /// File of the new tree.
        new: u32,
        /// File of the base tree.
        old: u32,
    },
    /// The content of a literal file follows.
    Begin {
        /// File of the new tree.
        file: u32,
    },
    /// The next bytes of the file that has begun; at most 128 KiB.
    Data(&'a [u8]),
    /// The file is complete.
    End {
        /// File of the new tree.
        file: u32,
    },
    /// The pack is complete.
    Done,
}

/// Receives what a pack makes.
pub trait TreeSink {
    /// Why it stops.
    type Error;

    /// Takes the next event.
    ///
    /// # Errors
    /// Any error ends the decoding and is handed through.
    fn event(&mut self, event: Event<'_>) -> Result<(), Self::Error>;
}

/// What a finished decoding knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pack's header.
    pub header: Header,
    /// How each segment was coded, and its lengths.
    pub segments: SegmentTable,
    /// Content that came from the pack, bytes.
    pub literal_bytes: u64,
}

/// Decodes a pack that makes the tree `root`, from `base` if it is a patch. The pack's bytes need
/// not be trusted; the receiver must compare the tree root of what it made with `root`.
///
/// # Errors
/// [`DecodeError::Pack`] for a pack that is bad, for another tree, or without its base;
/// [`DecodeError::Sink`] if the receiver stops.
pub fn decode<R: Read, S: TreeSink>(
    pack: R,
    root: &TreeRoot,
    base: Option<&dyn Base>,
    sink: &mut S,
) -> Result<Decoded, DecodeError<S::Error>> {
    let mut input = Input::new(pack);
    let header = check_header(Header::take(&mut input)?, root, base)?;
    let base = base.filter(|_| header.base.is_some());
    let mut segments = Segments::new(input);
    let mut old = base.map(OldImage::new);

    let list_part = segments.list(header.list_bytes, old.as_ref())?;
    let part = ListPart::decode(&list_part, base.map(Base::list))?;
    drop(list_part);
    let literal_bytes = part.literal_bytes();
    if header.list_bytes.saturating_add(literal_bytes) != header.image_bytes {
        let problem = "the new image is not as long as its list and its literal files";
        return Err(PackError::malformed("header", problem).into());
    }
    if let Some(image) = &mut old {
        for file in &part.old_files {
            if !image.add(*file) {
                return Err(PackError::malformed("old files", "not in the base").into());
            }
        }
    }
    send(sink, Event::List(&part.list))?;
    send_reuses(&part, sink)?;
    segments.content(&part, literal_bytes, old.as_ref(), sink)?;
    let segments = segments.finish(header.base.is_none())?;
    send(sink, Event::Done)?;
    Ok(Decoded {
        header,
        segments,
        literal_bytes,
    })
}

fn check_header(
    header: Header,
    root: &TreeRoot,
    base: Option<&dyn Base>,
) -> Result<Header, PackError> {
    if header.root != *root {
        return Err(PackError::WrongTree {
            wanted: *root,
            found: header.root,
        });
    }
    match header.base {
        Some(wanted) if base.map(Base::root) != Some(wanted) => {
            Err(PackError::WrongBase { wanted })
        }
        Some(_) | None => Ok(header),
    }
}

fn send_reuses<S: TreeSink>(part: &ListPart, sink: &mut S) -> Result<(), DecodeError<S::Error>> {
    for (new, source) in (0_u32..).zip(&part.sources) {
        if let Source::Old(old) = *source {
            send(sink, Event::Reuse { new, old })?;
        }
    }
    Ok(())
}

/// The run of segments.
struct Segments<R> {
    input: Input<R>,
    decoder: SegmentDecoder,
    table: SegmentTable,
}

impl<R: Read> Segments<R> {
    fn new(input: Input<R>) -> Self {
        Self {
            input,
            decoder: SegmentDecoder::new(),
            table: SegmentTable::default(),
        }
    }

    /// Decodes the next segment, which must fit into what is `left` of its part of the image.
    /// Returns its length.
    fn one<E: From<PackError>>(
        &mut self,
        left: u64,
        old: Option<(&OldImage<'_>, u64)>,
        write: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let start = self.input.offset();
        let Some(head) = SegmentHead::take(&mut self.input)? else {
            return Err(PackError::malformed("segments", "less data than the header says").into());
        };
        if head.image_bytes > left {
            let problem = "a segment that crosses the end of its part";
            return Err(PackError::malformed("segments", problem).into());
        }
        let index = self.table.rows.len() as u64;
        if index >= SEGMENTS_MAX {
            return Err(PackError::TooBig {
                what: "segments",
                limit: SEGMENTS_MAX,
            }
            .into());
        }
        self.decoder
            .run(index, &head, &mut self.input, old, write)?;
        self.table.rows.push(TableRow {
            codec: head.codec.id(),
            pack_bytes: self.input.offset() - start,
            image_bytes: head.image_bytes,
        });
        Ok(head.image_bytes)
    }

    /// The list part. Its segments see the old list only, since the list part says what else the
    /// old image has.
    fn list(&mut self, list_bytes: u64, old: Option<&OldImage<'_>>) -> Result<Vec<u8>, PackError> {
        let mut out = Vec::new();
        while (out.len() as u64) < list_bytes {
            let left = list_bytes - out.len() as u64;
            let old = old.map(|image| (image, image.bytes()));
            self.one(left, old, &mut |data| {
                out.extend(data);
                Ok::<(), PackError>(())
            })?;
        }
        Ok(out)
    }

    fn content<S: TreeSink>(
        &mut self,
        part: &ListPart,
        literal_bytes: u64,
        old: Option<&OldImage<'_>>,
        sink: &mut S,
    ) -> Result<(), DecodeError<S::Error>> {
        let mut cutter = ContentCutter::new(part);
        cutter.settle(sink)?;
        let mut left = literal_bytes;
        while left > 0 {
            let old = old.map(|image| (image, image.bytes()));
            left -= self.one(left, old, &mut |data| cutter.write(data, sink))?;
        }
        Ok(())
    }

    fn finish(mut self, is_full: bool) -> Result<SegmentTable, PackError> {
        if SegmentHead::take(&mut self.input)?.is_some() {
            return Err(PackError::malformed(
                "segments",
                "more data than the header says",
            ));
        }
        if is_full {
            self.table.check(&mut self.input)?;
        }
        self.input.end()?;
        Ok(self.table)
    }
}
