//! `{name}` in the target of a probe stands for the setting of that name.

use std::collections::BTreeMap;

use sanaga_proto::ids::SettingName;
use sanaga_proto::wire::assignment::SettingValue;

/// A placeholder without a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no setting `{name}` for the placeholder in `{text}`")]
pub struct TemplateError {
    /// The placeholder.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Replaces every `{name}`. Braces around anything that cannot be a setting's name stay, so that
/// JSON can be an argument of a program.
///
/// # Errors
/// A placeholder without a setting.
pub fn fill(
    text: &str,
    settings: &BTreeMap<SettingName, SettingValue>,
) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let name = after.split_once('}');
        match name.and_then(|(name, behind)| Some((name.parse::<SettingName>().ok()?, behind))) {
            Some((name, behind)) => {
                let value = settings.get(&name).ok_or_else(|| TemplateError {
                    name: name.to_string(),
                    text: text.to_owned(),
                })?;
                out.push_str(&value.to_string());
                rest = behind;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> BTreeMap<SettingName, SettingValue> {
        BTreeMap::from([
            ("port".parse().unwrap(), SettingValue::Integer(8080)),
            (
                "title".parse().unwrap(),
                SettingValue::Text("{port}".into()),
            ),
        ])
    }

    #[test]
    fn fills_names_and_leaves_other_braces() {
        let of = |text: &str| fill(text, &settings()).unwrap();
        assert_eq!(of("http://[::1]:{port}/{port}?"), "http://[::1]:8080/8080?");
        assert_eq!(of("{title}"), "{port}", "a value is not filled again");
        for same in [
            "",
            "{",
            "}",
            "{}",
            "{\"a\":{\"b\":1}}",
            "{Port}",
            "{a b}",
            "{{",
        ] {
            assert_eq!(of(same), same);
        }
        assert_eq!(of("{{port}}"), "{8080}");
        let error = fill("x {prt} {port}", &settings()).unwrap_err();
        assert_eq!(error.name, "prt");
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stays(text in "[^{]{0,40}") {
            prop_assert_eq!(fill(&text, &settings()).unwrap(), text);
        }
    }
}
