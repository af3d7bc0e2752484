//! Values between domain types and columns.

use std::str::FromStr;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sanaga_proto::ids::Digest;

use super::open::Fault;
use crate::fleet::facts::DocumentRef;

/// SQLite's integers are signed; numbers of ours never come near the difference.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An optional number.
pub(super) fn int_opt(number: Option<u64>) -> Option<i64> {
    number.map(int)
}

pub(super) fn bad(column: usize, problem: impl ToString) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, problem.to_string().into())
}

/// Reads columns of a row one after the other.
pub(super) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

impl<'a, 'b> Columns<'a, 'b> {
    pub(super) fn of(row: &'a Row<'b>) -> Self {
        Self { row, next: 0 }
    }

    fn take<T: rusqlite::types::FromSql>(&mut self) -> Result<(usize, T), rusqlite::Error> {
        let column = self.next;
        self.next += 1;
        Ok((column, self.row.get(column)?))
    }

    pub(super) fn number(&mut self) -> Result<u64, rusqlite::Error> {
        let (column, value) = self.take::<i64>()?;
        u64::try_from(value).map_err(|error| bad(column, error))
    }

    pub(super) fn number_opt(&mut self) -> Result<Option<u64>, rusqlite::Error> {
        let (column, value) = self.take::<Option<i64>>()?;
        value
            .map(|value| u64::try_from(value).map_err(|error| bad(column, error)))
            .transpose()
    }

    pub(super) fn text(&mut self) -> Result<String, rusqlite::Error> {
        self.take().map(|(_, value)| value)
    }

    pub(super) fn text_opt(&mut self) -> Result<Option<String>, rusqlite::Error> {
        self.take().map(|(_, value)| value)
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, rusqlite::Error> {
        self.take().map(|(_, value)| value)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], rusqlite::Error> {
        let (column, value) = self.take::<Vec<u8>>()?;
        <[u8; N]>::try_from(value).map_err(|_| bad(column, format!("is not {N} bytes")))
    }

    pub(super) fn digest(&mut self) -> Result<Digest, rusqlite::Error> {
        self.array().map(Digest)
    }

    /// A digest, or none where the column is null or empty.
    pub(super) fn digest_opt(&mut self) -> Result<Option<Digest>, rusqlite::Error> {
        let (column, value) = self.take::<Option<Vec<u8>>>()?;
        match value {
            Some(value) if !value.is_empty() => <[u8; 32]>::try_from(value)
                .map(|bytes| Some(Digest(bytes)))
                .map_err(|_| bad(column, "is not a digest")),
            Some(_) | None => Ok(None),
        }
    }

    /// A name or word that has a text form.
    pub(super) fn name<T: FromStr>(&mut self) -> Result<T, rusqlite::Error>
    where
        T::Err: ToString,
    {
        let (column, value) = self.take::<String>()?;
        value
            .parse()
            .map_err(|error: T::Err| bad(column, error.to_string()))
    }

    pub(super) fn name_opt<T: FromStr>(&mut self) -> Result<Option<T>, rusqlite::Error>
    where
        T::Err: ToString,
    {
        let (column, value) = self.take::<Option<String>>()?;
        value
            .map(|value| {
                value
                    .parse()
                    .map_err(|error: T::Err| bad(column, error.to_string()))
            })
            .transpose()
    }

    /// A word of one of our numbered enums.
    pub(super) fn word<T>(&mut self, read: fn(&str) -> Option<T>) -> Result<T, rusqlite::Error> {
        let (column, value) = self.take::<String>()?;
        read(&value).ok_or_else(|| bad(column, format!("unknown word {value}")))
    }

    pub(super) fn word_opt<T>(
        &mut self,
        read: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, rusqlite::Error> {
        let (column, value) = self.take::<Option<String>>()?;
        value
            .map(|value| read(&value).ok_or_else(|| bad(column, format!("unknown word {value}"))))
            .transpose()
    }

    pub(super) fn document(&mut self) -> Result<DocumentRef, rusqlite::Error> {
        Ok(DocumentRef {
            digest: self.digest()?,
            bytes: self.number()?,
        })
    }
}

/// Keeps a document and gives its digest.
pub(super) fn keep(db: &Connection, bytes: &[u8]) -> Result<Digest, Fault> {
    let digest = Digest::of(bytes);
    db.prepare_cached("INSERT OR IGNORE INTO document (digest, bytes) VALUES (?1, ?2)")?
        .execute(params![digest.0, bytes])?;
    Ok(digest)
}

/// A kept document.
pub(super) fn document(db: &Connection, digest: &Digest) -> Result<Option<Vec<u8>>, Fault> {
    Ok(db
        .prepare_cached("SELECT bytes FROM document WHERE digest = ?1")?
        .query_row([digest.0], |row| row.get(0))
        .optional()?)
}

/// All rows of a query.
pub(super) fn all<T, P: rusqlite::Params>(
    db: &Connection,
    sql: &str,
    params: P,
    read: fn(&mut Columns<'_, '_>) -> Result<T, rusqlite::Error>,
) -> Result<Vec<T>, Fault> {
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map(params, |row| read(&mut Columns::of(row)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first row of a query.
pub(super) fn one<T, P: rusqlite::Params>(
    db: &Connection,
    sql: &str,
    params: P,
    read: fn(&mut Columns<'_, '_>) -> Result<T, rusqlite::Error>,
) -> Result<Option<T>, Fault> {
    Ok(db
        .prepare_cached(sql)?
        .query_row(params, |row| read(&mut Columns::of(row)))
        .optional()?)
}
