//! Frames: layout, round trips, and the exact place of every kind of damage.

use std::io::{Cursor, Read as _, Seek as _, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::ids::Digest;

/// A pack that is different everywhere.
fn pack(bytes: u64) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

fn framed(pack: &[u8]) -> (Framed, Vec<u8>) {
    let mut served = Vec::new();
    let framed = frame(Cursor::new(pack), &mut served).unwrap();
    assert_eq!(framed.served_bytes, served.len() as u64);
    (framed, served)
}

/// One frame, two, one over a page: all borders.
const LENGTHS: [u64; 8] = [
    0,
    1,
    FRAME_BYTES,
    FRAME_BYTES + 1,
    3 * FRAME_BYTES,
    FRAMES_PER_PAGE * FRAME_BYTES - 1,
    FRAMES_PER_PAGE * FRAME_BYTES,
    FRAMES_PER_PAGE * FRAME_BYTES + 5,
];

#[test]
fn every_length_comes_back() {
    for bytes in LENGTHS {
        let pack = pack(bytes);
        let (framed, served) = framed(&pack);
        assert_eq!(framed.pack_bytes, bytes);
        let mut reader = VerifiedReader::new(&served[..], framed.root, bytes).unwrap();
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        assert_eq!(Digest::of(&back), Digest::of(&pack), "{bytes} bytes");

        let layout = Layout::new(bytes).unwrap();
        let mut view = InnerView::new(Cursor::new(&served), layout);
        let tail = view
            .seek(SeekFrom::End(-(bytes.min(70_000) as i64)))
            .unwrap();
        let mut back = Vec::new();
        view.read_to_end(&mut back).unwrap();
        assert_eq!(back, pack[tail as usize..], "{bytes} bytes");
    }
}

#[test]
fn a_bare_pack_is_served_as_it_is() {
    let pack = pack(FRAME_BYTES);
    let (framed, served) = framed(&pack);
    assert_eq!(served, pack);
    assert_eq!(framed.root, Digest::of(&pack));
}

#[test]
fn steps_fill_the_served_file() {
    for bytes in LENGTHS {
        let layout = Layout::new(bytes).unwrap();
        let (mut at, mut step) = (0, Some(layout.first()));
        while let Some(now) = step {
            let range = layout.served(now);
            assert_eq!(range.start, at, "{now:?} of {bytes}");
            assert!(range.count_bytes() <= FRAME_BYTES);
            at = range.end;
            step = layout.after(now);
        }
        assert_eq!(at, layout.served_bytes(), "{bytes} bytes");
    }
}

#[test]
fn every_damaged_step_is_found_at_its_place() {
    let bytes = FRAMES_PER_PAGE * FRAME_BYTES + 3 * FRAME_BYTES + 9;
    let (framed, served) = framed(&pack(bytes));
    let layout = Layout::new(bytes).unwrap();
    let steps = [
        Step::Head,
        Step::Page(0),
        Step::Frame(0),
        Step::Frame(2_047),
        Step::Page(1),
        Step::Frame(2_051),
    ];
    for step in steps {
        let range = layout.served(step);
        let mut bad = served.clone();
        bad[range.end as usize - 1] ^= 1;
        let mut verifier = FrameVerifier::new(framed.root, bytes).unwrap();
        let error = verifier.push(&bad).expect_err("damage must be found");
        assert!(
            matches!(error, FrameError::BadStep { offset, len } if offset == range.start && len == range.count_bytes()),
            "{step:?}: {error}"
        );
        assert_eq!(verifier.received(), range.start);
        verifier.push(&served[range.start as usize..]).unwrap();
        assert!(verifier.is_complete());
    }
}

#[test]
fn a_scan_lists_holes_and_goes_on() {
    let bytes = 9 * FRAME_BYTES + 100;
    let (framed, served) = framed(&pack(bytes));
    let layout = Layout::new(bytes).unwrap();
    let mut stored = served[..served.len() - 50].to_vec();
    for frame in [1, 5] {
        stored[layout.served(Step::Frame(frame)).start as usize] ^= 0x80;
    }
    let mut verifier = FrameVerifier::new(framed.root, bytes).unwrap();
    let scan = verifier.scan(&stored[..]).unwrap();
    assert!(!scan.blocked && !scan.too_long);
    let holes: Vec<_> = scan.holes.iter().map(|hole| hole.range.clone()).collect();
    assert_eq!(
        holes,
        [layout.served(Step::Frame(1)), layout.served(Step::Frame(5))]
    );
    assert_eq!(verifier.received(), stored.len() as u64);
    verifier.push(&served[stored.len()..]).unwrap();
    assert!(verifier.is_complete());
    for hole in &scan.holes {
        let range = hole.range.start as usize..hole.range.end as usize;
        assert!(hole.accepts(&served[range.clone()]));
        assert!(!hole.accepts(&stored[range]));
    }
}

#[test]
fn a_scan_stops_at_a_bad_page_and_sees_surplus() {
    let bytes = 4 * FRAME_BYTES;
    let (framed, mut served) = framed(&pack(bytes));
    served.push(0);
    let mut verifier = FrameVerifier::new(framed.root, bytes).unwrap();
    assert!(verifier.scan(&served[..]).unwrap().too_long);
    assert!(verifier.is_complete());
    assert!(matches!(
        verifier.push(&[0]),
        Err(FrameError::TooLong { .. })
    ));

    let page = Layout::new(bytes).unwrap().served(Step::Page(0));
    served[page.start as usize] ^= 1;
    let mut verifier = FrameVerifier::new(framed.root, bytes).unwrap();
    let scan = verifier.scan(&served[..]).unwrap();
    assert!(scan.blocked);
    assert_eq!(scan.holes.last().unwrap().range, page);
    assert_eq!(verifier.received(), page.start);
}

#[test]
fn wrong_lengths_are_refused() {
    assert!(matches!(
        Layout::new(PACK_BYTES_MAX + 1),
        Err(FrameError::TooBig { .. })
    ));
    let pack = pack(3 * FRAME_BYTES);
    let (framed, served) = framed(&pack);
    // Authentic head, but not of the promised length.
    let mut verifier = FrameVerifier::new(framed.root, 3 * FRAME_BYTES - 1).unwrap();
    assert!(matches!(
        verifier.push(&served),
        Err(FrameError::BadStep { offset: 0, .. })
    ));
    for cut in [0, 10, served.len() - 1] {
        let mut reader =
            VerifiedReader::new(&served[..cut], framed.root, framed.pack_bytes).unwrap();
        let error = reader.read_to_end(&mut Vec::new()).expect_err("cut short");
        assert!(error.to_string().contains("it ends at byte"), "{error}");
    }
    let mut reader = VerifiedReader::new(&[][..], Digest([1; 32]), 0).unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
}

proptest! {
    #[test]
    fn pieces_of_any_size_verify(
        bytes in 0..5 * FRAME_BYTES,
        sizes in prop::collection::vec(1usize..100_000, 1..20),
    ) {
        let (framed, served) = framed(&pack(bytes));
        let mut verifier = FrameVerifier::new(framed.root, bytes).unwrap();
        let (mut rest, mut sizes) = (&served[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            verifier.push(now).unwrap();
            rest = later;
            prop_assert_eq!(verifier.received(), (served.len() - rest.len()) as u64);
            prop_assert!(verifier.received() - verifier.verified() < FRAME_BYTES);
        }
        prop_assert!(verifier.is_complete());
    }
}
