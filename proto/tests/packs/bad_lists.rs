//! Trees that an attacker would like to see written: each is refused before a single event.

use sanaga_proto::code;
use sanaga_proto::failure::Coded as _;
use sanaga_proto::limits;
use sanaga_proto::pack::PackError;
use sanaga_proto::tree::TreeError;

use super::build::{
    RawEntry, full, list_end, number, raw_directory, raw_file, raw_link, raw_list_part,
};

/// What the tree's own rules say to a pack with these entries (their files all empty).
fn refused(entries: &[RawEntry<'_>]) -> TreeError {
    refused_list(&raw_list_part(entries))
}

fn refused_list(list_part: &[u8]) -> TreeError {
    let error = full(list_part, b"").decode().expect_err("must be refused");
    assert_eq!(error.code(), code::BAD_PACK);
    match error {
        PackError::Tree(error) => error,
        other => panic!("another error: {other}"),
    }
}

fn path_problem(path: &str) -> &'static str {
    match refused(&[raw_file(path, 0)]) {
        TreeError::Path { problem, .. } => problem,
        other => panic!("another error: {other}"),
    }
}

fn target_problem(path: &str, target: &str) -> &'static str {
    match refused(&[raw_directory("d"), raw_link(path, target)]) {
        TreeError::Target { problem, .. } => problem,
        other => panic!("another error: {other}"),
    }
}

#[test]
fn path_traversal() {
    assert_eq!(
        path_problem("../../etc/cron.d/evil"),
        "has a component `.` or `..`"
    );
    assert_eq!(path_problem("a/../../b"), "has a component `.` or `..`");
    assert_eq!(path_problem("./a"), "has a component `.` or `..`");
    assert_eq!(path_problem("/etc/passwd"), "is absolute");
    assert_eq!(path_problem("a//b"), "has an empty component");
    assert_eq!(path_problem(""), "is empty");
}

#[test]
fn control_characters_and_overlong_names() {
    assert_eq!(path_problem("a\0b"), "has a control character");
    assert_eq!(path_problem("a\u{1b}[2J"), "has a control character");
    assert_eq!(
        path_problem(&"n".repeat(256)),
        "has a component longer than 255 bytes"
    );
    assert_eq!(
        path_problem(&vec!["d"; 33].join("/")),
        "is deeper than 32 components"
    );
    let long = vec!["d".repeat(200); 6].join("/");
    assert!(matches!(
        refused(&[raw_file(&long, 0)]),
        TreeError::Malformed { .. }
    ));
}

#[test]
fn absolute_link() {
    assert_eq!(target_problem("l", "/etc/passwd"), "is absolute");
}

#[test]
fn escaping_link() {
    assert_eq!(target_problem("l", ".."), "leaves the tree");
    assert_eq!(target_problem("d/l", "../../secret"), "leaves the tree");
}

/// `d/l → ../e` and `x → d/l/../..`: each harmless by its text, together they leave the tree.
#[test]
fn link_chain_that_climbs() {
    assert_eq!(target_problem("x", "d/l/../.."), "has `..` behind a name");
}

/// A link to a folder, and a file "in" it that would land wherever the link points.
#[test]
fn link_as_parent() {
    let entries = [raw_directory("d"), raw_link("l", "d"), raw_file("l/x", 0)];
    assert!(matches!(refused(&entries), TreeError::Parent { path } if path == "l/x"));
    let entries = [raw_file("f", 0), raw_file("f/x", 0)];
    assert!(matches!(refused(&entries), TreeError::Parent { path } if path == "f/x"));
    assert!(matches!(
        refused(&[raw_file("no/x", 0)]),
        TreeError::Parent { .. }
    ));
}

#[test]
fn duplicate_names_by_case() {
    let entries = [raw_file("README", 0), raw_file("readme", 0)];
    assert!(matches!(refused(&entries), TreeError::Duplicate { path } if path == "readme"));
    let entries = [raw_file("Straße", 0), raw_file("strasse", 0)];
    assert!(matches!(refused(&entries), TreeError::Duplicate { .. }));
    let entries = [raw_file("K", 0), raw_file("\u{212a}", 0)];
    // The Kelvin sign is not NFC, so it does not even come that far.
    assert!(matches!(refused(&entries), TreeError::Path { .. }));
}

#[test]
fn duplicate_names_by_unicode_form() {
    let entries = [raw_file("cafe\u{301}", 0), raw_file("caf\u{e9}", 0)];
    assert!(
        matches!(refused(&entries), TreeError::Path { problem, .. } if problem == "is not in Unicode form NFC")
    );
}

#[test]
fn the_same_name_twice_and_names_out_of_order() {
    assert!(matches!(
        refused(&[raw_file("a", 0), raw_file("a", 0)]),
        TreeError::Order { .. }
    ));
    assert!(matches!(
        refused(&[raw_file("b", 0), raw_file("a", 0)]),
        TreeError::Order { .. }
    ));
}

#[test]
fn setuid_setgid_and_sticky() {
    for mode in [0o4755, 0o2755, 0o1777, 0o100_644, 1 << 40] {
        let entry = RawEntry {
            mode,
            ..raw_file("su", 0)
        };
        assert!(
            matches!(refused(&[entry]), TreeError::Mode { .. }),
            "{mode:o}"
        );
    }
}

/// Kind 3 is no kind: there is no number for devices, pipes or sockets.
#[test]
fn device_entry() {
    let entry = RawEntry {
        kind: 3,
        ..raw_file("sda", 0)
    };
    assert!(matches!(refused(&[entry]), TreeError::Kind { kind: 3, .. }));
}

#[test]
fn a_million_entries() {
    let mut list = number(1_000_000);
    for index in 0..1_000_000_u32 {
        let name = format!("{index:07}");
        list.extend([0, 7]);
        list.extend(name.as_bytes());
        list.extend(number(0o644 << 2 | 1));
        list.push(0);
    }
    list.extend(list_end(1_000_000));
    assert!(list.len() as u64 <= limits::LIST_BYTES_MAX);
    let mut pack = full(&list[..8 << 20], &list[8 << 20..]);
    pack.header.list_bytes = list.len() as u64;
    let error = pack.decode().expect_err("must be refused");
    assert!(matches!(
        error,
        PackError::Tree(TreeError::TooMuch {
            what: "entries",
            limit: limits::ENTRIES_MAX
        })
    ));
}

#[test]
fn more_entries_claimed_than_there_are() {
    let mut list = number(limits::ENTRIES_MAX);
    list.extend(list_end(0));
    assert!(matches!(refused_list(&list), TreeError::Malformed { .. }));
    let mut list = number(u64::MAX);
    list.extend(list_end(0));
    assert!(matches!(refused_list(&list), TreeError::TooMuch { .. }));
}

#[test]
fn more_unpacked_bytes_than_any_tree_has() {
    let entries = [raw_file("a", limits::UNPACKED_BYTES_MAX), raw_file("b", 1)];
    assert!(matches!(
        refused(&entries),
        TreeError::TooMuch {
            what: "bytes unpacked",
            ..
        }
    ));
    let entries = [raw_file("a", u64::MAX), raw_file("b", u64::MAX)];
    assert!(matches!(refused(&entries), TreeError::TooMuch { .. }));
}

/// One list has one form, so that the old image of a patch can be made again from its entries.
#[test]
fn lists_in_another_form() {
    let good = raw_list_part(&[raw_directory("dir"), raw_file("dir/a", 0)]);
    assert!(full(&good, b"").decode().is_ok());
    // The second path shares three bytes; here it claims two.
    let mut list = number(2);
    list.extend([0, 3]);
    list.extend(b"dir");
    list.extend(number(0o755 << 2));
    list.extend([2, 3]);
    list.extend(b"r/a");
    list.extend(number(0o644 << 2 | 1));
    list.push(0);
    list.extend(list_end(1));
    assert!(matches!(refused_list(&list), TreeError::Malformed { .. }));
    // A number with a padding byte.
    let mut list = vec![0x80, 0x00];
    list.extend(list_end(0));
    assert!(matches!(refused_list(&list), TreeError::Malformed { .. }));
    // Shares more than its predecessor has, and bytes that are no UTF-8.
    for path in [[5, 1, b'a'], [0, 1, 0xff]] {
        let mut list = number(1);
        list.extend(path);
        list.extend(number(0o644 << 2 | 1));
        list.push(0);
        list.extend(list_end(1));
        assert!(matches!(refused_list(&list), TreeError::Malformed { .. }));
    }
}
