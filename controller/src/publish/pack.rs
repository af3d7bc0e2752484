//! Makes packs: the full pack of a tree, or the patch from an older one.

use std::io::{Read, Seek, SeekFrom, Write};
use std::thread;

use sanaga_proto::limits::SEGMENT_BYTES_MAX;
use sanaga_proto::pack::frame::{Framed, frame};
use sanaga_proto::pack::segment::{END, Header, SegmentTable, TableRow};
use sanaga_proto::pack::{Base as _, ContentOrder, ListPart, OldImage};

use super::diff::{self, Encoded, OldLayout, Span};
use super::pair::{self, Pairing};
use super::scan::TreeDir;
use super::{PublishError, check};

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// zstd's level, 1 to 22.
    pub level: i32,
    /// Segments that are encoded at the same time. Bytes do not depend on it.
    pub threads: usize,
}

impl Default for PackOptions {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            level: 19,
            threads: cores.min(4),
        }
    }
}

/// How far packing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the new image encoded so far.
    pub in_bytes: u64,
    /// Bytes of the whole new image.
    pub in_bytes_all: u64,
    /// Pack bytes written so far.
    pub out_bytes: u64,
}

/// A finished pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Frame root and lengths of the served form.
    pub framed: Framed,
    /// Its header.
    pub header: Header,
    /// How each segment was coded.
    pub segments: SegmentTable,
    /// Content that the pack carries, bytes; the rest comes from the old tree.
    pub literal_bytes: u64,
}

/// Makes the pack from `old` (or from nothing) to `new`: the pack itself goes to `scratch` (an
/// empty file), its served form to `served`. The pack is decoded again and its tree root compared
/// before anything is written to `served`.
///
/// # Errors
/// If a tree cannot be read, changed since it was scanned, or the pack cannot be written.
pub fn make_pack(
    old: Option<&TreeDir>,
    new: &TreeDir,
    mut scratch: impl Read + Write + Seek,
    served: impl Write,
    options: PackOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Packed, PublishError> {
    let work = Work::plan(old, new)?;
    let segments = work.write(&mut scratch, options, progress)?;
    scratch.rewind().map_err(PublishError::Write)?;
    check::check(&mut scratch, old, new)?;
    scratch
        .seek(SeekFrom::Start(0))
        .map_err(PublishError::Write)?;
    let framed = frame(scratch, served).map_err(PublishError::Write)?;
    Ok(Packed {
        framed,
        header: work.header,
        segments,
        literal_bytes: work.header.image_bytes - work.header.list_bytes,
    })
}

/// Everything that is decided before the first byte is encoded.
struct Work<'t> {
    old: Option<(&'t TreeDir, OldImage<'t>)>,
    new: &'t TreeDir,
    header: Header,
    list_part: Vec<u8>,
    list_spans: Vec<Span>,
    content_spans: Vec<Span>,
}

impl<'t> Work<'t> {
    fn plan(old: Option<&'t TreeDir>, new: &'t TreeDir) -> Result<Self, PublishError> {
        let pairing = match old {
            Some(old) => pair::pair(old.tree(), new.tree()),
            None => pair::alone(new.tree()),
        };
        let Pairing { sources, partners } = pairing;
        let mut part = ListPart {
            list: new.list().clone(),
            sources,
            old_files: Vec::new(),
            order: ContentOrder::Kin,
        };
        let literals: Vec<_> = part
            .literals()
            .into_iter()
            .map(|file| {
                let partner = partners.get(file as usize).copied().flatten();
                (file, part.list.file_size(file).unwrap_or(0), partner)
            })
            .collect();
        let mut image = old.map(|old| OldImage::new(old));
        let old_list_bytes = image.as_ref().map_or(0, OldImage::bytes);
        let mut layout = OldLayout::new(old_list_bytes);
        for (_, size, partner) in &literals {
            let old_size = old
                .zip(*partner)
                .and_then(|(old, file)| old.list().file_size(file));
            if let (Some(file), Some(old_size)) = (partner, old_size)
                && *size > 0
            {
                layout.add(*file, old_size);
            }
        }
        part.old_files = layout.files().to_vec();
        if let Some(image) = &mut image {
            let known = part.old_files.iter().all(|file| image.add(*file));
            debug_assert!(known, "partners are files of the old tree");
        }
        let list_part = part.encode(old.map(|old| old.list()));
        let list_bytes = list_part.len() as u64;
        Ok(Self {
            header: Header {
                root: new.root(),
                base: old.map(|old| old.root()),
                list_bytes,
                image_bytes: list_bytes + part.literal_bytes(),
            },
            list_spans: diff::plan_list(list_bytes, old_list_bytes),
            content_spans: diff::plan_content(&literals, &layout),
            old: old.zip(image),
            new,
            list_part,
        })
    }

    /// Writes header, segments and what follows them.
    fn write(
        &self,
        out: &mut impl Write,
        options: PackOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SegmentTable, PublishError> {
        let mut done = Progress {
            in_bytes: 0,
            in_bytes_all: self.header.image_bytes,
            out_bytes: 0,
        };
        let mut table = SegmentTable::default();
        let mut put = |bytes: &[u8], done: &mut Progress| {
            done.out_bytes += bytes.len() as u64;
            out.write_all(bytes).map_err(PublishError::Write)
        };
        put(&self.header.encode(), &mut done)?;
        let spans: Vec<&Span> = self.list_spans.iter().chain(&self.content_spans).collect();
        // A batch at a time, so that no more than `threads` segments are held.
        for (batch, start) in spans
            .chunks(options.threads.max(1))
            .zip((0..).step_by(options.threads.max(1)))
        {
            for encoded in self.encode_batch(batch, start, options)? {
                put(&encoded.head.encode(), &mut done)?;
                put(&encoded.payload, &mut done)?;
                done.in_bytes += encoded.head.image_bytes;
                table.rows.push(TableRow {
                    codec: encoded.head.codec.id(),
                    pack_bytes: encoded.bytes() as u64,
                    image_bytes: encoded.head.image_bytes,
                });
            }
            progress(done);
        }
        put(&[END], &mut done)?;
        if self.header.base.is_none() {
            put(&table.encode(done.out_bytes), &mut done)?;
        }
        out.flush().map_err(PublishError::Write)?;
        Ok(table)
    }

    fn encode_batch(
        &self,
        batch: &[&Span],
        start: usize,
        options: PackOptions,
    ) -> Result<Vec<Encoded>, PublishError> {
        thread::scope(|scope| {
            let workers: Vec<_> = (start..)
                .zip(batch)
                .map(|(index, span)| scope.spawn(move || self.encode_span(index, span, options)))
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    let crashed = |_| PublishError::Zstd {
                        problem: "a worker crashed",
                    };
                    worker.join().map_err(crashed)?
                })
                .collect()
        })
    }

    fn encode_span(
        &self,
        index: usize,
        span: &Span,
        options: PackOptions,
    ) -> Result<Encoded, PublishError> {
        let mut data = Vec::with_capacity(span.bytes.min(SEGMENT_BYTES_MAX) as usize);
        for part in &span.parts {
            if index < self.list_spans.len() {
                let range = part.range.start as usize..part.range.end as usize;
                data.extend(self.list_part.get(range).unwrap_or_default());
                continue;
            }
            let old_len = data.len();
            data.resize(old_len + (part.range.end - part.range.start) as usize, 0);
            let room = data.get_mut(old_len..).unwrap_or_default();
            self.new
                .read_at(part.file, part.range.start, room)
                .map_err(|error| {
                    let path = self
                        .new
                        .list()
                        .file(part.file)
                        .map_or("", |entry| &entry.path);
                    PublishError::read(path, error)
                })?;
        }
        let mut prefix = Vec::new();
        if let Some((_, image)) = &self.old {
            for range in &span.prefix {
                image
                    .read(range.clone(), &mut prefix)
                    .map_err(PublishError::Pack)?;
            }
        }
        diff::encode(&data, &span.prefix, &prefix, options.level)
    }
}
