//! Which language to speak: `--lang` > `SANAGA_LANG` > `agent.toml` > `LC_ALL`/`LANG` > English.

use std::collections::BTreeMap;
use std::ffi::OsString;

use sanaga_proto::text::Language;

/// Reads the value of `--lang`.
///
/// # Errors
/// A sentence that says what it may be.
pub fn parse(tag: &str) -> Result<Language, String> {
    Language::from_tag(tag).ok_or_else(|| "en, fr".to_owned())
}

/// Chooses; `configured` is asked only when neither flag nor variable says it.
pub fn choose(
    flag: Option<Language>,
    variables: &BTreeMap<String, String>,
    configured: impl FnOnce() -> Option<Language>,
) -> Language {
    let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    flag.or_else(|| Language::from_tag(variable("SANAGA_LANG")?))
        .or_else(configured)
        // As in every program: the first that is set decides, and `C` is English.
        .or_else(|| {
            let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
            Language::from_tag(names.into_iter().find_map(variable)?)
        })
        .unwrap_or_default()
}

/// The language in which to say that a command line cannot be read.
#[must_use]
pub fn before_parsing(arguments: &[OsString], variables: &BTreeMap<String, String>) -> Language {
    let words = || {
        arguments
            .iter()
            .map(|word| word.to_str().unwrap_or_default())
    };
    let joined = words().find_map(|word| word.strip_prefix("--lang="));
    let apart = || words().skip_while(|word| *word != "--lang").nth(1);
    let flag = joined.or_else(apart).and_then(Language::from_tag);
    choose(flag, variables, || None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English, French};

    fn chosen(flag: Option<Language>, file: Option<Language>, list: &[(&str, &str)]) -> Language {
        let variables = list
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        choose(flag, &variables.collect(), || file)
    }

    #[test]
    fn the_nearest_wish_wins() {
        let all = [
            ("SANAGA_LANG", "fr"),
            ("LC_ALL", "en_US"),
            ("LANG", "fr_CM"),
        ];
        assert_eq!(chosen(Some(English), Some(French), &all), English);
        assert_eq!(chosen(None, Some(English), &all), French);
        assert_eq!(chosen(None, Some(French), &all[1..]), French);
        assert_eq!(chosen(None, None, &all[1..]), English);
        assert_eq!(chosen(None, None, &all[2..]), French);
        assert_eq!(chosen(None, None, &[]), English);
        assert_eq!(
            chosen(None, None, &[("LC_ALL", "C"), ("LANG", "fr_CM")]),
            English
        );
        assert_eq!(
            chosen(None, None, &[("LC_ALL", ""), ("LANG", "fr_CM")]),
            French
        );
        assert_eq!(
            chosen(None, None, &[("SANAGA_LANG", "de"), ("LANG", "fr")]),
            French
        );
    }

    #[test]
    fn a_wrong_command_line_is_answered_in_the_language_it_asks_for() {
        let said = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            before_parsing(&words, &BTreeMap::new())
        };
        assert_eq!(said("sanaga-agent statu --lang fr"), French);
        assert_eq!(said("sanaga-agent --lang=fr statu"), French);
        assert_eq!(said("sanaga-agent statu --lang"), English);
    }
}
