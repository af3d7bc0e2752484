//! Pairs the files of a new tree with those of an old one: which content is there already, and
//! which old file a changed or renamed one most likely comes from. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sanaga_proto::ids::Digest;
use sanaga_proto::pack::Source;
use sanaga_proto::tree::{HashedTree, TreeList, path};

/// For each regular file of the new tree, by file number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Where its content comes from.
    pub sources: Vec<Source>,
    /// For literal files: the old file that is most like it.
    pub partners: Vec<Option<u32>>,
}

/// Everything literal: for full packs.
#[must_use]
pub fn alone(new: &HashedTree) -> Pairing {
    let files = new.list().files().len();
    Pairing {
        sources: vec![Source::Literal; files],
        partners: vec![None; files],
    }
}

/// Pairs by content hash first, then by path, by path with versions and hashes blanked, by blanked
/// name, and by extension and size among the files that would be left alone.
#[must_use]
pub fn pair(old: &HashedTree, new: &HashedTree) -> Pairing {
    let sources = by_hash(old, new);
    let mut partners = vec![None; sources.len()];
    let mut free = unclaimed(old.list(), new.list());
    let keys: [fn(&str) -> String; 4] = [
        str::to_owned,
        blanked,
        |path| blanked(path::base_name(path)),
        |path| format!(".{}", path::extension(path)),
    ];
    for (round, key) in keys.into_iter().enumerate() {
        // The first round looks at every old file: one that changed in place is still claimed.
        let candidates: Vec<u32> = match round {
            0 => (0..old.list().files().len() as u32).collect(),
            _ => free.iter().copied().collect(),
        };
        let mut index = index_by(old.list(), &candidates, key);
        for (number, source) in (0_u32..).zip(&sources) {
            let open = partners
                .get_mut(number as usize)
                .filter(|partner| partner.is_none());
            let (Some(partner), Source::Literal) = (open, source) else {
                continue;
            };
            let Some(entry) = new.list().file(number) else {
                continue;
            };
            let size = entry.file_size().unwrap_or(0);
            let is_last_round = round + 1 == keys.len();
            let found = index
                .get_mut(&key(&entry.path))
                .and_then(|sizes| take_nearest(sizes, size, is_last_round));
            if let Some(old_file) = found {
                free.remove(&old_file);
                *partner = Some(old_file);
            }
        }
    }
    Pairing { sources, partners }
}

fn by_hash(old: &HashedTree, new: &HashedTree) -> Vec<Source> {
    let mut numbers: BTreeMap<Digest, u32> = BTreeMap::new();
    for (number, hash) in (0_u32..).zip(old.hashes()) {
        numbers.entry(*hash).or_insert(number);
    }
    let mut copies_end = 0;
    let mut sources = Vec::with_capacity(new.hashes().len());
    for (number, hash) in (0_u32..).zip(new.hashes()) {
        let entry = new.list().file(number);
        let same_path = entry.and_then(|entry| old.list().find_file(&entry.path));
        let is_empty = entry.and_then(|entry| entry.file_size()) == Some(0);
        let source = match same_path {
            Some(same) if old.hash(same) == Some(hash) => Source::Old(same),
            // An empty file costs less as literal than as the start of another run.
            Some(_) | None if is_empty => Source::Literal,
            // The file behind the last copied one, if it will do: renamed folders are one run.
            Some(_) | None if old.hash(copies_end) == Some(hash) => Source::Old(copies_end),
            Some(_) | None => match numbers.get(hash) {
                Some(first) => Source::Old(*first),
                None => Source::Literal,
            },
        };
        if let Source::Old(used) = source
            && same_path != Some(used)
        {
            copies_end = used + 1;
        }
        sources.push(source);
    }
    sources
}

/// Old files whose path the new tree does not have: renamed or deleted.
fn unclaimed(old: &TreeList, new: &TreeList) -> BTreeSet<u32> {
    (0..old.files().len() as u32)
        .filter(|number| {
            old.file(*number)
                .is_some_and(|entry| new.find_file(&entry.path).is_none())
        })
        .collect()
}

type BySize = BTreeSet<(u64, u32)>;

fn index_by(old: &TreeList, files: &[u32], key: fn(&str) -> String) -> BTreeMap<String, BySize> {
    let mut index: BTreeMap<String, BySize> = BTreeMap::new();
    for number in files {
        if let Some(entry) = old.file(*number)
            && let Some(size) = entry.file_size().filter(|size| *size > 0)
        {
            index
                .entry(key(&entry.path))
                .or_default()
                .insert((size, *number));
        }
    }
    index
}

/// Takes the file whose size is nearest; `close`: only if it is within a quarter.
fn take_nearest(sizes: &mut BySize, size: u64, close: bool) -> Option<u32> {
    let above = sizes.range((size, 0)..).next().copied();
    let below = sizes.range(..(size, 0)).next_back().copied();
    let nearest = [below, above]
        .into_iter()
        .flatten()
        .min_by_key(|(other, number)| (other.abs_diff(size), *number))?;
    if close && nearest.0.abs_diff(size) > size / 4 {
        return None;
    }
    sizes.remove(&nearest);
    Some(nearest.1)
}

/// A path with everything that changes from build to build replaced by `#`: runs of digits and
/// dots between them, and runs of 6 or more letters and digits that hold a digit.
fn blanked(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end.max(first.len_utf8()));
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || (has_digit && word.len() >= 6) {
            // `1.2.3` and `10.2` are both one blank.
            if !out.ends_with("#.") {
                out.push('#');
            } else {
                out.pop();
            }
        } else {
            out.push_str(word);
        }
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sanaga_proto::tree::{Entry, Kind};

    fn tree(files: &[(&str, &str)]) -> HashedTree {
        let mut files = files.to_vec();
        files.sort_unstable();
        let mut directories = BTreeSet::new();
        for (file, _) in &files {
            let mut at = path::parent(file);
            while let Some(directory) = at {
                directories.insert(directory.to_owned());
                at = path::parent(directory);
            }
        }
        let mut entries: Vec<Entry> = directories
            .into_iter()
            .map(|path| Entry {
                path,
                kind: Kind::Directory { mode: 0o755 },
            })
            .collect();
        entries.extend(files.iter().map(|(path, content)| Entry {
            path: (*path).to_owned(),
            kind: Kind::File {
                mode: 0o644,
                size: content.len() as u64,
            },
        }));
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let list = TreeList::new(entries).unwrap();
        let hashes = files
            .iter()
            .map(|(_, content)| Digest::of(content.as_bytes()));
        HashedTree::new(list, hashes.collect()).unwrap()
    }

    #[test]
    fn versions_and_hashes_are_blanked() {
        assert_eq!(blanked("lib/foo-1.2.3.jar"), "lib/foo-#.jar");
        assert_eq!(blanked("lib/foo-10.2.jar"), "lib/foo-#.jar");
        assert_eq!(blanked("assets/index-BfC9x1aQ.js"), "assets/index-#.js");
        assert_eq!(
            blanked("base64/utf8.js"),
            "base64/utf8.js".replace("base64", "#")
        );
        assert_eq!(blanked("é/日本-7"), "é/日本-#");
    }

    #[test]
    fn content_that_is_there_is_never_literal() {
        let old = tree(&[
            ("a", "one"),
            ("b", "two"),
            ("d/x", "three"),
            ("d/y", "four"),
        ]);
        let new = tree(&[
            ("a", "one"),
            ("b", "one"),
            ("e/x", "three"),
            ("e/y", "four"),
        ]);
        let pairing = pair(&old, &new);
        let expected = [
            Source::Old(0),
            Source::Old(0),
            Source::Old(2),
            Source::Old(3),
        ];
        assert_eq!(pairing.sources, expected);
    }

    #[test]
    fn changed_and_renamed_files_find_their_partners() {
        let old = tree(&[
            ("app-AAAA1111.js", "old app"),
            ("lib/same.txt", "old text"),
            ("x.css", "old style"),
        ]);
        let new = tree(&[
            ("app-BBBB2222.js", "new app"),
            ("lib/same.txt", "new text!"),
            ("y.css", "new style"),
            ("z.bin", "?"),
        ]);
        let pairing = pair(&old, &new);
        assert_eq!(pairing.partners, [Some(0), Some(1), Some(2), None]);
        assert!(
            pairing
                .sources
                .iter()
                .all(|source| *source == Source::Literal)
        );
    }
}
