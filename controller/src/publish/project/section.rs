//! One table of a TOML file while it is read: every key must be known, and every complaint names
//! the file, the line and the key.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sanaga_proto::code;
use sanaga_proto::failure::{Failure, nearest};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The longest list that a file may hold.
const LIST_MAX: usize = 64;
/// The longest text that a file may hold, bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// The file that is read: its path for messages, its text for line numbers.
#[derive(Debug)]
pub(super) struct File<'t> {
    /// As the operator named it.
    pub path: PathBuf,
    /// All of it.
    pub text: &'t str,
}

impl<'t> File<'t> {
    /// Names the file and parses it.
    ///
    /// # Errors
    /// `CONFIG_SYNTAX` with the line of the first fault.
    pub fn parse(path: &Path, text: &'t str) -> Result<(Self, DeTable<'t>), Failure> {
        let file = Self {
            path: path.to_owned(),
            text,
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Failure::new(code::CONFIG_SYNTAX)
                .arg("path", path.display())
                .arg("line", file.line(at))
                .arg("problem", error.message())
        })?;
        Ok((file, table.into_inner()))
    }

    /// The line of a byte offset, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    /// A `BAD_VALUE` at a place in the file.
    pub fn bad(&self, at: usize, key: &str, problem: impl std::fmt::Display) -> Failure {
        Failure::new(code::BAD_VALUE)
            .arg("path", self.path.display())
            .arg("line", self.line(at))
            .arg("key", key)
            .arg("problem", problem)
    }
}

/// A value with the place where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    /// The value.
    pub value: T,
    /// Byte offset in the file.
    pub at: usize,
}

/// A table of the file.
pub(super) struct Section<'f, 't> {
    file: &'f File<'t>,
    name: String,
    at: usize,
    table: DeTable<'t>,
}

impl<'f, 't> Section<'f, 't> {
    /// Opens a table; `name` is how the file calls it, empty for the top.
    ///
    /// # Errors
    /// `UNKNOWN_KEY` for the first key, by place, that is not in `known`.
    pub fn open(
        file: &'f File<'t>,
        name: impl Into<String>,
        table: DeTable<'t>,
        at: usize,
        known: &[&str],
    ) -> Result<Self, Failure> {
        let name = name.into();
        let unknown = table
            .keys()
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        if let Some(key) = unknown {
            return Err(Failure::new(code::UNKNOWN_KEY)
                .arg("path", file.path.display())
                .arg("line", file.line(key.span().start))
                .arg("key", key.get_ref())
                .arg("section", &name)
                .arg("near", nearest(key.get_ref(), known.iter().copied())));
        }
        Ok(Self {
            file,
            name,
            at,
            table,
        })
    }

    /// Where the section begins, for complaints about what is missing in it.
    pub fn at(&self) -> usize {
        self.at
    }

    /// A `MISSING_KEY` of this section.
    pub fn missing(&self, key: &str) -> Failure {
        let key = if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        };
        Failure::new(code::MISSING_KEY)
            .arg("path", self.file.path.display())
            .arg("key", key)
    }

    fn take(&mut self, key: &str) -> Option<(DeValue<'t>, usize)> {
        let value = self.table.remove(key)?;
        let at = value.span().start;
        Some((value.into_inner(), at))
    }

    fn wrong(&self, at: usize, key: &str, wanted: &str, found: &DeValue<'_>) -> Failure {
        let found = found.type_str();
        self.file
            .bad(at, key, format!("must be {wanted}, and is of type {found}"))
    }

    /// Text, if the key is there.
    pub fn text(&mut self, key: &str) -> Result<Option<At<String>>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::String(text), at)) if text.len() <= TEXT_BYTES_MAX => Ok(Some(At {
                value: text.into_owned(),
                at,
            })),
            Some((DeValue::String(_), at)) => {
                let problem = format!("is longer than {TEXT_BYTES_MAX} bytes");
                Err(self.file.bad(at, key, problem))
            }
            Some((other, at)) => Err(self.wrong(at, key, "text", &other)),
        }
    }

    /// Text that parses into a type.
    pub fn parsed<T>(&mut self, key: &str) -> Result<Option<At<T>>, Failure>
    where
        T: FromStr<Err = sanaga_proto::ids::BadId>,
    {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        match text.value.parse() {
            Ok(value) => Ok(Some(At { value, at: text.at })),
            Err(bad) => Err(self.file.bad(text.at, key, bad.rule)),
        }
    }

    /// A whole number of 64 bits.
    pub fn integer(&mut self, key: &str) -> Result<Option<At<i64>>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::Integer(number), at)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .map(|value| Some(At { value, at }))
                    .map_err(|_| self.file.bad(at, key, "does not fit in 64 bits"))
            }
            Some((other, at)) => Err(self.wrong(at, key, "a whole number", &other)),
        }
    }

    /// A whole number between two bounds.
    pub fn bounded(&mut self, key: &str, min: u64, max: u64) -> Result<Option<u64>, Failure> {
        let Some(number) = self.integer(key)? else {
            return Ok(None);
        };
        match u64::try_from(number.value) {
            Ok(value) if (min..=max).contains(&value) => Ok(Some(value)),
            Ok(_) | Err(_) => {
                let problem = format!("{} is not in {min}..{max}", number.value);
                Err(self.file.bad(number.at, key, problem))
            }
        }
    }

    /// Any plain value: a number, true or false, or text.
    pub fn plain(&mut self, key: &str) -> Result<Option<At<DeValue<'t>>>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some((
                value @ (DeValue::Integer(_) | DeValue::Boolean(_) | DeValue::String(_)),
                at,
            )) => Ok(Some(At { value, at })),
            Some((
                other @ (DeValue::Float(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_)),
                at,
            )) => Err(self.wrong(at, key, "a whole number, true, false or text", &other)),
        }
    }

    /// A list of texts, none of them empty.
    pub fn texts(&mut self, key: &str) -> Result<Option<At<Vec<String>>>, Failure> {
        let Some((value, at)) = self.take(key) else {
            return Ok(None);
        };
        let DeValue::Array(array) = value else {
            return Err(self.wrong(at, key, "a list of texts", &value));
        };
        let mut out = Vec::new();
        for item in self.items(key, at, array)? {
            let item_at = item.span().start;
            let item = item.into_inner();
            let DeValue::String(text) = item else {
                return Err(self.wrong(item_at, key, "a list of texts", &item));
            };
            if text.is_empty() {
                return Err(self.file.bad(item_at, key, "has an empty text"));
            }
            out.push(text.into_owned());
        }
        Ok(Some(At { value: out, at }))
    }

    /// A list of whole numbers.
    pub fn integers(&mut self, key: &str) -> Result<Option<At<Vec<i64>>>, Failure> {
        let Some((value, at)) = self.take(key) else {
            return Ok(None);
        };
        let DeValue::Array(array) = value else {
            return Err(self.wrong(at, key, "a list of whole numbers", &value));
        };
        let mut out = Vec::new();
        for item in self.items(key, at, array)? {
            let item_at = item.span().start;
            let number = item
                .get_ref()
                .as_integer()
                .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
            out.push(number.ok_or_else(|| {
                self.wrong(item_at, key, "a list of whole numbers", item.get_ref())
            })?);
        }
        Ok(Some(At { value: out, at }))
    }

    /// A table of its own, if the key is there.
    pub fn table(&mut self, key: &str) -> Result<Option<At<DeTable<'t>>>, Failure> {
        match self.take(key) {
            None => Ok(None),
            Some((DeValue::Table(value), at)) => Ok(Some(At { value, at })),
            Some((other, at)) => Err(self.wrong(at, key, "a table", &other)),
        }
    }

    /// A list of tables.
    pub fn tables(&mut self, key: &str) -> Result<Vec<At<DeTable<'t>>>, Failure> {
        let Some((value, at)) = self.take(key) else {
            return Ok(Vec::new());
        };
        let DeValue::Array(array) = value else {
            return Err(self.wrong(at, key, &format!("written [[{key}]]"), &value));
        };
        let mut out = Vec::new();
        for item in self.items(key, at, array)? {
            let at = item.span().start;
            let item = item.into_inner();
            let DeValue::Table(value) = item else {
                return Err(self.wrong(at, key, "a list of tables", &item));
            };
            out.push(At { value, at });
        }
        Ok(out)
    }

    fn items(
        &self,
        key: &str,
        at: usize,
        array: DeArray<'t>,
    ) -> Result<impl Iterator<Item = Spanned<DeValue<'t>>>, Failure> {
        if array.len() > LIST_MAX {
            let problem = format!("has more than {LIST_MAX} items");
            return Err(self.file.bad(at, key, problem));
        }
        Ok(array.into_iter())
    }
}
