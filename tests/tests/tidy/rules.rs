//! The rules. A path decides what a file may do; comments and tests may say what they like.

use std::sync::OnceLock;

use crate::Source;
use crate::lex::shipped;

/// The longest file, in lines.
const LINES_MAX: usize = 600;

/// Modules that get time, randomness and disk as arguments.
const PURE: [&str; 6] = [
    "proto/src/",
    "agent/src/update/",
    "agent/src/fetch/plan.rs",
    "agent/src/fetch/budget.rs",
    "agent/src/health/verdict.rs",
    "controller/src/rollout/",
];

/// What reaches for the world.
const IMPURE: [&str; 16] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env::",
    "std::thread",
    "tokio",
    "reqwest",
    "rusqlite",
    "rustix",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "async fn",
    "File::",
    "rand::random",
];

/// What only `proto/durable` may call.
const DURABLE: [&str; 11] = [
    "fs::rename",
    "renameat(",
    "renameat2(",
    "sync_all(",
    "sync_data(",
    "fsync(",
    "fdatasync(",
    "hard_link(",
    "linkat(",
    "symlink(",
    "symlinkat(",
];

/// Where one of these words is right after all, and why.
const DURABLE_EXCEPT: [(&str, &str); 1] = [
    // A link of a release is content like its files: staged here, synced and put into place there.
    ("agent/src/slot/create.rs", "symlinkat("),
];

/// What reads the wall clock.
const WALL_CLOCK: [&str; 7] = [
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "ClockId::Realtime",
    "Utc::now",
    "Local::now",
    "OffsetDateTime::now",
];

/// Packages whose code runs at a customer's.
const SHIPPED: [&str; 3] = ["proto/", "agent/src/", "controller/src/"];

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.contains("/fuzz/")
}

fn ships(path: &str) -> bool {
    SHIPPED.iter().any(|room| path.starts_with(room)) && !is_test_file(path)
}

/// Complains of each line of shipped code that contains one of the words.
fn lines_with(source: &Source, words: &[&str], why: &str) -> Vec<String> {
    let code = shipped(&source.text);
    let mut complaints = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in words.iter().filter(|word| has_word(line, word)) {
            complaints.push(format!("{}:{}: `{word}`: {why}", source.path, number + 1));
        }
    }
    complaints
}

/// Whether the word stands in the line, and not as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !(word.starts_with(is_part) && before.is_some_and(is_part))
    })
}

/// No file is longer than 600 lines. (Functions are clippy's: `too_many_lines`.)
pub fn short(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines, at most {LINES_MAX}",
        source.path
    )]
}

/// The first line says what lives there.
pub fn introduced(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    match first.strip_prefix("//! ") {
        Some(words) if words.split_whitespace().count() >= 2 => Vec::new(),
        _ => vec![format!(
            "{}: no `//!` line that says what it is for",
            source.path
        )],
    }
}

/// Pure modules reach for nothing.
pub fn pure(source: &Source) -> Vec<String> {
    let is_pure = PURE.iter().any(|room| source.path.starts_with(room));
    if !is_pure || is_test_file(&source.path) {
        return Vec::new();
    }
    lines_with(
        source,
        &IMPURE,
        "this module is pure; take it as an argument",
    )
}

/// Only `proto/durable` renames, syncs and links.
pub fn durable(source: &Source) -> Vec<String> {
    if !ships(&source.path) || source.path.starts_with("proto/durable/") {
        return Vec::new();
    }
    let allowed = |word: &str| DURABLE_EXCEPT.contains(&(source.path.as_str(), word));
    let words: Vec<_> = DURABLE.into_iter().filter(|word| !allowed(word)).collect();
    lines_with(source, &words, "only proto/durable does that")
}

/// On the agent, `clock.rs` alone reads wall time.
pub fn wall_clock(source: &Source) -> Vec<String> {
    let is_clock =
        source.path == "agent/src/clock.rs" || source.path.starts_with("agent/src/clock/");
    if !source.path.starts_with("agent/src/") || is_clock || is_test_file(&source.path) {
        return Vec::new();
    }
    lines_with(
        source,
        &WALL_CLOCK,
        "only agent/src/clock.rs reads the wall clock",
    )
}

/// Nothing that ships unwraps.
pub fn no_shortcut(source: &Source) -> Vec<String> {
    if !ships(&source.path) {
        return Vec::new();
    }
    lines_with(
        source,
        &[".unwrap()", ".expect(", "todo!", "unimplemented!"],
        "handle it",
    )
}

/// tests → {agent, controller} → proto.
pub fn direction(source: &Source) -> Vec<String> {
    let rules: [(&str, &[&str]); 3] = [
        (
            "agent/",
            &[
                "sanaga-controller",
                "sanaga_controller",
                "sanaga-tests",
                "sanaga_tests",
            ],
        ),
        (
            "controller/",
            &[
                "sanaga-agent.",
                "sanaga_agent",
                "sanaga-tests",
                "sanaga_tests",
            ],
        ),
        (
            "proto/",
            &[
                "sanaga-controller",
                "sanaga_controller",
                "sanaga-agent.",
                "sanaga_agent::",
            ],
        ),
    ];
    let mut complaints = Vec::new();
    for (room, words) in rules {
        if source.path.starts_with(room) && !is_test_file(&source.path) {
            complaints.extend(lines_with(
                source,
                words,
                "dependencies run tests → {agent, controller} → proto",
            ));
        }
    }
    complaints
}

/// Nothing points at a place outside the project. The words are put together here, so that this file
/// does not complain of itself.
pub fn stands_alone(source: &Source) -> Vec<String> {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        [
            ["/wo", "rk/"],
            ["shared/", "DESIGN"],
            ["shared/", "STYLE"],
            ["first-hour.md", " of shared"],
            ["/tmp/", "brief"],
        ]
        .iter()
        .map(|halves| halves.concat())
        .collect()
    });
    let mut complaints = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        for word in words.iter().filter(|word| begins_a_path(line, word)) {
            complaints.push(format!(
                "{}:{}: `{word}` is no part of the project",
                source.path,
                number + 1
            ));
        }
    }
    complaints
}

/// Whether the word stands in the line as the start of a path, not inside of one (a URL may well
/// have a folder of that name).
fn begins_a_path(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn each_rule_catches_what_it_is_for() {
        type Rule = fn(&Source) -> Vec<String>;
        let long = "x\n".repeat(601);
        let outside = ["//! See /wo", "rk/x.\n"].concat();
        let caught: [(Rule, &str, &str); 14] = [
            (short, "agent/src/a.rs", &long),
            (introduced, "agent/src/a.rs", "use std::fs;\n"),
            (introduced, "agent/src/a.rs", "//! x\n"),
            (pure, "proto/src/a.rs", "fn a() { std::fs::read(p) }\n"),
            (pure, "agent/src/update/a.rs", "let now = Instant::now();\n"),
            (durable, "controller/src/a.rs", "file.sync_all()?;\n"),
            (
                durable,
                "agent/src/a.rs",
                "std::os::unix::fs::symlink(a, b)?;\n",
            ),
            (wall_clock, "agent/src/daemon.rs", "SystemTime::now()\n"),
            (no_shortcut, "proto/durable/src/a.rs", "x.expect(\"y\")\n"),
            (no_shortcut, "agent/src/a.rs", "x\n    .unwrap()\n"),
            (direction, "agent/src/a.rs", "use sanaga_controller::x;\n"),
            (
                direction,
                "agent/Cargo.toml",
                "sanaga-controller.workspace = true\n",
            ),
            (
                direction,
                "controller/Cargo.toml",
                "sanaga-agent.workspace = true\n",
            ),
            (stands_alone, "docs/a.md", &outside),
        ];
        for (rule, path, text) in caught {
            assert_eq!(rule(&source(path, text)).len(), 1, "{path}: {text:.40}");
        }
    }

    #[test]
    fn what_is_allowed_is_not_complained_of() {
        let tests = "//! One two three.\n#[cfg(test)]\nmod tests {\n    fn a() { std::fs::read(p).unwrap(); }\n}\n";
        assert!(pure(&source("proto/src/a.rs", tests)).is_empty());
        assert!(no_shortcut(&source("proto/src/a.rs", tests)).is_empty());
        assert!(no_shortcut(&source("agent/src/a/tests.rs", "x.unwrap()")).is_empty());
        assert!(durable(&source("proto/durable/src/file.rs", "file.sync_all()")).is_empty());
        assert!(
            durable(&source(
                "agent/src/a.rs",
                "fs::symlink_metadata(p); store.with_fsync(true)"
            ))
            .is_empty()
        );
        assert!(wall_clock(&source("agent/src/clock.rs", "SystemTime::now()")).is_empty());
        let url = [
            "https://example.org/frame",
            "/wo",
            "rk/x and $out/wo",
            "rk/y",
        ]
        .concat();
        assert!(!begins_a_path("a.work", "nothing"));
        assert!(stands_alone(&source("docs/a.md", &url)).is_empty());
    }
}
