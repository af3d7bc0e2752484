//! What is left on the disk, and the order of the calls that put it there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::trace::calls;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_whole_and_leaves_nothing_beside() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    write_file(&path, b"one", 0o600).unwrap();
    write_file(&path, b"two", 0o640).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(names(home.path()), ["state"]);
    let folder = home.path().join("folder");
    make_dir(&folder.join("deep")).unwrap();
    assert!(write_file(&folder, b"x", 0o600).is_err());
    assert_eq!(names(home.path()), ["folder", "state"]);
}

#[test]
fn a_link_is_replaced_and_a_tree_is_removed_with_its_modes() {
    let home = tempfile::tempdir().unwrap();
    let link = home.path().join("current");
    replace_symlink(&link, Path::new("slots/1")).unwrap();
    replace_symlink(&link, Path::new("slots/2")).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("slots/2"));
    let tree = home.path().join("tree");
    make_dir(&tree.join("a/b")).unwrap();
    write_file(&tree.join("a/b/file"), b"", 0o400).unwrap();
    fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
    sync_tree(&tree).unwrap();
    remove_tree(&tree).unwrap();
    remove_tree(&tree).unwrap();
    remove_file(&link).unwrap();
    remove_file(&link).unwrap();
    assert!(names(home.path()).is_empty());
}

#[test]
fn what_was_left_unfinished_is_swept() {
    let home = tempfile::tempdir().unwrap();
    make_dir(&home.path().join(format!("{UNFINISHED}1-tree/deep"))).unwrap();
    write_file(&home.path().join("kept"), b"", 0o600).unwrap();
    fs::write(home.path().join(format!("{UNFINISHED}2-file")), b"half").unwrap();
    sweep(home.path()).unwrap();
    sweep(&home.path().join("absent")).unwrap();
    assert_eq!(names(home.path()), ["kept"]);
}

#[test]
fn a_lock_has_one_holder_and_names_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("lock");
    let held = Lock::try_acquire(&path).unwrap().unwrap();
    let other = Lock::try_acquire(&path).unwrap().unwrap_err();
    assert_eq!(other.pid, Some(std::process::id()));
    drop(held);
    assert!(Lock::try_acquire(&path).unwrap().is_ok());
}

#[test]
fn errors_name_the_operation_and_keep_their_kind() {
    let error = write_file(Path::new("/nonexistent/file"), b"", 0o600).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("write /nonexistent/"));
    assert!(free_bytes(Path::new("/")).unwrap() > 0);
}

#[test]
fn a_file_is_synced_before_it_is_named_and_its_folder_after() {
    let (_temp, home) = home();
    for bytes in [&b"one"[..], b"two"] {
        let (done, calls) = calls(|| write_file(&home.join("a"), bytes, 0o644));
        done.unwrap();
        assert_eq!(
            calls,
            [
                "create unfinished",
                "sync unfinished",
                "rename a",
                "sync home"
            ]
        );
    }
}

#[test]
fn a_link_is_named_by_rename_and_its_folder_synced() {
    let (_temp, home) = home();
    let (done, calls) = calls(|| replace_symlink(&home.join("current"), Path::new("slots/1")));
    done.unwrap();
    assert_eq!(calls, ["symlink unfinished", "rename current", "sync home"]);
}

#[test]
fn a_tree_is_synced_from_the_leaves_up_and_then_named() {
    let (_temp, home) = home();
    let tree = home.join("new");
    make_dir(&tree.join("bin")).unwrap();
    make_dir(&home.join("slots")).unwrap();
    write_file(&tree.join("bin/x"), b"x", 0o755).unwrap();
    replace_symlink(&tree.join("bin/dangling"), Path::new("nowhere")).unwrap();
    let place = home.join("slots/0001");
    let (done, seen) = calls(|| sync_tree(&tree).and_then(|()| rename_dir(&tree, &place)));
    done.unwrap();
    assert_eq!(
        seen,
        [
            "sync x",
            "sync bin",
            "sync new",
            "rename 0001",
            "sync slots",
            "sync home"
        ]
    );
    make_dir(&tree).unwrap();
    let error = rename_dir(&tree, &place).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn a_tree_moves_aside_for_good_before_it_is_removed() {
    let (_temp, home) = home();
    let tree = home.join("0001");
    make_dir(&tree.join("bin")).unwrap();
    let (done, seen) = calls(|| remove_tree(&tree));
    done.unwrap();
    assert_eq!(
        seen,
        ["rename unfinished", "sync home", "remove unfinished"]
    );
    let (done, seen) = calls(|| remove_tree(&tree));
    done.unwrap();
    assert_eq!(seen.last().unwrap(), "sync home");
}

#[test]
fn folders_second_names_and_removals_sync_the_folder_that_holds_them() {
    let (_temp, home) = home();
    let (done, seen) = calls(|| make_dir(&home.join("a/b")));
    done.unwrap();
    assert_eq!(seen, ["mkdir a", "sync home", "mkdir b", "sync a"]);
    write_file(&home.join("x"), b"x", 0o644).unwrap();
    let (done, seen) = calls(|| hard_link(&home.join("x"), &home.join("a/x")));
    done.unwrap();
    assert_eq!(seen, ["link x", "sync a"]);
    for _ in 0..2 {
        let (done, seen) = calls(|| remove_file(&home.join("a/x")));
        done.unwrap();
        assert_eq!(seen, ["unlink x", "sync a"]);
    }
}

#[test]
fn room_is_taken_without_changing_the_length() {
    let (_temp, home) = home();
    let file = fs::File::create(home.join("pack")).unwrap();
    reserve(&file, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    let error = reserve(&file, 1 << 60).unwrap_err();
    assert!(error.errno().is_some());
    let kind = error.kind();
    assert!(
        error.is_full() || kind == std::io::ErrorKind::FileTooLarge,
        "{kind}"
    );
}

/// A folder whose name does not change from run to run.
fn home() -> (tempfile::TempDir, std::path::PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("home");
    fs::create_dir(&home).unwrap();
    (temp, home)
}

#[test]
fn a_copy_has_all_that_the_original_has() {
    use std::os::unix::fs::MetadataExt as _;
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (home.path().join("from"), home.path().join("to"));
    make_dir(&from.join("deep")).unwrap();
    write_file(&from.join("deep/file"), b"content", 0o604).unwrap();
    replace_symlink(&from.join("link"), Path::new("deep/nowhere")).unwrap();
    fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o500)).unwrap();
    copy_tree(&from, &to, u64::MAX).unwrap();
    assert_eq!(fs::read(to.join("deep/file")).unwrap(), b"content");
    let link = fs::read_link(to.join("link")).unwrap();
    assert_eq!(link, Path::new("deep/nowhere"));
    for name in ["deep", "deep/file"] {
        let about = |folder: &Path| fs::metadata(folder.join(name)).unwrap();
        let (old, new) = (about(&from), about(&to));
        assert_eq!(
            (old.mode(), old.mtime()),
            (new.mode(), new.mtime()),
            "{name}"
        );
        assert_eq!((old.uid(), old.mtime_nsec()), (new.uid(), new.mtime_nsec()));
    }
    // A link is no file to copy, and what is there is not overwritten.
    assert!(copy_file(&from.join("link"), &home.path().join("x"), 9).is_err());
    assert!(copy_file(&from.join("deep/file"), &to.join("deep/file"), 9).is_err());
    remove_tree(&from).unwrap();
}
