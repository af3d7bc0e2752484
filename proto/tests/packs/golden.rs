//! Packs of format version 1 as they were once made. They must decode for ever; a new version adds
//! a folder and never touches this one.

use sanaga_proto::ids::Digest;
use sanaga_proto::pack::Base as _;
use sanaga_proto::pack::frame::{Layout, frame};
use sanaga_proto::pack::segment::Header;

use super::build::{Item, MemoryTree, decode_with};

const EXAMPLE: &[u8] = include_bytes!("../golden/pack-v1/example.pack");
const FULL: &[u8] = include_bytes!("../golden/pack-v1/full.pack");
const PATCH: &[u8] = include_bytes!("../golden/pack-v1/patch.pack");
const DOCUMENT: &str = include_str!("../../../docs/bundle-format.md");

fn lines(count: std::ops::RangeInclusive<u32>, line: impl Fn(u32) -> String) -> String {
    count.map(|number| line(number) + "\n").collect()
}

fn old_tree() -> MemoryTree {
    let app = lines(1..=400, |n| format!("line {n} of the app"));
    let core = lines(1..=300, |n| format!("export const v{n} = 1;"));
    let readme = lines(1..=50, |n| format!("note {n}"));
    MemoryTree::new(&[
        ("bin", 0o755, Item::Directory),
        ("bin/app", 0o755, Item::File(app.as_bytes())),
        ("bin/start", 0, Item::Link("app")),
        ("empty", 0o700, Item::Directory),
        ("lib", 0o755, Item::Directory),
        ("lib/core-1.0.0.js", 0o644, Item::File(core.as_bytes())),
        ("notes.txt", 0o640, Item::File(b"")),
        ("readme.txt", 0o644, Item::File(readme.as_bytes())),
    ])
}

fn new_tree() -> MemoryTree {
    let app = lines(1..=200, |n| format!("line {n} of the app"))
        + "a new line\n"
        + &lines(201..=400, |n| format!("line {n} of the app"));
    let core = lines(1..=300, |n| format!("export const v{n} = 1;")) + "export const last = 2;\n";
    let moved = lines(1..=50, |n| format!("note {n}"));
    MemoryTree::new(&[
        ("bin", 0o755, Item::Directory),
        ("bin/app", 0o755, Item::File(app.as_bytes())),
        ("bin/start", 0, Item::Link("../lib/core-1.1.0.js")),
        ("lib", 0o755, Item::Directory),
        ("lib/core-1.1.0.js", 0o644, Item::File(core.as_bytes())),
        ("lib/moved.txt", 0o644, Item::File(moved.as_bytes())),
        ("notes.txt", 0o600, Item::File(b"")),
        ("é", 0o644, Item::File(&[1, 2, 3])),
    ])
}

/// Decodes a golden pack and compares everything with the tree that it was made from.
fn check(pack: &[u8], tree: &MemoryTree, base: Option<&MemoryTree>) {
    let dyn_base = base.map(|base| base as &dyn sanaga_proto::pack::Base);
    let made = decode_with(pack, &tree.root(), dyn_base).unwrap();
    assert_eq!(made.list, *tree.list());
    for (number, content) in tree.files.iter().enumerate() {
        let reused = made.reused.iter().find(|(new, _)| *new as usize == number);
        let found = match (&made.files[number], reused) {
            (Some(literal), None) => literal,
            (None, Some((_, old))) => &base.unwrap().files[*old as usize],
            (Some(_), Some(_)) | (None, None) => panic!("file {number} comes twice or never"),
        };
        assert_eq!(found, content, "file {number}");
    }
}

#[test]
fn roots_stay() {
    assert_eq!(
        old_tree().root().to_string(),
        "c0a617ecad00cd6dd404a059b5a65f810cf5cd4218f4a64b43aee445bee0fc63"
    );
    assert_eq!(
        new_tree().root().to_string(),
        "88cfe0d8e1c0339854b1eab4def6f7cfc50d07c99f9aef57ed8bd4968f87b9e6"
    );
}

#[test]
fn the_full_pack_makes_the_old_tree() {
    check(FULL, &old_tree(), None);
}

#[test]
fn the_patch_makes_the_new_tree_and_costs_little() {
    check(PATCH, &new_tree(), Some(&old_tree()));
    let made = decode_with(PATCH, &new_tree().root(), Some(&old_tree())).unwrap();
    // lib/moved.txt was readme.txt; notes.txt has another mode only.
    assert_eq!(made.reused, [(2, 3), (3, 2)]);
    assert!(PATCH.len() < 300);
}

#[test]
fn the_frames_of_a_long_pack_stay() {
    let pack: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    let mut served = Vec::new();
    let framed = frame(std::io::Cursor::new(&pack), &mut served).unwrap();
    assert_eq!(framed.served_bytes, 200_000 + 8 + 32 + 4 * 32);
    assert_eq!(
        served.len() as u64,
        Layout::new(200_000).unwrap().served_bytes()
    );
    assert_eq!(framed.root, Digest::of(&served[..40]));
    assert_eq!(
        framed.root.to_string(),
        "a4ba45b53ada04f9d90560548a0f9fb761b9a024a0fad9950c8b45145da85f28"
    );
}

/// The worked example of the format's document is a pack that decodes.
#[test]
fn the_document_shows_the_truth() {
    let block = DOCUMENT
        .split("```hex\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let digits: String = block.split_whitespace().collect();
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(bytes, EXAMPLE);
    let tree = MemoryTree::new(&[("a", 0o644, Item::File(b"hi\n"))]);
    check(EXAMPLE, &tree, None);
    let header = Header::read(EXAMPLE).unwrap();
    assert_eq!((header.list_bytes, header.image_bytes), (10, 13));

    let mut leaf = vec![0, 1, 1, 0x01, 0xa4, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, b'a'];
    leaf.extend(Digest::of(b"hi\n").0);
    assert_eq!(header.root, Digest::of(&leaf));
}
