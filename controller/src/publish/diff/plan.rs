//! Cuts the new image into segments and chooses for each the old data that it may refer to. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use sanaga_proto::limits::{PREFIX_BYTES_MAX, PREFIX_RANGES_MAX, SEGMENT_BYTES_MAX};

/// A segment is not ended early at the border of files below this, bytes.
const SEGMENT_BYTES_MIN: u64 = SEGMENT_BYTES_MAX / 2;

/// A piece of a new file in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its file number.
    pub file: u32,
    /// Which bytes of it.
    pub range: Range<u64>,
}

/// One segment to be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    /// What it is made of, in order.
    pub parts: Vec<Part>,
    /// All parts together, bytes.
    pub bytes: u64,
    /// The old data that it may refer to, in the old image, in order, apart.
    pub prefix: Vec<Range<u64>>,
}

/// Where the old files of a patch stand in the old image.
#[derive(Debug, Clone, Default)]
pub struct OldLayout {
    places: BTreeMap<u32, Range<u64>>,
    files: Vec<u32>,
    bytes: u64,
}

impl OldLayout {
    /// An image that begins with a list of `list_bytes` bytes.
    #[must_use]
    pub fn new(list_bytes: u64) -> Self {
        Self {
            bytes: list_bytes,
            ..Self::default()
        }
    }

    /// Appends a file unless it is there.
    pub fn add(&mut self, file: u32, size: u64) {
        if !self.places.contains_key(&file) {
            self.places.insert(file, self.bytes..self.bytes + size);
            self.files.push(file);
            self.bytes += size;
        }
    }

    /// The files, in order.
    #[must_use]
    pub fn files(&self) -> &[u32] {
        &self.files
    }

    fn place(&self, file: u32) -> Option<Range<u64>> {
        self.places.get(&file).cloned()
    }
}

/// A literal file: its number, its size, and its partner in the old tree.
pub type Literal = (u32, u64, Option<u32>);

/// Cuts the content part. A segment ends where the next file would make it, or the old data that
/// goes with it, too long; files longer than a segment are cut.
#[must_use]
pub fn plan_content(literals: &[Literal], old: &OldLayout) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut span = Span::default();
    for (file, size, partner) in literals {
        let place = partner.and_then(|partner| old.place(partner));
        let overflows = span.bytes + size > SEGMENT_BYTES_MAX
            || bytes_of(&span.prefix) + place.as_ref().map_or(0, bytes_in) > PREFIX_BYTES_MAX;
        if overflows && span.bytes >= SEGMENT_BYTES_MIN {
            spans.extend(close(&mut span));
        }
        let mut at = 0;
        while at < *size {
            let count = (size - at).min(SEGMENT_BYTES_MAX - span.bytes);
            let range = at..at + count;
            span.bytes += count;
            if let Some(place) = &place {
                add_range(&mut span.prefix, near(place, &range, *size));
            }
            span.parts.push(Part { file: *file, range });
            at += count;
            if span.bytes == SEGMENT_BYTES_MAX {
                spans.extend(close(&mut span));
            }
        }
    }
    spans.extend(close(&mut span));
    spans
}

/// Cuts the list part, which may refer to the old list alone. The parts carry file number 0 and
/// offsets in the list part.
#[must_use]
pub fn plan_list(list_bytes: u64, old_list_bytes: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < list_bytes {
        let range = at..list_bytes.min(at + SEGMENT_BYTES_MAX);
        let mut prefix = Vec::new();
        if old_list_bytes > 0 {
            prefix.push(near(&(0..old_list_bytes), &range, list_bytes));
        }
        at = range.end;
        spans.push(Span {
            bytes: bytes_in(&range),
            parts: vec![Part { file: 0, range }],
            prefix,
        });
    }
    spans
}

/// The part of an old file that a part of a new one most likely resembles: all of it if it is short
/// enough, else a window around the same relative place.
fn near(place: &Range<u64>, part: &Range<u64>, size: u64) -> Range<u64> {
    let old_bytes = bytes_in(place);
    if old_bytes <= PREFIX_BYTES_MAX {
        return place.clone();
    }
    let middle = (part.start + part.end) / 2;
    // Sizes are below 2^36, so the product fits in u128.
    let scaled = u128::from(middle) * u128::from(old_bytes) / u128::from(size.max(1));
    let start = (scaled as u64)
        .saturating_sub(PREFIX_BYTES_MAX / 2)
        .min(old_bytes - PREFIX_BYTES_MAX);
    place.start + start..place.start + start + PREFIX_BYTES_MAX
}

/// Adds a range, cut to what still fits, and joins what overlaps or touches.
fn add_range(ranges: &mut Vec<Range<u64>>, new: Range<u64>) {
    let mut joined = ranges.clone();
    joined.push(new);
    joined.sort_by_key(|range| (range.start, range.end));
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in joined {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => out.push(range),
        }
    }
    if bytes_of(&out) <= PREFIX_BYTES_MAX && out.len() as u64 <= PREFIX_RANGES_MAX {
        *ranges = out;
    }
}

fn close(span: &mut Span) -> Option<Span> {
    let closed = std::mem::take(span);
    (closed.bytes > 0).then_some(closed)
}

fn bytes_in(range: &Range<u64>) -> u64 {
    range.end - range.start
}

fn bytes_of(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(bytes_in).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn small_files_share_a_segment_and_long_ones_are_cut() {
        let mut old = OldLayout::new(100);
        old.add(7, 3 * MIB);
        old.add(9, 40 * MIB);
        let spans = plan_content(
            &[
                (0, 2 * MIB, Some(7)),
                (1, MIB, None),
                (2, 20 * MIB, Some(9)),
            ],
            &old,
        );
        let bytes: Vec<u64> = spans.iter().map(|span| span.bytes / MIB).collect();
        assert_eq!(bytes, [8, 8, 7]);
        assert_eq!(spans[0].prefix.len(), 1);
        assert_eq!(spans[0].prefix[0], 100..100 + 3 * MIB);
        let middle = &spans[1].prefix[0];
        assert_eq!(middle.end - middle.start, 16 * MIB);
        assert!(middle.start > 100 + 3 * MIB && middle.end < 100 + 43 * MIB);
    }

    proptest! {
        #[test]
        fn spans_cover_everything_within_bounds(
            sizes in prop::collection::vec((0..30 * MIB, prop::option::of((0u32..20, 0..40 * MIB))), 0..30)
        ) {
            let mut old = OldLayout::new(1000);
            let mut literals = Vec::new();
            for (file, (size, partner)) in (0..).zip(&sizes) {
                if let Some((partner, bytes)) = partner {
                    old.add(*partner, *bytes);
                }
                literals.push((file, *size, partner.map(|(partner, _)| partner)));
            }
            let spans = plan_content(&literals, &old);
            let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
            for span in &spans {
                prop_assert!(span.bytes > 0 && span.bytes <= SEGMENT_BYTES_MAX);
                prop_assert!(bytes_of(&span.prefix) <= PREFIX_BYTES_MAX);
                prop_assert!(span.prefix.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(span.prefix.iter().all(|range| range.end <= old.bytes));
                prop_assert_eq!(span.bytes, span.parts.iter().map(|part| bytes_in(&part.range)).sum::<u64>());
                for part in &span.parts {
                    let at = seen.entry(part.file).or_default();
                    prop_assert_eq!(part.range.start, *at);
                    *at = part.range.end;
                }
            }
            for (file, size, _) in literals {
                prop_assert_eq!(seen.get(&file).copied().unwrap_or(0), size);
            }
        }
    }
}
