//! Rules of trees, the list's binary form, and the published vectors of the Merkle tree hash.

use proptest::prelude::*;

use super::*;
use crate::ids::Digest;

fn file(path: &str, size: u64) -> Entry {
    let (path, kind) = (path.to_owned(), Kind::File { mode: 0o644, size });
    Entry { path, kind }
}

fn directory(path: &str) -> Entry {
    let (path, kind) = (path.to_owned(), Kind::Directory { mode: 0o755 });
    Entry { path, kind }
}

fn link(path: &str, target: &str) -> Entry {
    let target = target.to_owned();
    let (path, kind) = (path.to_owned(), Kind::Symlink { target });
    Entry { path, kind }
}

/// The eight leaves and roots of the Certificate Transparency reference tests (RFC 9162 §2.1).
#[test]
fn merkle_roots_are_those_of_rfc_9162() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (count, root) in roots.iter().enumerate() {
        let mut builder = RootBuilder::default();
        leaves[..count].iter().for_each(|leaf| builder.push(leaf));
        assert_eq!(builder.finish().to_string(), *root, "{count} leaves");
    }
}

#[test]
fn paths_that_break_a_rule_are_named() {
    let long = "x".repeat(256);
    let deep = vec!["d"; 33].join("/");
    let cases = [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("a//b", "has an empty component"),
        ("a/", "has an empty component"),
        ("./a", "has a component `.` or `..`"),
        ("a/../b", "has a component `.` or `..`"),
        ("a\nb", "has a control character"),
        ("a\u{7f}", "has a control character"),
        ("e\u{301}", "is not in Unicode form NFC"),
        (long.as_str(), "has a component longer than 255 bytes"),
        (deep.as_str(), "is deeper than 32 components"),
    ];
    for (path, problem) in cases {
        assert_eq!(path::check(path), Err(problem), "{path:?}");
    }
    assert_eq!(path::check(&vec!["d"; 32].join("/")), Ok(()));
    assert_eq!(
        path::check(&vec!["abc"; 300].join("/")),
        Err("is longer than 1024 bytes")
    );
    assert_eq!(path::check("café/ファイル.txt"), Ok(()));
}

#[test]
fn targets_stay_inside() {
    for (path, target) in [
        ("a", "b"),
        ("a", "."),
        ("d/a", ".."),
        ("d/e/a", "../../x"),
        ("d/a", "./../y/z"),
    ] {
        assert_eq!(
            path::check_target(path, target),
            Ok(()),
            "{path} -> {target}"
        );
    }
    let cases = [
        ("a", "..", "leaves the tree"),
        ("d/a", "../../x", "leaves the tree"),
        ("a", "/etc/passwd", "is absolute"),
        ("d/a", "b/..", "has `..` behind a name"),
        ("a", "b//c", "has an empty component"),
        ("a", "", "is empty"),
    ];
    for (path, target, problem) in cases {
        assert_eq!(
            path::check_target(path, target),
            Err(problem),
            "{path} -> {target}"
        );
    }
}

#[test]
fn lists_that_break_a_rule_are_refused() {
    let refused = |entries: Vec<Entry>| TreeList::new(entries).expect_err("must be refused");
    assert!(matches!(
        refused(vec![file("b", 0), file("a", 0)]),
        TreeError::Order { .. }
    ));
    assert!(matches!(
        refused(vec![file("a", 0), file("a", 0)]),
        TreeError::Order { .. }
    ));
    assert!(matches!(
        refused(vec![file("A", 0), file("a", 0)]),
        TreeError::Duplicate { .. }
    ));
    assert!(matches!(
        refused(vec![file("Straße", 0), file("strasse", 0)]),
        TreeError::Duplicate { .. }
    ));
    assert!(matches!(
        refused(vec![file("É", 0), file("é", 0)]),
        TreeError::Duplicate { .. }
    ));
    assert!(matches!(
        refused(vec![file("a/b", 0)]),
        TreeError::Parent { .. }
    ));
    assert!(matches!(
        refused(vec![file("a", 0), file("a/b", 0)]),
        TreeError::Parent { .. }
    ));
    assert!(matches!(
        refused(vec![directory("d"), link("l", "d"), file("l/x", 0)]),
        TreeError::Parent { .. }
    ));
    assert!(matches!(
        refused(vec![link("l", "../x")]),
        TreeError::Target { .. }
    ));
    let setuid = Entry {
        path: "a".into(),
        kind: Kind::File {
            mode: 0o4755,
            size: 0,
        },
    };
    assert!(matches!(refused(vec![setuid]), TreeError::Mode { .. }));
    let huge = vec![file("a", 60 << 30), file("b", 60 << 30)];
    assert!(matches!(refused(huge), TreeError::TooMuch { .. }));
    assert!(matches!(
        refused(vec![file("a", u64::MAX), file("b", 1)]),
        TreeError::TooMuch { .. }
    ));
}

#[test]
fn siblings_may_stand_between_a_directory_and_its_children() {
    let list = TreeList::new([
        directory("a"),
        file("a-b", 1),
        file("a.txt", 2),
        file("a/b", 3),
    ])
    .unwrap();
    assert_eq!(list.find("a/b"), Some(3));
    assert_eq!(list.find_file("a/b"), Some(2));
    assert_eq!(list.file_size(1), Some(2));
    assert_eq!(list.file_bytes(), 6);
}

#[test]
fn a_leaf_has_this_form() {
    let input = leaf_input(&file("a", 258), Some(&Digest([7; 32]))).unwrap();
    let mut expected = vec![1, 1, 0x01, 0xa4, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, b'a'];
    expected.extend([7; 32]);
    assert_eq!(input, expected);
    assert!(leaf_input(&file("a", 1), None).is_err());
    assert!(leaf_input(&directory("a"), Some(&Digest([7; 32]))).is_err());
    let expected = [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, b'l', b't', b'o'];
    assert_eq!(leaf_input(&link("l", "to"), None).unwrap(), expected);
}

#[test]
fn the_root_tells_trees_apart() {
    let root = |entry: Entry, hash: Option<u8>| {
        let list = TreeList::new([entry]).unwrap();
        let hashes = hash.map(|byte| Digest([byte; 32])).into_iter().collect();
        HashedTree::new(list, hashes).unwrap().root()
    };
    let roots = std::collections::BTreeSet::from([
        HashedTree::default().root(),
        root(file("a", 1), Some(1)),
        root(file("a", 1), Some(2)),
        root(file("a", 2), Some(1)),
        root(file("b", 1), Some(1)),
        root(directory("a"), None),
        root(link("a", "b"), None),
        root(link("a", "c"), None),
    ]);
    assert_eq!(roots.len(), 8);
}

/// Trees of up to 40 entries over a few names, so that parents and neighbours are common.
pub(crate) fn lists() -> impl Strategy<Value = TreeList> {
    let name = prop::sample::select(vec!["a", "b", "a-b", "lib", "lib64", "é", "x.js", "日"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let kind = (0u8..3, 0u16..0o1000, any::<u32>());
    prop::collection::btree_map(path, kind, 0..40).prop_map(|map| {
        let mut builder = TreeBuilder::default();
        for (path, (kind, mode, size)) in map {
            let kind = match kind {
                0 => Kind::Directory { mode },
                1 => Kind::File {
                    mode,
                    size: size.into(),
                },
                _ => Kind::Symlink {
                    target: format!("t{size}"),
                },
            };
            // Entries without parent are left out.
            drop(builder.push(Entry { path, kind }));
        }
        builder.finish()
    })
}

proptest! {
    #[test]
    fn lists_come_back(list in lists(), seed: u8) {
        prop_assert_eq!(&TreeList::decode(&list.encode()).unwrap(), &list);
        let hashes = (0..list.files().len()).map(|n| Digest::of(&[seed, n as u8])).collect();
        let tree = HashedTree::new(list, hashes).unwrap();
        let back = HashedTree::decode(&tree.encode()).unwrap();
        prop_assert_eq!(back.root(), tree.root());
        prop_assert_eq!(back, tree);
    }

    #[test]
    fn damaged_lists_are_refused_or_have_one_form(list in lists(), at: prop::sample::Index, byte: u8) {
        let mut bytes = list.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = TreeList::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes: Vec<u8>) {
        drop(TreeList::decode(&bytes));
        drop(HashedTree::decode(&bytes));
    }
}
