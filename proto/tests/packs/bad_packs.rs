//! Packs that lie about themselves: bombs, wrong totals, forged references, and every cut and every
//! flipped bit of a good one.

use std::io::Write as _;

use sanaga_proto::code;
use sanaga_proto::failure::Coded as _;
use sanaga_proto::ids::Digest;
use sanaga_proto::limits::{LIST_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENTS_MAX, UNPACKED_BYTES_MAX};
use sanaga_proto::pack::codec::{Codec, ZSTD_MAGIC};
use sanaga_proto::pack::segment::{Header, SegmentTable};
use sanaga_proto::pack::{ContentOrder, ListPart, PackError, Source};

use super::build::{
    Item, MemoryTree, ROOT, Raw, decode_full, decode_with, full, list_end, number, raw_file,
    raw_list_part, stored, with_codec,
};

fn one_file(content: &[u8]) -> Raw {
    full(
        &raw_list_part(&[raw_file("a", content.len() as u64)]),
        content,
    )
}

fn refused(raw: &Raw) -> String {
    raw.decode().expect_err("must be refused").to_string()
}

fn zstd_frame(content: &[u8], stated: bool, window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_contentsize(stated).unwrap();
    encoder.window_log(window_log).unwrap();
    if stated {
        encoder
            .set_pledged_src_size(Some(content.len() as u64))
            .unwrap();
    }
    encoder.write_all(content).unwrap();
    let mut frame = encoder.finish().unwrap();
    assert_eq!(frame[..4], ZSTD_MAGIC);
    frame.split_off(4)
}

#[test]
fn a_good_pack_comes_back() {
    let memory = one_file(b"content").decode().unwrap();
    assert_eq!(memory.files, [Some(b"content".to_vec())]);
    let mut pack = one_file(b"content");
    pack.segments[1] = with_codec(Codec::Zstd, 7, zstd_frame(b"content", true, 10));
    assert_eq!(pack.decode().unwrap().files, [Some(b"content".to_vec())]);
}

#[test]
fn not_a_pack_and_packs_of_tomorrow() {
    assert!(matches!(
        decode_full(b"<html>captive portal</html>"),
        Err(PackError::NotAPack)
    ));
    let mut bytes = one_file(b"x").bytes();
    bytes[7] = 2;
    let error = decode_full(&bytes).unwrap_err();
    assert_eq!(error.code(), code::AGENT_TOO_OLD);
    let mut bytes = one_file(b"x").bytes();
    bytes[8] = 9;
    assert!(matches!(
        decode_full(&bytes),
        Err(PackError::Malformed { .. })
    ));
    let header = one_file(b"x").header.encode().len();
    let mut bytes = one_file(b"x").bytes();
    bytes[header] = 3;
    let error = decode_full(&bytes).unwrap_err();
    assert!(matches!(
        error,
        PackError::TooNew {
            what: "codec",
            number: 3
        }
    ));
}

#[test]
fn huge_headers() {
    for (list_bytes, image_bytes) in [
        (LIST_BYTES_MAX + 1, LIST_BYTES_MAX + 1),
        (u64::MAX, u64::MAX),
        (100, LIST_BYTES_MAX + UNPACKED_BYTES_MAX + 1),
    ] {
        let mut pack = one_file(b"x");
        pack.header.list_bytes = list_bytes;
        pack.header.image_bytes = image_bytes;
        assert_eq!(pack.decode().unwrap_err().code(), code::TOO_BIG);
    }
    let mut pack = one_file(b"x");
    pack.header.list_bytes = pack.header.image_bytes + 1;
    assert!(matches!(pack.decode(), Err(PackError::Malformed { .. })));
}

/// A megabyte of zeros in a few bytes, claimed to be one byte; and the other way round.
#[test]
fn decompression_bombs() {
    let zeros = vec![0; 1 << 20];
    let mut pack = one_file(b"x");
    pack.segments[1] = with_codec(Codec::Zstd, 1, zstd_frame(&zeros, true, 20));
    assert_eq!(
        refused(&pack),
        "segment 1: its zstd frame states another size"
    );
    // Without a stated size zstd would have to take a window of any size.
    pack.segments[1] = with_codec(Codec::Zstd, 1, zstd_frame(&zeros, false, 20));
    assert_eq!(
        refused(&pack),
        "segment 1: its zstd frame states another size"
    );
    let mut pack = one_file(b"x");
    pack.segments[1].0.image_bytes = SEGMENT_BYTES_MAX + 1;
    assert_eq!(pack.decode().unwrap_err().code(), code::TOO_BIG);
    let mut pack = one_file(b"x");
    pack.segments[1].0.payload_bytes = 1 << 40;
    assert_eq!(pack.decode().unwrap_err().code(), code::TOO_BIG);
}

/// The stated size is right, but a block beyond it follows.
#[test]
fn more_or_less_data_than_a_frame_states() {
    let frame = zstd_frame(b"some content that is long enough to be a block", true, 10);
    let mut behind = frame.clone();
    behind.extend(&frame);
    let mut pack = one_file(&[0; 46]);
    pack.segments[1] = with_codec(Codec::Zstd, 46, behind);
    assert_eq!(refused(&pack), "segment 1: bytes behind its zstd frame");
    pack.segments[1] = with_codec(Codec::Zstd, 46, frame[..frame.len() - 3].to_vec());
    assert!(refused(&pack).starts_with("segment 1: "));
    pack.segments[1] = with_codec(Codec::Zstd, 46, vec![0xff; 33]);
    assert_eq!(refused(&pack), "segment 1: not a zstd frame");
    pack.segments[1] = with_codec(Codec::Zstd, 46, Vec::new());
    assert_eq!(refused(&pack), "segment 1: less data than it claims");
}

#[test]
fn wrong_totals() {
    for change in [-1_i64, 1] {
        let mut pack = one_file(b"content");
        pack.header.image_bytes = pack.header.image_bytes.wrapping_add_signed(change);
        assert!(refused(&pack).contains("not as long as"), "{change}");
    }
    let mut pack = one_file(b"content");
    pack.segments.pop();
    assert!(refused(&pack).contains("less data than the header says"));
    let mut pack = one_file(b"content");
    pack.segments.push(stored(b"more"));
    assert!(refused(&pack).contains("more data than the header says"));
    let mut pack = one_file(b"content");
    pack.segments[1] = stored(b"content and more");
    assert!(refused(&pack).contains("crosses the end of its part"));
    let mut pack = one_file(b"content");
    pack.segments[1].0.image_bytes = 6;
    assert!(refused(&pack).contains("of another length"));
    let mut pack = one_file(b"content");
    pack.segments.insert(1, stored(b""));
    assert!(refused(&pack).contains("an empty segment"));
    let mut pack = one_file(b"content");
    pack.tail = vec![0];
    assert!(refused(&pack).contains("bytes after its end"));
}

/// List and content in one segment: the list part must end with a segment.
#[test]
fn a_segment_across_the_border() {
    let mut pack = one_file(b"content");
    let both = [pack.segments[0].1.clone(), pack.segments[1].1.clone()].concat();
    pack.segments = vec![stored(&both)];
    assert!(refused(&pack).contains("crosses the end of its part"));
}

#[test]
fn too_many_segments() {
    let content = vec![0; SEGMENTS_MAX as usize];
    let mut pack = one_file(&content);
    pack.segments.truncate(1);
    pack.segments
        .extend((0..SEGMENTS_MAX).map(|_| stored(&[0])));
    assert!(matches!(
        pack.decode(),
        Err(PackError::TooBig {
            what: "segments",
            ..
        })
    ));
}

#[test]
fn a_table_that_lies() {
    let pack = one_file(b"content");
    let good = pack.bytes();
    let trailer = good.last_chunk().unwrap();
    let place = SegmentTable::find(trailer, good.len() as u64).unwrap();
    assert_eq!(
        SegmentTable::decode(&good[place.start as usize..place.end as usize])
            .unwrap()
            .rows
            .len(),
        2
    );
    for at in place.start as usize..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(decode_full(&bad).is_err(), "byte {at}");
    }
    assert!(SegmentTable::find(&[0xff; 16], 100).is_err());
    let mut outside = *trailer;
    outside[..8].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(SegmentTable::find(&outside, good.len() as u64).is_err());
    assert!(SegmentTable::decode(&number(u64::MAX)).is_err());
}

#[test]
fn list_parts_that_refer_to_what_is_not_there() {
    let list = &raw_list_part(&[raw_file("a", 1)]);
    let list = &list[..list.len() - list_end(1).len()];
    // Sources: unchanged, copy, unknown, none, too many; old files; order.
    let ends: [&[u8]; 9] = [
        &[1 << 2, 0, 0],
        &[1 << 2 | 1, 0, 0, 0],
        &[1 << 2 | 3, 0, 0],
        &[2, 0, 0],
        &[2 << 2 | 2, 0, 0],
        &[1 << 2 | 2, 1, 0, 1, 0],
        &[1 << 2 | 2, 0, 3],
        &[1 << 2 | 2, 0, 1, 2],
        &[1 << 2 | 2, 0],
    ];
    for end in ends {
        let part = [list, end].concat();
        let error = full(&part, b"x").decode().unwrap_err();
        assert!(
            matches!(error, PackError::Malformed { .. }),
            "{end:?}: {error}"
        );
    }
}

fn base() -> MemoryTree {
    MemoryTree::new(&[
        ("a", 0o644, Item::File(b"old content")),
        ("b", 0o644, Item::File(b"kept")),
    ])
}

/// A patch from [`base`] that changes `a` and keeps `b`.
fn patch(base: &MemoryTree, ranges: Vec<std::ops::Range<u64>>) -> (Raw, Digest) {
    let new = MemoryTree::new(&[
        ("a", 0o644, Item::File(b"new content")),
        ("b", 0o644, Item::File(b"kept")),
    ]);
    let part = ListPart {
        list: new.tree.list().clone(),
        sources: vec![Source::Literal, Source::Old(1)],
        old_files: vec![0],
        order: ContentOrder::Path,
    };
    let list_part = part.encode(Some(base.tree.list()));
    let mut context = zstd::zstd_safe::CCtx::create();
    context.ref_prefix(b"old content").unwrap();
    let mut payload = Vec::with_capacity(100);
    context.compress2(&mut payload, b"new content").unwrap();
    let payload = payload.split_off(4);
    let raw = Raw {
        header: Header {
            root: new.tree.root(),
            base: Some(base.tree.root()),
            list_bytes: list_part.len() as u64,
            image_bytes: list_part.len() as u64 + 11,
        },
        segments: vec![
            stored(&list_part),
            with_codec(Codec::ZstdPrefix(ranges), 11, payload),
        ],
        tail: Vec::new(),
    };
    (raw, new.tree.root())
}

#[test]
fn patches_need_their_base_and_stay_inside_it() {
    use sanaga_proto::pack::Base as _;
    let base = base();
    let start = base.list().encode().len() as u64;
    let (good, root) = patch(&base, vec![start..start + 11]);
    let memory = decode_with(&good.bytes(), &root, Some(&base)).unwrap();
    assert_eq!(memory.files, [Some(b"new content".to_vec()), None]);
    assert_eq!(memory.reused, [(1, 1)]);

    let error = decode_with(&good.bytes(), &root, None).unwrap_err();
    assert!(matches!(error, PackError::WrongBase { .. }));
    let other = MemoryTree::new(&[("a", 0o644, Item::File(b"else"))]);
    let error = decode_with(&good.bytes(), &root, Some(&other)).unwrap_err();
    assert!(matches!(error, PackError::WrongBase { .. }));
    let error = decode_with(&good.bytes(), &ROOT, Some(&base)).unwrap_err();
    assert!(matches!(error, PackError::WrongTree { .. }));

    for ranges in [
        vec![start..start + 12],
        vec![0..u64::MAX / 2],
        vec![1 << 30..(1 << 30) + 1],
    ] {
        let (bad, root) = patch(&base, ranges.clone());
        let error = decode_with(&bad.bytes(), &root, Some(&base)).unwrap_err();
        assert!(
            matches!(error, PackError::Segment { .. } | PackError::TooBig { .. }),
            "{ranges:?}: {error}"
        );
    }
    let (many, root) = patch(&base, vec![0..1; 65]);
    assert!(matches!(
        decode_with(&many.bytes(), &root, Some(&base)),
        Err(PackError::TooBig { .. })
    ));
    let (empty, root) = patch(&base, std::iter::once(5..5).collect());
    assert!(matches!(
        decode_with(&empty.bytes(), &root, Some(&base)),
        Err(PackError::Malformed { .. })
    ));
}

/// The list part decides which old files there are, so it may itself see the old list only.
#[test]
fn a_list_part_that_looks_into_old_files() {
    use sanaga_proto::pack::Base as _;
    let base = base();
    let start = base.list().encode().len() as u64;
    let (mut bad, root) = patch(&base, vec![start..start + 11]);
    bad.segments[0].0.codec = Codec::ZstdPrefix(vec![start..start + 1]);
    let error = decode_with(&bad.bytes(), &root, Some(&base)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "segment 0: refers to old data that it may not see"
    );
}

#[test]
fn old_data_in_a_full_pack() {
    let mut pack = one_file(b"content");
    pack.segments[1].0.codec = Codec::ZstdPrefix(vec![0..1]);
    assert_eq!(
        refused(&pack),
        "segment 1: refers to old data in a full pack"
    );
}

/// A base whose file is shorter than its list says is named, so that the full pack can be fetched.
#[test]
fn a_damaged_base_is_named() {
    use sanaga_proto::pack::Base as _;
    let mut base = base();
    let start = base.list().encode().len() as u64;
    let (good, root) = patch(&base, vec![start..start + 11]);
    base.files[0].truncate(3);
    let error = decode_with(&good.bytes(), &root, Some(&base)).unwrap_err();
    assert_eq!(error.code(), code::BASE_DAMAGED);
    assert_eq!(error.args()["path"], "a");
}

#[test]
fn every_cut_and_every_flipped_bit_ends_well() {
    use sanaga_proto::pack::Base as _;
    let base = base();
    let start = base.list().encode().len() as u64;
    let (patch, root) = patch(&base, vec![0..start, start..start + 11]);
    let mut full = one_file(b"content, not very long");
    full.segments[1] = with_codec(
        Codec::Zstd,
        22,
        zstd_frame(b"content, not very long", true, 10),
    );
    for (good, root) in [(patch.bytes(), root), (full.bytes(), ROOT)] {
        let header = Header::read(&good[..]).unwrap().encode().len();
        assert!(decode_with(&good, &root, Some(&base)).is_ok());
        for cut in 0..good.len() {
            assert!(
                decode_with(&good[..cut], &root, Some(&base)).is_err(),
                "cut at {cut}"
            );
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Behind the header a bit may be idle, or make another tree, which its root tells.
            let made = decode_with(&bad, &root, Some(&base));
            assert!(made.is_err() || bit / 8 >= header, "bit {bit}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn noise_behind_a_header_never_panics(noise: Vec<u8>) {
        let mut bytes = one_file(b"x").header.encode();
        bytes.extend(noise);
        drop(decode_full(&bytes));
    }
}
