//! Values as SQL literals that give exactly the same value again.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

/// Writes literals for one database.
pub(super) struct Literals<'a> {
    /// Where literals of real numbers are tried.
    pub database: &'a Connection,
    /// How the database that reads them keeps text.
    pub encoding: Encoding,
}

/// How a database keeps text (`PRAGMA encoding`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

impl Encoding {
    pub(super) fn of(database: &Connection) -> Result<Self> {
        let word: String = database.query_row("PRAGMA encoding", [], |row| row.get(0))?;
        Ok(match word.as_str() {
            "UTF-16le" => Self::Utf16Little,
            "UTF-16be" => Self::Utf16Big,
            _ => Self::Utf8,
        })
    }

    fn bytes(self, text: &[u8]) -> Vec<u8> {
        let words = || {
            let text = String::from_utf8_lossy(text);
            text.encode_utf16().collect::<Vec<u16>>()
        };
        match self {
            Self::Utf8 => text.to_vec(),
            Self::Utf16Little => words().iter().flat_map(|w| w.to_le_bytes()).collect(),
            Self::Utf16Big => words().iter().flat_map(|w| w.to_be_bytes()).collect(),
        }
    }
}

impl Literals<'_> {
    /// The literal of a value.
    pub(super) fn of(&self, value: ValueRef<'_>) -> Result<Vec<u8>> {
        Ok(match value {
            ValueRef::Null => b"NULL".to_vec(),
            ValueRef::Integer(number) => number.to_string().into_bytes(),
            ValueRef::Real(number) => self.real(number)?.into_bytes(),
            ValueRef::Text(text) => self.text(text),
            ValueRef::Blob(bytes) => blob(bytes),
        })
    }

    /// Text in quotes; what those cannot hold (a NUL, bytes that are no UTF-8) by its bytes.
    fn text(&self, text: &[u8]) -> Vec<u8> {
        if text.contains(&0) || std::str::from_utf8(text).is_err() {
            let mut out = b"CAST(".to_vec();
            out.extend(blob(&self.encoding.bytes(text)));
            out.extend(b" AS TEXT)");
            return out;
        }
        let mut out = Vec::with_capacity(text.len() + 2);
        out.push(b'\'');
        for byte in text {
            if *byte == b'\'' {
                out.push(b'\'');
            }
            out.push(*byte);
        }
        out.push(b'\'');
        out
    }

    /// A real number. The shortest text that means it is tried with `SQLite` itself, whose reading of
    /// decimals is not always exact; what fails is written as a whole number and powers of two.
    fn real(&self, number: f64) -> Result<String> {
        if number.is_infinite() {
            let sign = if number < 0.0 { "-" } else { "" };
            return Ok(format!("{sign}9e999"));
        }
        let short = format!("{number:e}");
        let digits = if short.contains('.') {
            short
        } else {
            short.replacen('e', ".0e", 1)
        };
        let mut read = self.database.prepare_cached("SELECT CAST(?1 AS REAL)")?;
        let back: f64 = read.query_row([&digits], |row| row.get(0))?;
        if back.to_bits() == number.to_bits() {
            return Ok(digits);
        }
        Ok(exact(number))
    }
}

/// A finite number as sign, whole number and factors that are powers of two, each step of which is exact.
fn exact(number: f64) -> String {
    /// 2⁶⁰, and how `SQLite` reads it exactly.
    const STEP: (i64, &str) = (60, "1152921504606846976.0");
    let bits = number.to_bits();
    let stored = (bits >> 52) & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    let (whole, mut power) = if stored == 0 {
        (fraction, -1_074)
    } else {
        (
            fraction | 1 << 52,
            i64::try_from(stored).unwrap_or_default() - 1_075,
        )
    };
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let mut out = format!("({sign}{whole}.0");
    while power != 0 {
        let operation = if power > 0 { '*' } else { '/' };
        let step = power.abs().min(STEP.0);
        let factor = if step == STEP.0 {
            STEP.1.to_owned()
        } else {
            format!("{}.0", 1_u64 << step)
        };
        out.push(operation);
        out.push_str(&factor);
        power -= step * power.signum();
    }
    out.push(')');
    out
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Vec::with_capacity(bytes.len() * 2 + 3);
    out.extend(b"X'");
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(half)));
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(number: f64, literal: &str) -> (u64, u64) {
        let database = Connection::open_in_memory().unwrap();
        let back: f64 = database
            .query_row(&format!("SELECT {literal}"), [], |row| row.get(0))
            .unwrap();
        (back.to_bits(), number.to_bits())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn real_numbers_come_back_bit_by_bit(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(!number.is_nan() && number != 0.0);
            let database = Connection::open_in_memory().unwrap();
            let literals = Literals { database: &database, encoding: Encoding::Utf8 };
            let (back, due) = read(number, &literals.real(number).unwrap());
            prop_assert_eq!(back, due);
            if number.is_finite() {
                let (back, due) = read(number, &exact(number));
                prop_assert_eq!(back, due, "{}", exact(number));
            }
        }
    }

    #[test]
    fn the_ends_of_the_scale_come_back() {
        for number in [f64::MAX, f64::MIN_POSITIVE, 5e-324, -5e-324, 1.0, 0.1, 1e22] {
            let (back, due) = read(number, &exact(number));
            assert_eq!(back, due, "{number:e}");
        }
    }
}
