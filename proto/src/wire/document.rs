//! How a document is read and written. Keys 1–99 must be understood: an unknown one makes the
//! document too new for this reader. Keys from 100 on are ignored, but stay in the signed bytes.

use ciborium::Value;

use crate::code::{self, Code};
use crate::failure::{Args, Coded};
use crate::ids::{BadId, Digest};
use crate::limits;

/// What is wrong with a document from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not CBOR, or not of the form that its type asks for.
    #[error("{what}: {problem}")]
    Malformed {
        /// The document or field.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Bigger than its limit; refused before it was parsed.
    #[error("{what}: more than {limit} bytes")]
    TooBig {
        /// The document.
        what: &'static str,
        /// Its limit, bytes.
        limit: u64,
    },
    /// A newer program wrote it: keep running, update the agent.
    #[error("{what}: {problem}, which a newer version wrote")]
    TooNew {
        /// The document.
        what: &'static str,
        /// The type, version or key that is not known.
        problem: String,
    },
    /// No authorised key signed it.
    #[error("{what}: no authorised key signed it")]
    BadSignature {
        /// The document.
        what: &'static str,
    },
}

impl WireError {
    /// A malformed `what`.
    pub fn malformed(what: &'static str, problem: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            problem: problem.into(),
        }
    }
}

impl Coded for WireError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => code::BAD_METADATA,
            Self::TooBig { .. } => code::TOO_BIG,
            Self::TooNew { .. } => code::AGENT_TOO_OLD,
            Self::BadSignature { .. } => code::BAD_SIGNATURE,
        }
    }

    fn args(&self) -> Args {
        match self {
            Self::Malformed { what, problem } | Self::TooNew { what, problem } => {
                Args::from([("what", (*what).to_owned()), ("problem", problem.clone())])
            }
            Self::TooBig { what, limit } => {
                Args::from([("what", (*what).to_owned()), ("limit", limit.to_string())])
            }
            Self::BadSignature { what } => Args::from([
                ("role", (*what).to_owned()),
                ("problem", "no authorised key signed it".to_owned()),
            ]),
        }
    }
}

impl From<BadId> for WireError {
    fn from(bad: BadId) -> Self {
        Self::malformed(bad.what, bad.rule)
    }
}

/// A value inside a document.
pub trait Field: Sized {
    /// As CBOR.
    fn to_value(&self) -> Value;
    /// From CBOR; every bound is checked here.
    ///
    /// # Errors
    /// [`WireError`] when the value does not have the field's form.
    fn from_value(value: Value) -> Result<Self, WireError>;
}

/// A whole document: a map whose keys 1 and 2 are its type and version.
pub trait Document: Field {
    /// What people call it, for errors.
    const WHAT: &'static str;
    /// The number of its type (key 1).
    const TYPE: u64;
    /// The version that this program writes (key 2); it reads this one and the one before.
    const VERSION: u64;
    /// The limit of its encoded form, bytes.
    const BYTES_MAX: u64;

    /// The deterministic encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut entries = vec![
            (Value::from(1), Value::from(Self::TYPE)),
            (Value::from(2), Value::from(Self::VERSION)),
        ];
        if let Value::Map(rest) = self.to_value() {
            entries.extend(rest);
        }
        encode(&Value::Map(entries))
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`WireError::TooBig`] before anything is parsed, [`WireError::TooNew`] for an unknown type,
    /// version or key, [`WireError::Malformed`] for anything else.
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let entries = map_entries(Self::WHAT, decode(Self::WHAT, bytes, Self::BYTES_MAX)?)?;
        let mut entries = entries.into_iter();
        let mut number = |key: u64| match entries.next() {
            Some((found, value)) if found == key => u64::from_value(value),
            _ => Err(WireError::malformed(
                Self::WHAT,
                format!("key {key} is missing"),
            )),
        };
        let (kind, version) = (number(1)?, number(2)?);
        if kind != Self::TYPE {
            return Err(WireError::malformed(Self::WHAT, format!("type {kind}")));
        }
        if version > Self::VERSION {
            return Err(WireError::TooNew {
                what: Self::WHAT,
                problem: format!("version {version}"),
            });
        }
        let rest = entries
            .map(|(key, value)| (Value::from(key), value))
            .collect();
        Self::from_value(Value::Map(rest))
    }
}

/// Encodes a value; the tree was built by us, so it cannot fail.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a Vec has no failure of its own, and `Value` has none either.
    let _ = ciborium::into_writer(value, &mut out);
    out
}

/// Decodes one value that must fill `bytes`.
pub(crate) fn decode(what: &'static str, bytes: &[u8], bytes_max: u64) -> Result<Value, WireError> {
    if bytes.len() as u64 > bytes_max {
        return Err(WireError::TooBig {
            what,
            limit: bytes_max,
        });
    }
    if has_too_many_values(bytes) {
        let problem = format!("more than {} values", limits::DOCUMENT_VALUES_MAX);
        return Err(WireError::malformed(what, problem));
    }
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, 16)
        .map_err(|error| WireError::malformed(what, error.to_string()))?;
    if !rest.is_empty() {
        return Err(WireError::malformed(what, "bytes after its end"));
    }
    Ok(value)
}

/// Whether there are more values in it than a document can have. A value takes 32 times the memory of
/// the one byte that it may be, so that they are counted before any is made (RFC 8949 §3).
fn has_too_many_values(bytes: &[u8]) -> bool {
    let (mut rest, mut values) = (bytes, 0);
    while let Some((head, tail)) = rest.split_first() {
        values += 1;
        if values > limits::DOCUMENT_VALUES_MAX {
            return true;
        }
        let (kind, short) = (head >> 5, head & 0x1f);
        let more = match short {
            24..=27 => 1 << (short - 24),
            _ => 0,
        };
        // What is cut short is the decoder's to refuse.
        let Some((argument, tail)) = tail.split_at_checked(more) else {
            return false;
        };
        let length = match more {
            0 => u64::from(short % 31),
            _ => argument
                .iter()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
        };
        let is_string = kind == 2 || kind == 3;
        rest = if is_string {
            let skipped = usize::try_from(length).ok();
            skipped
                .and_then(|length| tail.get(length..))
                .unwrap_or_default()
        } else {
            tail
        };
    }
    false
}

/// The entries of a map with unsigned keys in strictly ascending order.
pub(crate) fn map_entries(
    what: &'static str,
    value: Value,
) -> Result<Vec<(u64, Value)>, WireError> {
    let Value::Map(entries) = value else {
        return Err(WireError::malformed(what, "is not a map"));
    };
    let mut out: Vec<(u64, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let key = u64::from_value(key)?;
        if out.last().is_some_and(|(last, _)| *last >= key) {
            return Err(WireError::malformed(what, "keys are not in order"));
        }
        out.push((key, value));
    }
    Ok(out)
}

/// The fields of a map while it is read.
pub struct Fields {
    what: &'static str,
    entries: std::vec::IntoIter<(u64, Value)>,
    next: Option<(u64, Value)>,
}

impl Fields {
    /// Opens a map.
    ///
    /// # Errors
    /// [`WireError::Malformed`] when it is not a map with ascending unsigned keys.
    pub fn open(what: &'static str, value: Value) -> Result<Self, WireError> {
        let mut entries = map_entries(what, value)?.into_iter();
        let next = entries.next();
        Ok(Self {
            what,
            entries,
            next,
        })
    }

    /// The value of `key`, if it is there; keys must be asked for in ascending order.
    ///
    /// # Errors
    /// [`WireError::TooNew`] for an unknown key below 100 that stands before it.
    pub fn optional<T: Field>(&mut self, key: u64) -> Result<Option<T>, WireError> {
        match self.next.take() {
            Some((found, value)) if found == key => {
                self.next = self.entries.next();
                T::from_value(value).map(Some)
            }
            Some((found, _)) if found < key => Err(self.unknown(found)),
            other => {
                self.next = other;
                Ok(None)
            }
        }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// As [`Fields::optional`], and [`WireError::Malformed`] when it is missing.
    pub fn required<T: Field>(&mut self, key: u64) -> Result<T, WireError> {
        let what = self.what;
        self.optional(key)?
            .ok_or_else(|| WireError::malformed(what, format!("key {key} is missing")))
    }

    /// Ends the map: what is left must be ignorable.
    ///
    /// # Errors
    /// [`WireError::TooNew`] for a left key below 100.
    pub fn close(mut self) -> Result<(), WireError> {
        match self.next.take() {
            Some((found, _)) if found < 100 => Err(self.unknown(found)),
            Some(_) | None => Ok(()),
        }
    }

    fn unknown(&self, key: u64) -> WireError {
        WireError::TooNew {
            what: self.what,
            problem: format!("key {key}"),
        }
    }
}

impl Field for u64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_integer()
            .ok()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| WireError::malformed("number", "is not an unsigned integer"))
    }
}

impl Field for i64 {
    fn to_value(&self) -> Value {
        Value::from(*self)
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_integer()
            .ok()
            .and_then(|number| number.try_into().ok())
            .ok_or_else(|| WireError::malformed("number", "is not an integer of 64 bits"))
    }
}

impl Field for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_bool()
            .map_err(|_| WireError::malformed("flag", "is not true or false"))
    }
}

impl Field for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_text()
            .map_err(|_| WireError::malformed("text", "is not text"))
    }
}

/// A byte string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl Field for Bytes {
    fn to_value(&self) -> Value {
        Value::Bytes(self.0.clone())
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_bytes()
            .map(Bytes)
            .map_err(|_| WireError::malformed("bytes", "is not a byte string"))
    }
}

impl<const N: usize> Field for [u8; N] {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        Bytes::from_value(value)?
            .0
            .try_into()
            .map_err(|_| WireError::malformed("bytes", format!("are not {N} long")))
    }
}

impl Field for Digest {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        Field::from_value(value).map(Digest)
    }
}

impl<T: Field> Field for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(Field::to_value).collect())
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        value
            .into_array()
            .map_err(|_| WireError::malformed("list", "is not an array"))?
            .into_iter()
            .map(T::from_value)
            .collect()
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn to_value(&self) -> Value {
        Value::Array(vec![self.0.to_value(), self.1.to_value()])
    }
    fn from_value(value: Value) -> Result<Self, WireError> {
        let pair: [Value; 2] = value
            .into_array()
            .ok()
            .and_then(|array| array.try_into().ok())
            .ok_or_else(|| WireError::malformed("pair", "is not an array of two"))?;
        let [first, second] = pair;
        Ok((A::from_value(first)?, B::from_value(second)?))
    }
}

macro_rules! names_as_text {
    ($($name:ty),* $(,)?) => {$(
        impl Field for $name {
            fn to_value(&self) -> Value {
                Value::Text(self.to_string())
            }
            fn from_value(value: Value) -> Result<Self, WireError> {
                Ok(String::from_value(value)?.parse::<$name>()?)
            }
        }
    )*};
}

names_as_text!(
    crate::ids::AppName,
    crate::ids::Version,
    crate::ids::EnvironmentName,
    crate::ids::SiteName,
    crate::ids::NodeName,
    crate::ids::SettingName,
);

/// Declares a struct that is a map with integer keys: `key => required`, `key => optional`.
#[macro_export]
macro_rules! fields {
    (
        $(#[$meta:meta])*
        pub struct $name:ident ($what:literal) {
            $($(#[$field_meta:meta])* $key:literal $need:ident $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $crate::fields!(@type $need $type),)*
        }

        impl $crate::wire::Field for $name {
            #[allow(clippy::vec_init_then_push, reason = "each kind of field pushes in its own way")]
            fn to_value(&self) -> ciborium::Value {
                let mut entries = Vec::new();
                $($crate::fields!(@put $need entries, $key, self.$field);)*
                ciborium::Value::Map(entries)
            }

            fn from_value(value: ciborium::Value) -> Result<Self, $crate::wire::WireError> {
                let mut fields = $crate::wire::document::Fields::open($what, value)?;
                let out = Self { $($field: $crate::fields!(@take $need fields, $key),)* };
                fields.close()?;
                Ok(out)
            }
        }
    };
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@type list $type:ty) => { Vec<$type> };
    (@put required $entries:ident, $key:literal, $value:expr) => {
        $entries.push((ciborium::Value::from($key), $crate::wire::Field::to_value(&$value)));
    };
    (@put optional $entries:ident, $key:literal, $value:expr) => {
        if let Some(value) = &$value {
            $entries.push((ciborium::Value::from($key), $crate::wire::Field::to_value(value)));
        }
    };
    (@put list $entries:ident, $key:literal, $value:expr) => {
        if !$value.is_empty() {
            $entries.push((ciborium::Value::from($key), $crate::wire::Field::to_value(&$value)));
        }
    };
    (@take required $fields:ident, $key:literal) => { $fields.required($key)? };
    (@take optional $fields:ident, $key:literal) => { $fields.optional($key)? };
    (@take list $fields:ident, $key:literal) => { $fields.optional($key)?.unwrap_or_default() };
}

/// Declares an enum that is a number on the wire; an unknown number is too new.
#[macro_export]
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        pub enum $name:ident ($what:literal) {
            $($(#[$variant_meta:meta])* $variant:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant = $number,)*
        }

        impl $name {
            /// Every value, in order of number.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The word for it in files and messages.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The value that a word stands for.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::wire::Field for $name {
            fn to_value(&self) -> ciborium::Value {
                ciborium::Value::from(*self as u64)
            }
            fn from_value(value: ciborium::Value) -> Result<Self, $crate::wire::WireError> {
                match u64::from_value(value)? {
                    $($number => Ok($name::$variant),)*
                    number => Err($crate::wire::WireError::TooNew {
                        what: $what,
                        problem: format!("{} {number}", $what),
                    }),
                }
            }
        }
    };
}
