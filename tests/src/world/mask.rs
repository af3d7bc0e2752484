//! Makes two transcripts comparable: what differs from run to run is replaced by its kind.

use std::path::Path;
use std::sync::OnceLock;

use regex_lite::Regex;

/// Pattern and replacement, applied in this order.
const RULES: &[(&str, &str)] = &[
    (r"sanaga1:\S+", "sanaga1:TOKEN"),
    // Hashes: long ones, and short ones as people see them ("9f2c 41d7 … e803").
    (r"\b[0-9a-f]{16,}\b", "HASH"),
    (
        r"\b[0-9a-f]{4}(?: [0-9a-f]{4})+(?: … [0-9a-f]{4})?\b",
        "HASH",
    ),
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d| [A-Z]{3,4}\b)?",
        "TIME",
    ),
    (r"\b\d\d:\d\d:\d\d\b", "TIME"),
    (r"\b\d{4}-\d\d-\d\d\b", "TIME"),
    (r"(https?://[^/\s:]+|127\.0\.0\.1|localhost):\d+", "$1:PORT"),
    (r"<?\b\d+(?:[.,]\d+)? XAF", "MONEY"),
    (
        r"\b\d+(?:[.,]\d+)?(?: of \d+(?:[.,]\d+)?)? (?:[KMG]?B|bytes|[KMG]?o|octets)/s\b",
        "RATE",
    ),
    (
        r"\b\d+(?:[.,]\d+)? of \d+(?:[.,]\d+)? (?:[KMG]?B|bytes)\b",
        "SIZE of SIZE",
    ),
    (
        r"\b\d+(?:[.,]\d+)? sur \d+(?:[.,]\d+)? (?:[KMG]?o|octets)\b",
        "SIZE sur SIZE",
    ),
    (
        r"\b\d+(?:[.,]\d+)? (?:[KMG]?B|bytes|[KMG]?o|octets)\b",
        "SIZE",
    ),
    (r"\b\d+(?:[.,]\d+)? (?:h|min) \d+ (?:min|s)\b", "DURATION"),
    (r"\b\d+(?:[.,]\d+)? (?:ms|s|min|h|d|j)\b", "DURATION"),
    (r"[ \t]+\n", "\n"),
];

/// Replaces hashes, tokens, times, durations, sizes, rates, money and ports by their kind.
#[must_use]
pub fn mask(text: &str) -> String {
    static COMPILED: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let rules = COMPILED.get_or_init(|| {
        RULES
            .iter()
            .filter_map(|(pattern, kind)| Some((Regex::new(pattern).ok()?, *kind)))
            .collect()
    });
    rules.iter().fold(text.to_owned(), |text, (pattern, kind)| {
        pattern.replace_all(&text, *kind).into_owned()
    })
}

/// [`mask`] with more replacements: paths and names that only this run has.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    literal: Vec<(String, String)>,
}

impl Mask {
    /// Nothing more yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces a text as it stands.
    #[must_use]
    pub fn text(mut self, found: impl Into<String>, shown: impl Into<String>) -> Self {
        self.literal.push((found.into(), shown.into()));
        self
    }

    /// Replaces a path.
    #[must_use]
    pub fn path(self, found: &Path, shown: &str) -> Self {
        self.text(found.display().to_string(), shown)
    }

    /// Does all replacements: the given ones first.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let text = self
            .literal
            .iter()
            .fold(text.to_owned(), |text, (found, shown)| {
                text.replace(found, shown)
            });
        mask(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles() {
        for (pattern, _) in RULES {
            assert!(Regex::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn what_differs_from_run_to_run_is_masked_and_nothing_else() {
        let shown = "\
root          sha256 9f2c 41d7 … e803
Published shop@1.4.1 in dev   root 7be1 02aa   counter 1
09:52:10  fetching   1.2 of 5.9 MB   31 KB/s   2 min 32 s left
akwa-1  1.4.1  38 KB (full: 5.9 MB)   <1 XAF
Valid once, until 2026-11-22 09:40 WAT. sanaga1:h8Xk-Qw
Serving https://deploy.pharmaplus.cm:8443   0 nodes
probation  60 s left, probe 1 of 1 passing
";
        insta::assert_snapshot!(mask(shown), @r"
        root          sha256 HASH
        Published shop@1.4.1 in dev   root HASH   counter 1
        TIME  fetching   SIZE of SIZE   RATE   DURATION left
        akwa-1  1.4.1  SIZE (full: SIZE)   MONEY
        Valid once, until TIME. sanaga1:TOKEN
        Serving https://deploy.pharmaplus.cm:PORT   0 nodes
        probation  DURATION left, probe 1 of 1 passing
        ");
    }
}
