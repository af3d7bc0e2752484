//! Whole trips: a folder is scanned, packed, framed, decoded and compared, over trees and edits
//! that chance makes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;
use sanaga_proto::pack::Base as _;
use sanaga_proto::pack::frame::VerifiedReader;

use super::*;

/// What stands at a path of a made-up tree.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    File { seed: u8, bytes: usize, mode: u32 },
    Link(String),
    Folder,
}

type Items = BTreeMap<String, Item>;

/// Text that repeats enough to compress, and differs from seed to seed.
fn content(seed: u8, bytes: usize) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        out.extend(format!("{:x} ", (state >> 60) * 7919).bytes());
    }
    out.truncate(bytes);
    out
}

fn write(dir: &Path, items: &Items) {
    for (path, item) in items {
        let full = dir.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        match item {
            Item::Folder => fs::create_dir_all(full).unwrap(),
            Item::File { seed, bytes, mode } => {
                fs::write(&full, content(*seed, *bytes)).unwrap();
                fs::set_permissions(&full, fs::Permissions::from_mode(*mode)).unwrap();
            }
            #[expect(clippy::disallowed_methods, reason = "a fixture that need not last")]
            Item::Link(target) => std::os::unix::fs::symlink(target, full).unwrap(),
        }
    }
}

fn no_progress() -> impl FnMut(u64, u64) {
    |_, _| {}
}

/// Scans the tree that `items` make.
fn scanned(items: &Items) -> (tempfile::TempDir, TreeDir) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), items);
    let tree = scan(dir.path(), &mut no_progress()).unwrap();
    (dir, tree)
}

const FAST: PackOptions = PackOptions {
    level: 1,
    threads: 2,
};

fn packed(old: Option<&TreeDir>, new: &TreeDir, options: PackOptions) -> (Packed, Vec<u8>) {
    let mut served = Vec::new();
    let packed = make_pack(
        old,
        new,
        Cursor::new(Vec::new()),
        &mut served,
        options,
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(packed.framed.served_bytes, served.len() as u64);
    (packed, served)
}

fn items() -> impl Strategy<Value = Items> {
    let folder = prop::sample::select(vec!["", "lib/", "lib/a/", "é/"]);
    let name = prop::sample::select(vec!["x.js", "y.js", "z-1.2.so", "n", "empty"]);
    let item = prop_oneof![
        6 => (any::<u8>(), 0usize..5_000, prop::sample::select(vec![0o644, 0o755, 0o600]))
            .prop_map(|(seed, bytes, mode)| Item::File { seed, bytes, mode }),
        1 => Just(Item::File { seed: 0, bytes: 0, mode: 0o644 }),
        1 => prop::sample::select(vec!["x.js", "n", "nowhere/at/all"]).prop_map(|to| Item::Link(to.to_owned())),
    ];
    let path = (folder, name).prop_map(|(folder, name)| format!("{folder}{name}"));
    prop::collection::btree_map(path, item, 0..16).prop_map(|mut items| {
        items.insert("hollow".to_owned(), Item::Folder);
        items
    })
}

/// One change from release to release.
#[derive(Debug, Clone)]
enum Edit {
    Remove(prop::sample::Index),
    Rename(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Truncate(prop::sample::Index),
    Grow(prop::sample::Index),
    Mode(prop::sample::Index),
    Relink(prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    use prop::sample::Index;
    prop_oneof![
        any::<Index>().prop_map(Edit::Remove),
        any::<Index>().prop_map(Edit::Rename),
        any::<(Index, Index)>().prop_map(|(a, b)| Edit::Swap(a, b)),
        any::<Index>().prop_map(Edit::Truncate),
        any::<Index>().prop_map(Edit::Grow),
        any::<Index>().prop_map(Edit::Mode),
        any::<Index>().prop_map(Edit::Relink),
    ]
}

fn apply(items: &mut Items, edit: &Edit) {
    let paths: Vec<String> = items.keys().cloned().collect();
    let at = |index: &prop::sample::Index| paths[index.index(paths.len())].clone();
    let change =
        |items: &mut Items, index: &prop::sample::Index, with: &dyn Fn(&mut usize, &mut u32)| {
            if let Some(Item::File { bytes, mode, .. }) = items.get_mut(&at(index)) {
                with(bytes, mode);
            }
        };
    match edit {
        Edit::Remove(index) => drop(items.remove(&at(index))),
        Edit::Rename(index) => {
            if let Some(item @ Item::File { .. }) = items.remove(&at(index)) {
                items.insert(format!("new/{}", at(index).replace('/', "_")), item);
            }
        }
        Edit::Swap(a, b) => {
            let (Some(one), Some(two)) = (items.get(&at(a)).cloned(), items.get(&at(b)).cloned())
            else {
                return;
            };
            items.insert(at(a), two);
            items.insert(at(b), one);
        }
        Edit::Truncate(index) => change(items, index, &|bytes, _| *bytes /= 2),
        Edit::Grow(index) => change(items, index, &|bytes, _| *bytes = *bytes * 3 + 10),
        Edit::Mode(index) => change(items, index, &|_, mode| *mode ^= 0o111),
        Edit::Relink(index) => drop(items.insert(at(index), Item::Link("x.js".to_owned()))),
    }
    items.entry("hollow".to_owned()).or_insert(Item::Folder);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `make_pack` decodes what it made and compares every file, so making is proving.
    #[test]
    fn every_edit_is_a_patch(old in items(), edits in prop::collection::vec(edit(), 0..8)) {
        let mut new = old.clone();
        edits.iter().for_each(|edit| apply(&mut new, edit));
        let (_old_dir, old_tree) = scanned(&old);
        let (_new_dir, new_tree) = scanned(&new);
        let (full, served) = packed(None, &new_tree, FAST);
        prop_assert_eq!(full.header.base, None);

        // The controller keeps only full packs: a patch can be made from an unpacked one.
        let dir = tempfile::tempdir().unwrap();
        let unpacked = unpack(&served[..], full.framed.root, full.framed.pack_bytes, &new_tree.root(), dir.path()).unwrap();
        prop_assert_eq!(unpacked.tree(), new_tree.tree());
        let (patch, bytes) = packed(Some(&old_tree), &new_tree, FAST);
        let (again, same) = packed(Some(&old_tree), &unpacked, PackOptions { threads: 1, ..FAST });
        prop_assert_eq!(again.framed.root, patch.framed.root);
        prop_assert_eq!(same, bytes);
        prop_assert_eq!(patch.literal_bytes == 0 || !edits.is_empty(), true);
    }
}

#[test]
fn unchanged_and_renamed_files_cost_nothing() {
    let file = |seed| Item::File {
        seed,
        bytes: 20_000,
        mode: 0o644,
    };
    let old: Items = (0..50).map(|n| (format!("old/{n:03}"), file(n))).collect();
    let mut new: Items = (0..50)
        .map(|n| (format!("renamed/{n:03}"), file(n)))
        .collect();
    new.insert("kept".to_owned(), file(99));
    let mut old = old;
    old.insert("kept".to_owned(), file(99));
    let (_a, old) = scanned(&old);
    let (_b, new) = scanned(&new);
    let (patch, served) = packed(Some(&old), &new, PackOptions::default());
    assert_eq!(patch.literal_bytes, 0);
    assert!(served.len() < 250, "{} bytes", served.len());
}

#[test]
fn a_changed_line_costs_little() {
    let mut items: Items = (0..2_000)
        .map(|n| {
            (
                format!("lib/{}/{n}.js", n % 40),
                Item::File {
                    seed: (n % 251) as u8,
                    bytes: 300,
                    mode: 0o644,
                },
            )
        })
        .collect();
    items.insert(
        "main.js".to_owned(),
        Item::File {
            seed: 7,
            bytes: 40_000,
            mode: 0o755,
        },
    );
    let (old_dir, old) = scanned(&items);
    drop(old);
    let main = old_dir.path().join("main.js");
    let old = scan(old_dir.path(), &mut no_progress()).unwrap();
    let new_dir = tempfile::tempdir().unwrap();
    write(new_dir.path(), &items);
    let mut text = fs::read(main).unwrap();
    text.splice(1_000..1_010, *b"one line changed");
    fs::write(new_dir.path().join("main.js"), text).unwrap();
    let new = scan(new_dir.path(), &mut no_progress()).unwrap();
    let (patch, served) = packed(Some(&old), &new, PackOptions::default());
    assert!(
        served.len() < 300,
        "{} bytes, {:?}",
        served.len(),
        patch.segments
    );
}

#[test]
fn big_files_take_several_segments() {
    let big = |seed, bytes| {
        BTreeMap::from([(
            "big.bin".to_owned(),
            Item::File {
                seed,
                bytes,
                mode: 0o644,
            },
        )])
    };
    let (_a, old) = scanned(&big(1, 20 << 20));
    let (_b, new) = scanned(&big(1, (20 << 20) + 12_345));
    let (full, served) = packed(None, &new, FAST);
    assert_eq!(full.segments.rows.len(), 4);
    let (patch, _) = packed(Some(&old), &new, FAST);
    assert!(patch.framed.served_bytes < served.len() as u64 / 10);

    // The table at the end finds the segments that hold a place of the file.
    let reader =
        VerifiedReader::new(&served[..], full.framed.root, full.framed.pack_bytes).unwrap();
    let inner: Vec<u8> = std::io::Read::bytes(reader).map(Result::unwrap).collect();
    use sanaga_proto::pack::segment::{Header, SegmentTable};
    let trailer = inner.last_chunk().unwrap();
    let place = SegmentTable::find(trailer, inner.len() as u64).unwrap();
    let table = SegmentTable::decode(&inner[place.start as usize..place.end as usize]).unwrap();
    assert_eq!(table, full.segments);
    let header = Header::read(&inner[..]).unwrap();
    let at = header.list_bytes + (9 << 20);
    let found: Vec<_> = table
        .covering(header.encode().len() as u64, at..at + 1)
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(inner[found[0].pack.start as usize], table.rows[2].codec);
}

#[test]
fn what_cannot_be_shipped_is_refused_by_name() {
    use sanaga_proto::failure::Coded as _;
    let refused = |name: &std::ffi::OsStr, make: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        make(&dir.path().join(name));
        let error = scan(dir.path(), &mut no_progress()).expect_err("must be refused");
        assert_eq!(error.code(), sanaga_proto::code::BAD_TREE, "{error}");
        error.args()["problem"].clone()
    };
    let file = |mode| {
        move |path: &Path| {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a fixture that need not last")]
    let link =
        |target: &'static str| move |path: &Path| std::os::unix::fs::symlink(target, path).unwrap();
    assert_eq!(
        refused("suid".as_ref(), &file(0o4755)),
        "it is setuid or setgid"
    );
    assert_eq!(
        refused("sticky".as_ref(), &file(0o1644)),
        "it has the sticky bit"
    );
    assert_eq!(
        refused("e\u{301}".as_ref(), &file(0o644)),
        "is not in Unicode form NFC"
    );
    assert_eq!(
        refused("a\nb".as_ref(), &file(0o644)),
        "has a control character"
    );
    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"bad\xff");
    assert_eq!(refused(bytes, &file(0o644)), "its name is not UTF-8");
    assert!(refused("up".as_ref(), &link("../x")).contains("leaves the tree"));
    assert!(refused("abs".as_ref(), &link("/etc/passwd")).contains("is absolute"));
    let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert_eq!(
        refused("socket".as_ref(), &socket),
        "it is a device, pipe or socket"
    );
}
