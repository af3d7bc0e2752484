//! The document `docs/errors.md`, written from the table of codes and the messages in both
//! languages, and the test that compares the two.

use std::fmt::Write as _;

use crate::code::{self, Code, Exit, Retry};
use crate::failure::WORDS;
use crate::text::{Catalog, Language};

const HEAD: &str = "\
# Failures

Whatever goes wrong in a way that a person sees has a number that never changes and is never used
again, a sentence, and a hint that says what to do. They go to stderr:

```
error SNG-0611: no site `duala-akwa`
  hint: did you mean `douala-akwa`? All sites: sanaga site ls
```

With `--lang fr`, `SANAGA_LANG=fr` or a French `LC_ALL` or `LANG`:

```
erreur SNG-0611: pas de site « duala-akwa »
  conseil: vouliez-vous dire « douala-akwa » ? Tous les sites : sanaga site ls
```

Scripts read the number or the exit code of the process, never the words. Logs and JSON name the
number and are always English.

This page is written from `proto/src/code.rs` and `proto/locales`, and a test compares them
(`SANAGA_WRITE_DOCS=1 cargo test -p sanaga-proto --lib text` writes it anew). Words in capitals
stand for what is named at the time.

## Exit codes

Both programs end with one of these.

| exit | meaning |
|---|---|
| 0 | it went well |
| 1 | a failure that has no more precise exit code |
| 2 | the command line or a configuration file is wrong |
| 3 | there was nothing to do (only with `--exit-code`) |
| 4 | offline, or a fault that passes by itself |
| 5 | something did not verify |
| 6 | the update was rolled back |
| 7 | policy refuses it |
| 8 | somebody else holds the lock |
| 130 | interrupted from the keyboard |
";

/// What stands over the codes of each hundred.
const FAMILIES: [(u16, &str); 6] = [
    (1, "Configuration and command line"),
    (2, "Trust"),
    (3, "Transfer"),
    (4, "Disk"),
    (5, "Services"),
    (6, "Controller"),
];

/// The text of `docs/errors.md`.
fn reference() -> String {
    let mut out = HEAD.to_owned();
    for (family, title) in FAMILIES {
        let head = "| code | exit | again | English | French |\n|---|---|---|---|---|";
        // Writing to a String does not fail.
        let _ = writeln!(out, "\n## {family:02}xx {title}\n\n{head}");
        for code in code::ALL.iter().filter(|code| code.number / 100 == family) {
            let _ = writeln!(
                out,
                "| {code} | {} | {} | {} | {} |",
                exit(*code),
                again(*code),
                said(*code, Language::English),
                said(*code, Language::French),
            );
        }
    }
    out
}

fn exit(code: Code) -> u8 {
    // A new exit code must be described above before it can be used.
    match code.exit {
        Exit::Failure
        | Exit::Usage
        | Exit::NothingToDo
        | Exit::Transient
        | Exit::Verification
        | Exit::RolledBack
        | Exit::Refused
        | Exit::Locked
        | Exit::Interrupted => code.exit as u8,
    }
}

const fn again(code: Code) -> &'static str {
    match code.retry {
        Retry::Now => "at once",
        Retry::Later => "later",
        Retry::Never => "no",
    }
}

/// The message and its hint, in one cell.
fn said(code: Code, language: Language) -> String {
    let catalog = Catalog::new(language, &[]);
    let capitals: Vec<(&str, String)> = WORDS
        .iter()
        .map(|word| (*word, word.to_uppercase()))
        .collect();
    let words: Vec<(&str, &str)> = capitals
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let line = |id: &str| {
        let text = catalog.find(id, &words).unwrap_or_default();
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|")
    };
    format!(
        "{}<br>*{}*",
        line(code.id),
        line(&format!("{}.hint", code.id))
    )
}

/// `SANAGA_WRITE_DOCS=1 cargo test -p sanaga-proto --lib text` writes the document anew.
#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
    if std::env::var_os("SANAGA_WRITE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        reference(),
        "docs/errors.md is not what the codes say; SANAGA_WRITE_DOCS=1 writes it"
    );
}

#[test]
fn every_code_and_every_message_word_is_in_the_document() {
    let text = reference();
    for code in code::ALL {
        assert!(text.contains(&format!("| {code} |")), "{code}");
    }
    // A word that no message knows would stand there as a variable.
    assert!(
        !text.contains("{$"),
        "a message uses a word that is not in WORDS"
    );
}
