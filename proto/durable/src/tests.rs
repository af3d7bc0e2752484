use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

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
