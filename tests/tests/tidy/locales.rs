//! Codes and their messages: what a message fills in must be what its code promises to give.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;

/// The id of each code with the words that its doc comment names after "Args:".
pub fn documented(code_rs: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut codes = BTreeMap::new();
    let mut words = BTreeSet::new();
    for line in code_rs.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("/// ") {
            let args = doc.split_once("Args:").map_or("", |(_, args)| args);
            words.extend(args.split('`').skip(1).step_by(2).map(str::to_owned));
        } else if let Some(id) = code_id(line) {
            codes.insert(id.to_owned(), std::mem::take(&mut words));
        } else {
            words.clear();
        }
    }
    codes
}

/// `NAME = 101, Usage, Never, "bad-usage";`
fn code_id(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(" = ")?;
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let (_, id) = rest.strip_suffix("\";")?.split_once('"')?;
    (is_name && rest.starts_with(|c: char| c.is_ascii_digit())).then_some(id)
}

/// Each message of a Fluent file, with its attributes.
fn messages(ftl: &str) -> BTreeMap<&str, String> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    let mut current = None;
    for line in ftl.lines() {
        if let Some((id, _)) = line
            .split_once(" =")
            .filter(|_| line.starts_with(char::is_alphabetic))
        {
            current = Some(id);
        }
        if let Some(id) = current {
            let message = found.entry(id).or_default();
            message.push_str(line);
            message.push('\n');
        }
    }
    found
}

/// What is wrong with a language's messages.
pub fn complaints(
    codes: &BTreeMap<String, BTreeSet<String>>,
    name: &str,
    ftl: &str,
) -> Vec<String> {
    let messages = messages(ftl);
    let Ok(variable) = Regex::new(r"\$([a-z_]+)") else {
        return vec!["the pattern of a variable".to_owned()];
    };
    let mut complaints = Vec::new();
    for (id, args) in codes {
        let Some(message) = messages.get(id.as_str()) else {
            complaints.push(format!("{name}: no message `{id}`"));
            continue;
        };
        if !message.contains("\n    .hint =") {
            complaints.push(format!("{name}: `{id}` has no hint"));
        }
        for used in variable
            .captures_iter(message)
            .filter_map(|found| found.get(1))
        {
            if !args.contains(used.as_str()) {
                complaints.push(format!(
                    "{name}: `{id}` uses ${}, which its code does not give",
                    used.as_str()
                ));
            }
        }
    }
    complaints
}

#[test]
fn a_missing_message_hint_or_word_is_found() {
    let codes = documented(
        "    /// No room. Args: `path`, `free`.\n    DISK_FULL = 401, Failure, Later, \"disk-full\";\n\
             /// Gone.\n    GONE = 402, Failure, Later, \"gone\";\n",
    );
    assert_eq!(codes.len(), 2);
    let good =
        "disk-full = no room at { $path }\n    .hint = free some\ngone = gone\n    .hint = wait\n";
    assert!(complaints(&codes, "x", good).is_empty());
    let bad = "disk-full = no room at { $folder }\n";
    assert_eq!(complaints(&codes, "x", bad).len(), 3);
}
