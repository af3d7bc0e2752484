//! The list part of a new image: the new entry list, where each file's content comes from, which
//! old files the old image has, and in which order literal content follows
//! (docs/bundle-format.md, "List part").

use super::error::PackError;
use crate::tree::{TreeList, path};
use crate::varint::{self, Cursor};

const UNCHANGED: u64 = 0;
const COPY: u64 = 1;
const LITERAL: u64 = 2;
const TAG_BITS: u32 = 2;
const ORDER_PATH: u8 = 0;
const ORDER_EXPLICIT: u8 = 1;
const ORDER_KIN: u8 = 2;
const SOURCES: &str = "sources";
const OLD_FILES: &str = "old files";
const ORDER: &str = "content order";

/// Where the content of a regular file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The regular file of this number in the base tree.
    Old(u32),
    /// The pack.
    Literal,
}

/// In which order the content of literal files stands in the new image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentOrder {
    /// That of the entry list.
    Path,
    /// By extension, then base name, then path, all bytewise: what is alike stands together.
    Kin,
    /// This one: positions among the literal files in order of path.
    Explicit(Vec<u32>),
}

/// What the list part says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPart {
    /// The new tree.
    pub list: TreeList,
    /// Where each regular file comes from, by file number.
    pub sources: Vec<Source>,
    /// The old files of the old image, by file number of the base, in order.
    pub old_files: Vec<u32>,
    /// The order of literal content.
    pub order: ContentOrder,
}

impl ListPart {
    /// Its bytes; `base` is the base tree's list.
    #[must_use]
    pub fn encode(&self, base: Option<&TreeList>) -> Vec<u8> {
        let mut out = self.list.encode();
        self.encode_sources(base, &mut out);
        encode_old_files(&self.old_files, &mut out);
        match &self.order {
            ContentOrder::Path => out.push(ORDER_PATH),
            ContentOrder::Kin => out.push(ORDER_KIN),
            ContentOrder::Explicit(positions) => {
                out.push(ORDER_EXPLICIT);
                let mut next = 0;
                for position in positions {
                    varint::put_signed(&mut out, i64::from(*position) - next);
                    next = i64::from(*position) + 1;
                }
            }
        }
        out
    }

    fn encode_sources(&self, base: Option<&TreeList>, out: &mut Vec<u8>) {
        let mut copies_end = 0;
        let mut run: Option<(u64, u64, i64)> = None;
        for (number, source) in (0_u32..).zip(&self.sources) {
            let (tag, old) = match source {
                Source::Literal => (LITERAL, 0),
                Source::Old(old) if self.is_same_path(base, number, *old) => (UNCHANGED, 0),
                Source::Old(old) => (COPY, i64::from(*old)),
            };
            run = Some(match run {
                Some((last, count, first))
                    if last == tag && (tag != COPY || first + count as i64 == old) =>
                {
                    (tag, count + 1, first)
                }
                ended => {
                    put_run(ended, &mut copies_end, out);
                    (tag, 1, old)
                }
            });
        }
        put_run(run, &mut copies_end, out);
    }

    fn is_same_path(&self, base: Option<&TreeList>, number: u32, old: u32) -> bool {
        let new = self.list.file(number).map(|entry| &entry.path);
        let old = base
            .and_then(|base| base.file(old))
            .map(|entry| &entry.path);
        new == old
    }

    /// Reads a list part; all of `bytes` must be it. `base` is the base tree's list, `None` in a
    /// full pack, where everything must be literal.
    ///
    /// # Errors
    /// If it is malformed, breaks a rule of trees, or refers to what the base does not have.
    pub fn decode(bytes: &[u8], base: Option<&TreeList>) -> Result<Self, PackError> {
        let mut cursor = Cursor::new(bytes);
        let list = TreeList::decode_front(&mut cursor)?;
        let sources = decode_sources(&mut cursor, &list, base)?;
        let old_files = decode_old_files(&mut cursor, base)?;
        let literals = sources.iter().filter(|source| **source == Source::Literal);
        let order = decode_order(&mut cursor, literals.count())?;
        if !cursor.is_empty() {
            return Err(PackError::malformed("list part", "bytes after its end"));
        }
        Ok(Self {
            list,
            sources,
            old_files,
            order,
        })
    }

    /// The literal files, by file number, in the order of their content.
    #[must_use]
    pub fn literals(&self) -> Vec<u32> {
        let mut files: Vec<u32> = (0_u32..)
            .zip(&self.sources)
            .filter(|(_, source)| **source == Source::Literal)
            .map(|(number, _)| number)
            .collect();
        match &self.order {
            ContentOrder::Path => files,
            ContentOrder::Kin => {
                files.sort_by_key(|number| {
                    let path = self.list.file(*number).map_or("", |entry| &entry.path);
                    kin_key(path)
                });
                files
            }
            ContentOrder::Explicit(positions) => positions
                .iter()
                .filter_map(|position| files.get(*position as usize).copied())
                .collect(),
        }
    }

    /// All literal content, bytes.
    #[must_use]
    pub fn literal_bytes(&self) -> u64 {
        (0_u32..)
            .zip(&self.sources)
            .filter(|(_, source)| **source == Source::Literal)
            .filter_map(|(number, _)| self.list.file_size(number))
            .sum()
    }
}

/// What [`ContentOrder::Kin`] sorts by.
#[must_use]
pub fn kin_key(file_path: &str) -> (&str, &str, &str) {
    (
        path::extension(file_path),
        path::base_name(file_path),
        file_path,
    )
}

fn put_run(run: Option<(u64, u64, i64)>, copies_end: &mut i64, out: &mut Vec<u8>) {
    let Some((tag, count, first)) = run else {
        return;
    };
    varint::put(out, count << TAG_BITS | tag);
    if tag == COPY {
        varint::put_signed(out, first - *copies_end);
        *copies_end = first + count as i64;
    }
}

fn decode_sources(
    cursor: &mut Cursor<'_>,
    list: &TreeList,
    base: Option<&TreeList>,
) -> Result<Vec<Source>, PackError> {
    let bad = |problem| PackError::malformed(SOURCES, problem);
    let mut sources = Vec::with_capacity(list.files().len());
    let mut copies_end = 0_i64;
    while sources.len() < list.files().len() {
        let run = cursor.number().ok_or(bad("cut short"))?;
        let count = run >> TAG_BITS;
        if count == 0 || count > (list.files().len() - sources.len()) as u64 {
            return Err(bad("a run of no file or of too many"));
        }
        let first = match (run & ((1 << TAG_BITS) - 1), base) {
            (LITERAL, _) => {
                sources.extend((0..count).map(|_| Source::Literal));
                continue;
            }
            (UNCHANGED, Some(_)) => None,
            (COPY, Some(_)) => {
                let step = cursor.signed().ok_or(bad("cut short"))?;
                let first = copies_end
                    .checked_add(step)
                    .ok_or(bad("a number out of range"))?;
                copies_end = first.saturating_add(count as i64);
                Some(u32::try_from(first).map_err(|_| bad("a number out of range"))?)
            }
            (UNCHANGED | COPY, None) => return Err(bad("an old file in a full pack")),
            (_, _) => return Err(bad("an unknown source")),
        };
        for step in 0..count as u32 {
            let number = sources.len() as u32;
            let old = old_file(
                list,
                base,
                number,
                first.map(|first| first.saturating_add(step)),
            );
            sources.push(Source::Old(
                old.ok_or(bad("an old file that the base does not have"))?,
            ));
        }
    }
    Ok(sources)
}

/// The old file that new file `number` equals: the given one, or that of the same path. It must be
/// of the same size.
fn old_file(
    list: &TreeList,
    base: Option<&TreeList>,
    number: u32,
    given: Option<u32>,
) -> Option<u32> {
    let (new, base) = (list.file(number)?, base?);
    let old = match given {
        Some(old) => old,
        None => base.find_file(&new.path)?,
    };
    (base.file_size(old)? == new.file_size()?).then_some(old)
}

/// Runs of old file numbers: how many runs, then for each the step from the end of the last one
/// and how many files.
fn encode_old_files(files: &[u32], out: &mut Vec<u8>) {
    let runs: Vec<&[u32]> = files
        .chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .collect();
    varint::put(out, runs.len() as u64);
    let mut end = 0;
    for run in runs {
        let first = run.first().map_or(0, |first| i64::from(*first));
        varint::put_signed(out, first - end);
        varint::put(out, run.len() as u64);
        end = first + run.len() as i64;
    }
}

fn decode_old_files(
    cursor: &mut Cursor<'_>,
    base: Option<&TreeList>,
) -> Result<Vec<u32>, PackError> {
    let bad = |problem| PackError::malformed(OLD_FILES, problem);
    let files_max = base.map_or(0, |base| base.files().len()) as u64;
    let runs = cursor
        .at_most(files_max)
        .ok_or(bad("no number of runs, or too many"))?;
    let mut files = Vec::new();
    let mut end = 0_i64;
    for _ in 0..runs {
        let step = cursor.signed().ok_or(bad("cut short"))?;
        let left = files_max - files.len() as u64;
        let count = cursor
            .at_most(left)
            .ok_or(bad("more files than the base has"))?;
        let first = end.checked_add(step).ok_or(bad("a number out of range"))?;
        end = first.saturating_add(count as i64);
        if first < 0 || end > files_max as i64 {
            return Err(bad("a file that the base does not have"));
        }
        files.extend(first as u32..end as u32);
    }
    Ok(files)
}

fn decode_order(cursor: &mut Cursor<'_>, literals: usize) -> Result<ContentOrder, PackError> {
    let bad = |problem| PackError::malformed(ORDER, problem);
    match cursor.byte().ok_or(bad("cut short"))? {
        ORDER_PATH => Ok(ContentOrder::Path),
        ORDER_KIN => Ok(ContentOrder::Kin),
        ORDER_EXPLICIT => {
            let mut seen = vec![false; literals];
            let mut positions = Vec::with_capacity(literals);
            let mut next = 0_i64;
            for _ in 0..literals {
                let step = cursor.signed().ok_or(bad("cut short"))?;
                let position = next.checked_add(step).ok_or(bad("a number out of range"))?;
                let slot = usize::try_from(position)
                    .ok()
                    .and_then(|position| seen.get_mut(position))
                    .ok_or(bad("a number out of range"))?;
                if std::mem::replace(slot, true) {
                    return Err(bad("the same file twice"));
                }
                positions.push(position as u32);
                next = position + 1;
            }
            Ok(ContentOrder::Explicit(positions))
        }
        _ => Err(bad("an unknown order")),
    }
}
