//! The calls that change or sync the disk, in their order. Only tests listen: a missing sync cannot be
//! seen in what a running system shows, only in the order of calls.

use std::fs::File;
use std::path::Path;

#[cfg(not(test))]
pub(crate) fn trace(_operation: &str, _path: &Path) {}

#[cfg(not(test))]
pub(crate) fn trace_file(_operation: &str, _file: &File) {}

#[cfg(test)]
pub(crate) use listening::{calls, trace, trace_file};

#[cfg(test)]
mod listening {
    use std::cell::RefCell;
    use std::os::fd::AsRawFd as _;

    use super::{File, Path};

    thread_local! {
        static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn trace(operation: &str, path: &Path) {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let name = match name.strip_prefix(crate::UNFINISHED) {
            Some(_) => "unfinished",
            None => &name,
        };
        CALLS.with_borrow_mut(|calls| calls.push(format!("{operation} {name}")));
    }

    pub(crate) fn trace_file(operation: &str, file: &File) {
        let name = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        trace(operation, &name);
    }

    /// What `work` did to the disk, in this thread.
    pub(crate) fn calls<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
        CALLS.take();
        let out = work();
        (out, CALLS.take())
    }
}
