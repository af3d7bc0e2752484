//! What people read, in their language: Fluent messages from the locale files. JSON and logs never
//! come through here; they are always English.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::failure::Coded;

/// The languages that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French.
    French,
}

impl Language {
    /// The language of a tag such as `fr`, `fr_CM.UTF-8` or `en-GB`; none for any other.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.get(..2)?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "fr" => Some(Self::French),
            _ => None,
        }
    }
}

/// The locale files of one package in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Locale {
    /// English.
    pub en: &'static str,
    /// French.
    pub fr: &'static str,
}

/// The messages of every failure code.
pub const CODES: Locale = Locale {
    en: include_str!("../locales/codes.en.ftl"),
    fr: include_str!("../locales/codes.fr.ftl"),
};

/// All messages in one language. English stands in where a translation is missing.
pub struct Catalog {
    bundles: Vec<FluentBundle<FluentResource>>,
}

impl Catalog {
    /// The messages of `locales` and of the failure codes.
    #[must_use]
    pub fn new(language: Language, locales: &[Locale]) -> Self {
        let order: &[Language] = match language {
            Language::English => &[Language::English],
            Language::French => &[Language::French, Language::English],
        };
        Self {
            bundles: order
                .iter()
                .map(|language| bundle(*language, locales))
                .collect(),
        }
    }

    /// The message `id` (or its attribute, as `id.hint`), or none when there is no such message.
    #[must_use]
    pub fn find(&self, id: &str, args: &[(&str, &str)]) -> Option<String> {
        let mut words = FluentArgs::new();
        for (name, value) in args {
            // A selector in a message sees an empty word as `none`.
            words.set(
                *name,
                FluentValue::from(if value.is_empty() { "none" } else { *value }),
            );
        }
        let (id, attribute) = id
            .split_once('.')
            .map_or((id, None), |(id, rest)| (id, Some(rest)));
        self.bundles.iter().find_map(|bundle| {
            let message = bundle.get_message(id)?;
            let pattern = match attribute {
                Some(name) => message.get_attribute(name)?.value(),
                None => message.value()?,
            };
            let mut problems = Vec::new();
            Some(
                bundle
                    .format_pattern(pattern, Some(&words), &mut problems)
                    .into_owned(),
            )
        })
    }

    /// The message `id`, or the id itself when there is no such message.
    #[must_use]
    pub fn say(&self, id: &str, args: &[(&str, &str)]) -> String {
        self.find(id, args).unwrap_or_else(|| id.to_owned())
    }

    /// A failure as people see it: `error SNG-0104: …`, and what to do on a line of its own.
    #[must_use]
    pub fn failure(&self, failure: &dyn Coded) -> String {
        let code = failure.code();
        let words = failure.args();
        let words: Vec<(&str, &str)> = words
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let error = self.say("error-word", &[]);
        let mut out = format!("{error} {code}: {}", self.say(code.id, &words));
        let hint = self
            .find(&format!("{}.hint", code.id), &words)
            .unwrap_or_default();
        if !hint.trim().is_empty() {
            out.push_str(&format!("\n  {}: {hint}", self.say("hint-word", &[])));
        }
        out
    }
}

fn bundle(language: Language, locales: &[Locale]) -> FluentBundle<FluentResource> {
    let tag = match language {
        Language::English => "en",
        Language::French => "fr",
    };
    // The tag only chooses plural rules; the two that stand here parse.
    let tag: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new(vec![tag]);
    // The marks around each word would stand in the way of copying a name from the screen.
    bundle.set_use_isolating(false);
    for locale in [&CODES].into_iter().chain(locales) {
        let source = match language {
            Language::English => locale.en,
            Language::French => locale.fr,
        };
        // A file with an error still gives its good messages; a test finds the error.
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        let _ = bundle.add_resource(resource);
    }
    bundle
}

#[cfg(test)]
mod tests {
    mod reference;

    use super::*;
    use crate::code;
    use crate::failure::Failure;

    #[test]
    fn every_code_has_a_message_and_a_hint_in_both_languages() {
        for source in [CODES.en, CODES.fr] {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
        }
        for language in [Language::English, Language::French] {
            let only = Catalog {
                bundles: vec![bundle(language, &[])],
            };
            for code in code::ALL {
                for id in [code.id.to_owned(), format!("{}.hint", code.id)] {
                    let text = only.find(&id, &[]).unwrap_or_default();
                    assert!(!text.is_empty(), "{language:?}: {id}");
                }
            }
        }
    }

    #[test]
    fn a_failure_says_what_to_do_in_french_too() {
        let failure = Failure::new(code::NO_SUCH_SITE)
            .arg("site", "duala")
            .arg("near", "douala");
        assert_eq!(
            Catalog::new(Language::English, &[]).failure(&failure),
            "error SNG-0611: no site `duala`\n  hint: did you mean `douala`? All sites: sanaga site ls"
        );
        let failure = failure.arg("near", "");
        assert_eq!(
            Catalog::new(Language::French, &[]).failure(&failure),
            "erreur SNG-0611: pas de site « duala »\n  conseil: tous les sites : sanaga site ls"
        );
    }
}
