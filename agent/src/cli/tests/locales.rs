//! Both languages say the same things, every message is used, and every one that is used is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sanaga_proto::wire::receipt::EventKind;

use super::super::speech::{AGENT_LOCALE, Speech};
use crate::update::Phase;
use jiff::tz::TimeZone;
use sanaga_proto::text::Language;

/// The messages of a locale file, `id` or `id.attribute`, with the words that they use.
fn messages(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut id, mut current) = (String::new(), String::new());
    for line in source.lines().filter(|line| !line.starts_with('#')) {
        let named = line.split_once('=').map(|(name, _)| name.trim());
        match named {
            Some(name) if line.starts_with(char::is_alphabetic) => {
                id = name.to_owned();
                current = id.clone();
            }
            Some(name) if name.starts_with('.') => current = format!("{id}{name}"),
            Some(_) | None => {}
        }
        let words = out.entry(current.clone()).or_default();
        let used = line.split('$').skip(1).map(|rest| {
            let word: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            word
        });
        words.extend(used);
    }
    out.remove("");
    out
}

#[test]
fn both_languages_have_every_message_with_the_same_words() {
    let (en, fr) = (messages(AGENT_LOCALE.en), messages(AGENT_LOCALE.fr));
    assert!(en.len() > 100, "{}", en.len());
    assert_eq!(en.keys().collect::<Vec<_>>(), fr.keys().collect::<Vec<_>>());
    for (id, words) in &en {
        // A language may have one form for both counts, but never a word of its own.
        let plural = |words: &BTreeSet<String>| -> BTreeSet<String> {
            words
                .iter()
                .filter(|word| !word.ends_with("form"))
                .cloned()
                .collect()
        };
        assert_eq!(plural(words), plural(&fr[id]), "{id}");
    }
}

#[test]
fn every_message_is_formed_in_both_languages() {
    for language in [Language::English, Language::French] {
        let speech = Speech::new(language, TimeZone::UTC);
        for (id, words) in messages(AGENT_LOCALE.en) {
            let args: Vec<(&str, &str)> = words.iter().map(|word| (word.as_str(), "X")).collect();
            let text = speech.find(&id, &args).unwrap_or_default();
            assert!(!text.is_empty(), "{language:?} {id}");
            assert!(!text.contains(['{', '$']), "{language:?} {id}: {text}");
        }
    }
    // A file with a mistake loses the message after it, which then is said in English.
    let en = Speech::new(Language::English, TimeZone::UTC);
    let fr = Speech::new(Language::French, TimeZone::UTC);
    let same: Vec<String> = messages(AGENT_LOCALE.en)
        .keys()
        .filter(|id| en.say(id, &[]) == fr.say(id, &[]) && en.say(id, &[]).contains(' '))
        .cloned()
        .collect();
    assert_eq!(same, Vec::<String>::new(), "not translated");
}

#[test]
fn every_phase_and_event_has_its_word() {
    let known = messages(AGENT_LOCALE.en);
    for phase in Phase::ALL {
        let id = format!("phase-{}", phase.as_str().replace('_', "-"));
        assert!(known.contains_key(&id), "{id}");
    }
    for kind in EventKind::ALL {
        let id = format!("event-{}", kind.as_str().replace('_', "-"));
        assert!(known.contains_key(&id), "{id}");
    }
}

/// All sources of the command line, tests left out.
fn sources(folder: &Path, out: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, out);
        } else {
            out.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_message_is_used_and_every_used_one_is_there() {
    let mut code = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"),
        &mut code,
    );
    let known = messages(AGENT_LOCALE.en);
    let literals: BTreeSet<&str> = code.split('"').collect();
    let lists = ["phase-", "event-", "check-", "found-"];
    for id in known.keys().filter(|id| !id.contains('.')) {
        let listed = lists.iter().find_map(|list| id.strip_prefix(list));
        let word = listed.map_or(id.as_str(), |word| word);
        let from_wire = id.starts_with("phase-") || id.starts_with("event-");
        assert!(from_wire || literals.contains(word), "{id} is never said");
    }
    let prefixes: BTreeSet<&str> = known
        .keys()
        .filter_map(|id| id.split_once('-'))
        .map(|(head, _)| head)
        .collect();
    let said = literals.iter().filter(|word| {
        let is_id =
            word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.ends_with('-');
        let head = word.split_once('-').map(|(head, _)| head);
        is_id && head.is_some_and(|head| prefixes.contains(head))
    });
    let outside = ["hint-word", "part-of", "sanaga-agent", "no-network"];
    for id in said.filter(|id| !outside.contains(id)) {
        assert!(known.contains_key(*id), "{id} is said and not there");
    }
}
