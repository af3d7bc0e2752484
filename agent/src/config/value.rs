//! What a key may hold: its kind, the check of a value from a file, a flag or the environment, and
//! the form in which it is shown again.

use std::fmt;

use toml::de::DeValue;

use crate::power::nut::Ups;

/// Names for powers of 1,024 and of 1,000, as they may follow a number of bytes.
const UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer within bounds, both included.
    Integer {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// The same, or `auto`.
    IntegerOrAuto {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Bytes: an integer, or text such as `512 MiB`.
    Bytes {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// True or false.
    Flag,
    /// One word of a list.
    Choice(&'static [&'static str]),
    /// A list of words out of a list, without repetition.
    Choices(&'static [&'static str]),
    /// A list of names that a Unix user may have.
    Users,
    /// Two ports, the first and the last of a range: `20000-20999`.
    Ports,
    /// An absolute path, in which `{app}` stands for the app; or `auto`.
    PathOrAuto,
    /// A program with its arguments; or `auto`.
    CommandOrAuto,
    /// An `http://` URL, in which `{app}` stands for the app; or `none`.
    UrlOrNone,
    /// `NAME@localhost`, perhaps with a port; or `none`.
    UpsOrNone,
    /// A list of absolute paths of folders, none of them `/`.
    Folders,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The program decides.
    Auto,
    /// An integer.
    Integer(u64),
    /// A number of bytes.
    Bytes(u64),
    /// True or false.
    Flag(bool),
    /// A word.
    Text(String),
    /// Words.
    List(Vec<String>),
}

impl Value {
    /// The integer or number of bytes; 0 for anything else.
    #[must_use]
    pub fn integer(&self) -> u64 {
        self.optional_integer().unwrap_or(0)
    }

    /// The integer or number of bytes; none for anything else.
    #[must_use]
    pub fn optional_integer(&self) -> Option<u64> {
        match self {
            Self::Integer(number) | Self::Bytes(number) => Some(*number),
            Self::Auto | Self::Flag(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// Whether it is the flag `true`.
    #[must_use]
    pub fn flag(&self) -> bool {
        *self == Self::Flag(true)
    }

    /// The word; empty for anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Auto | Self::Integer(_) | Self::Bytes(_) | Self::Flag(_) | Self::List(_) => "",
        }
    }

    /// The words; none for anything else.
    #[must_use]
    pub fn list(&self) -> &[String] {
        match self {
            Self::List(list) => list,
            Self::Auto | Self::Integer(_) | Self::Bytes(_) | Self::Flag(_) | Self::Text(_) => &[],
        }
    }
}

/// As it would stand in the file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "\"auto\""),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => {
                let unit = UNITS
                    .iter()
                    .find(|(_, size)| *size > 1 && *bytes > 0 && bytes % size == 0);
                match unit {
                    Some((name, size)) => write!(f, "\"{} {name}\"", bytes / size),
                    None => write!(f, "{bytes}"),
                }
            }
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(list) => write!(f, "{list:?}"),
        }
    }
}

/// A value as it was written, before its kind is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// An integer.
    Integer(i64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Anything else, by TOML's name for it.
    Other(&'static str),
}

impl Raw {
    /// Reads one TOML value.
    #[must_use]
    pub fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("too big integer"), Self::Integer),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map_or(Self::Other("array of something else"), Self::List),
            DeValue::Float(_) => Self::Other("float"),
            DeValue::Datetime(_) => Self::Other("date"),
            DeValue::Table(_) => Self::Other("table"),
        }
    }
}

impl Kind {
    /// Checks a value from a file.
    ///
    /// # Errors
    /// What is wrong with it, in English words.
    pub fn check(&self, raw: Raw) -> Result<Value, String> {
        match (self, raw) {
            (Self::Integer { min, max } | Self::IntegerOrAuto { min, max }, Raw::Integer(n)) => {
                within(n, *min, *max).map(Value::Integer)
            }
            (Self::IntegerOrAuto { .. }, Raw::Text(text)) if text == "auto" => Ok(Value::Auto),
            (Self::Bytes { min, max }, Raw::Integer(n)) => within(n, *min, *max).map(Value::Bytes),
            (Self::Bytes { min, max }, Raw::Text(text)) => {
                let bytes = parse_bytes(&text).ok_or_else(|| self.wish())?;
                let bytes = i64::try_from(bytes).map_err(|_| self.wish())?;
                within(bytes, *min, *max).map(Value::Bytes)
            }
            (Self::Flag, Raw::Flag(flag)) => Ok(Value::Flag(flag)),
            (Self::Choice(words), Raw::Text(text)) if words.contains(&text.as_str()) => {
                Ok(Value::Text(text))
            }
            (Self::Choices(words), Raw::List(list)) => {
                match list.iter().find(|word| !words.contains(&word.as_str())) {
                    Some(word) => Err(format!("`{word}` is none of {}", words.join(", "))),
                    None => Ok(Value::List(without_repetition(list))),
                }
            }
            (Self::Users, Raw::List(list)) => match list.iter().find(|name| !is_user(name)) {
                Some(name) => Err(format!("`{name}` is not the name of a user")),
                None => Ok(Value::List(without_repetition(list))),
            },
            (Self::Ports, Raw::Text(text)) if parse_ports(&text).is_some() => Ok(Value::Text(text)),
            (Self::PathOrAuto | Self::CommandOrAuto, Raw::Text(text)) if text == "auto" => {
                Ok(Value::Auto)
            }
            (Self::UrlOrNone | Self::UpsOrNone, Raw::Text(text)) if text == "none" => {
                Ok(Value::Text(text))
            }
            (Self::UpsOrNone, Raw::Text(text)) if Ups::parse(&text).is_some() => {
                Ok(Value::Text(text))
            }
            (Self::PathOrAuto, Raw::Text(text)) if text.starts_with('/') => Ok(Value::Text(text)),
            (Self::UrlOrNone, Raw::Text(text)) if text.starts_with("http://") => {
                Ok(Value::Text(text))
            }
            (Self::CommandOrAuto, Raw::List(list)) if !list.iter().any(String::is_empty) => {
                Ok(Value::List(list))
            }
            (Self::Folders, Raw::List(list)) => match list.iter().find(|path| !is_folder(path)) {
                Some(path) => Err(format!("`{path}` is not the absolute path of a folder")),
                None => Ok(Value::List(without_repetition(list))),
            },
            (
                Self::Integer { .. }
                | Self::IntegerOrAuto { .. }
                | Self::Bytes { .. }
                | Self::Flag
                | Self::Choice(_)
                | Self::Choices(_)
                | Self::Users
                | Self::Ports
                | Self::PathOrAuto
                | Self::CommandOrAuto
                | Self::UrlOrNone
                | Self::UpsOrNone
                | Self::Folders,
                Raw::Integer(_) | Raw::Flag(_) | Raw::Text(_) | Raw::List(_) | Raw::Other(_),
            ) => Err(self.wish()),
        }
    }

    /// Checks a value from a flag or the environment; lists are separated by commas.
    ///
    /// # Errors
    /// What is wrong with it, in English words.
    pub fn check_text(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let integer = || text.parse().map(Raw::Integer);
        let raw = match self {
            Self::Integer { .. } | Self::IntegerOrAuto { .. } | Self::Bytes { .. } => {
                integer().unwrap_or_else(|_| Raw::Text(text.to_owned()))
            }
            Self::Flag => match text {
                "true" | "1" => Raw::Flag(true),
                "false" | "0" => Raw::Flag(false),
                _ => Raw::Text(text.to_owned()),
            },
            Self::Choice(_)
            | Self::Ports
            | Self::PathOrAuto
            | Self::UrlOrNone
            | Self::UpsOrNone => Raw::Text(text.to_owned()),
            Self::CommandOrAuto if text == "auto" => Raw::Text(text.to_owned()),
            Self::CommandOrAuto => {
                Raw::List(text.split_ascii_whitespace().map(str::to_owned).collect())
            }
            Self::Choices(_) | Self::Users | Self::Folders => Raw::List(
                text.split(',')
                    .map(|word| word.trim().to_owned())
                    .filter(|word| !word.is_empty())
                    .collect(),
            ),
        };
        self.check(raw)
    }

    /// What a value must be, for errors and for the documentation.
    #[must_use]
    pub fn wish(&self) -> String {
        match self {
            Self::Integer { min, max } => format!("must be an integer from {min} to {max}"),
            Self::IntegerOrAuto { min, max } => {
                format!("must be an integer from {min} to {max}, or \"auto\"")
            }
            Self::Bytes { min, max } => format!(
                "must be bytes from {} to {}: an integer, or text such as \"512 MiB\"",
                Value::Bytes(*min),
                Value::Bytes(*max)
            ),
            Self::Flag => "must be true or false".to_owned(),
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
            Self::Choices(words) => format!("must be a list out of {}", words.join(", ")),
            Self::Users => "must be a list of user names".to_owned(),
            Self::Ports => "must be two ports from 1024 to 65535, as \"20000-20999\"".to_owned(),
            Self::PathOrAuto => "must be an absolute path, or \"auto\"".to_owned(),
            Self::CommandOrAuto => {
                "must be a list of a program and its arguments, or \"auto\"".to_owned()
            }
            Self::UrlOrNone => "must be a URL that begins with http://, or \"none\"".to_owned(),
            Self::UpsOrNone => "must be NAME@localhost, or \"none\"".to_owned(),
            Self::Folders => "must be a list of absolute paths".to_owned(),
        }
    }
}

/// Absolute, and the plain name of a folder other than `/`.
fn is_folder(path: &str) -> bool {
    let path = std::path::Path::new(path);
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    path.is_absolute() && path.components().count() > 1 && path.components().skip(1).all(is_plain)
}

fn within(number: i64, min: u64, max: u64) -> Result<u64, String> {
    u64::try_from(number)
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("{number} is not in {min}..{max}"))
}

/// A number of bytes, with or without a unit; `1.5 GB` is not accepted, `1500 MB` is.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits_end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(digits_end)?;
    let number: u64 = digits.parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*size)
}

/// The first and the last port of a range.
pub(super) fn parse_ports(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first >= 1_024 && first < last).then_some((first, last))
}

/// The rule of `useradd` (NAME_REGEX of Debian), which also keeps out `/`, `:` and spaces.
fn is_user(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= 32
        && chars
            .next()
            .is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
}

fn without_repetition(list: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    list.into_iter()
        .filter(|word| seen.insert(word.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Kind = Kind::Bytes {
        min: 0,
        max: 1 << 40,
    };

    #[test]
    fn bytes_have_units_and_are_shown_with_them() {
        for (text, bytes, shown) in [
            ("4 GiB", 4 << 30, "\"4 GiB\""),
            ("500MB", 500_000_000, "\"500 MB\""),
            ("1500", 1_500, "1500"),
            ("0", 0, "0"),
            ("7 B", 7, "7"),
        ] {
            let value = BYTES.check_text(text).unwrap();
            assert_eq!(value, Value::Bytes(bytes), "{text}");
            assert_eq!(value.to_string(), shown);
        }
        for bad in [
            "",
            "GiB",
            "1.5 GB",
            "-1",
            "99999999999 GiB",
            "2 TiB",
            "1 gib",
        ] {
            assert!(BYTES.check_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wrong_kinds_say_what_is_wanted() {
        let kind = Kind::IntegerOrAuto { min: 10, max: 20 };
        assert_eq!(kind.check(Raw::Text("auto".into())), Ok(Value::Auto));
        assert_eq!(
            kind.check(Raw::Integer(9)).unwrap_err(),
            "9 is not in 10..20"
        );
        assert_eq!(
            kind.check(Raw::Flag(true)).unwrap_err(),
            "must be an integer from 10 to 20, or \"auto\""
        );
        assert!(Kind::Integer { min: 0, max: 9 }.check_text("auto").is_err());
        assert!(Kind::Flag.check_text("yes").is_err());
        assert!(Kind::Choice(&["a", "b"]).check_text("c").is_err());
    }

    #[test]
    fn ports_paths_and_commands_are_what_they_say() {
        assert!(Kind::Ports.check_text("20000-20999").is_ok());
        for bad in ["", "80-90", "2000", "3000-2000", "2000-70000", "a-b"] {
            assert!(Kind::Ports.check_text(bad).is_err(), "{bad}");
        }
        assert_eq!(Kind::PathOrAuto.check_text("auto"), Ok(Value::Auto));
        assert!(Kind::PathOrAuto.check_text("/etc/x/{app}").is_ok());
        assert!(Kind::PathOrAuto.check_text("x/{app}").is_err());
        let words = ["nginx", "-t"].map(str::to_owned).to_vec();
        let command = Kind::CommandOrAuto.check_text(" nginx  -t ");
        assert_eq!(command, Ok(Value::List(words)));
        assert_eq!(Kind::CommandOrAuto.check_text("auto"), Ok(Value::Auto));
        assert!(
            Kind::CommandOrAuto
                .check(Raw::Text("nginx".into()))
                .is_err()
        );
        assert_eq!(
            Kind::UrlOrNone.check_text("none"),
            Ok(Value::Text("none".into()))
        );
        assert!(Kind::UrlOrNone.check_text("https://x/").is_err());
    }

    #[test]
    fn lists_are_checked_word_by_word() {
        let kinds = Kind::Choices(&["process", "systemd"]);
        assert_eq!(
            kinds.check_text("systemd, process,systemd").unwrap(),
            Value::List(vec!["systemd".into(), "process".into()])
        );
        assert_eq!(
            kinds.check_text("systemd,docker").unwrap_err(),
            "`docker` is none of process, systemd"
        );
        assert!(Kind::Users.check_text("shop,www-data,_apt").is_ok());
        for bad in ["0", "Root", "a b", "a:b", "../x"] {
            assert!(Kind::Users.check_text(bad).is_err(), "{bad}");
        }
        assert!(Kind::Folders.check_text("/srv/shop,/var/data").is_ok());
        for bad in ["/", "srv", "/srv/../etc", ""] {
            let raw = Raw::List(vec![bad.to_owned()]);
            assert!(Kind::Folders.check(raw).is_err(), "{bad}");
        }
    }
}
