//! What was written between two sets of data, as SQL: `changes.sql` makes the older database hold the
//! newer rows, as far as the tables are the same; `tables.sql` makes the other tables anew, whole.

mod changes;
mod literal;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use changes::{Fault, Writer};
use literal::{Encoding, Literals};
use table::{Table, quoted, tables};

use super::DataError;
use super::item::{ItemKind, real};
use super::set::Sets;
use super::snapshot::prepare;
use crate::update::DataNumber;

/// What the export found, beside the files that it wrote.
pub const SUMMARY: &str = "export.json";

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that came.
    pub inserted: u64,
    /// Rows that were changed.
    pub updated: u64,
    /// Rows that went.
    pub deleted: u64,
    /// Tables that are there whole.
    pub whole_tables: u64,
    /// Rows of those.
    pub whole_rows: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.whole_tables += other.whole_tables;
        self.whole_rows += other.whole_rows;
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.deleted + self.whole_rows
    }
}

/// An export that ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Of all databases together.
    pub counts: Counts,
    /// Each table of each database, by `DATABASE/TABLE`.
    pub tables: BTreeMap<String, Counts>,
}

impl Sets {
    /// Exports what the set `aside` has that `base` has not, into the folder of `aside`. Both stay as
    /// they are, but that the log of a database in `aside` is played back into it.
    ///
    /// # Errors
    /// [`DataError::NoBase`], a database that does not read, or a fault of the disk.
    pub fn export(&self, base: DataNumber, aside: DataNumber) -> Result<Summary, DataError> {
        let (before, after) = (self.read(base)?, self.read(aside)?);
        let mut summary = Summary::default();
        for (at, kept) in after.items.iter().enumerate() {
            if kept.item.kind != ItemKind::Sqlite || !kept.is_present {
                continue;
            }
            let old = before.items.iter().position(|old| old.item == kept.item);
            let was_there = old.and_then(|old| before.items.get(old));
            let base = match (old, was_there) {
                (Some(old), Some(item)) if item.is_present => Some(self.item(base, old)),
                (Some(_) | None, Some(_) | None) => None,
            };
            if let Some(base) = base.as_ref().filter(|base| !base.is_file()) {
                return Err(DataError::NoBase { path: base.clone() });
            }
            let name = kept.item.name.trim_start_matches('/').replace('/', "_");
            let newer = self.item(aside, at);
            let found = database(&newer, base.as_deref(), &self.path(aside), &name)?;
            for (table, counts) in found {
                summary.counts.add(counts);
                summary.tables.insert(format!("{name}/{table}"), counts);
            }
        }
        let path = self.path(aside).join(SUMMARY);
        let text = serde_json::to_string_pretty(&summary)
            .map_err(|error| DataError::damaged(&path, error.to_string()))?;
        sanaga_durable::write_file(&path, text.as_bytes(), 0o600)?;
        Ok(summary)
    }

    /// The export in a set, if there is one.
    #[must_use]
    pub fn exported(&self, aside: DataNumber) -> Option<Summary> {
        let text = std::fs::read_to_string(self.path(aside).join(SUMMARY)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Exports one database.
fn database(
    newer: &Path,
    base: Option<&Path>,
    folder: &Path,
    name: &str,
) -> Result<BTreeMap<String, Counts>, DataError> {
    let error = DataError::database("export", newer);
    let database = open(newer, base).map_err(&error)?;
    let encoding = Encoding::of(&database).map_err(&error)?;
    let scratch = Connection::open_in_memory().map_err(&error)?;
    let after = tables(&database, "main").map_err(&error)?;
    let before = tables(&database, "base").map_err(&error)?;
    let (same, other): (Vec<&Table>, Vec<&Table>) = after.values().partition(|table| {
        let old = before.get(&table.name);
        old.is_some_and(|old| old.sql == table.sql && old.columns == table.columns)
    });
    let mut counts = BTreeMap::new();
    let literals = || Literals {
        database: &scratch,
        encoding,
    };
    into_file(&folder.join(format!("{name}.changes.sql")), newer, |out| {
        let mut writer = Writer {
            database: &database,
            literals: literals(),
            out,
        };
        write_changes(&mut writer, &same, &mut counts)
    })?;
    into_file(&folder.join(format!("{name}.tables.sql")), newer, |out| {
        let mut writer = Writer {
            database: &database,
            literals: literals(),
            out,
        };
        writer.out.write_all(b"BEGIN;\n")?;
        for table in &other {
            writeln!(writer.out, "{};", table.sql)?;
            counts.insert(table.name.clone(), writer.whole(table)?);
        }
        writer.out.write_all(b"COMMIT;\n")?;
        Ok(())
    })?;
    database.close().map_err(|(_, cause)| error(cause))?;
    Ok(counts)
}

/// The newer database as `main` with the older one, or an empty one, as `base`. Nothing is written but
/// the log of the newer one, which was moved beside it.
fn open(newer: &Path, base: Option<&Path>) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = flags | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let real = |path: &Path| real(path).unwrap_or_else(|_| path.to_owned());
    let database = Connection::open_with_flags(real(newer), flags)?;
    prepare(&database)?;
    let base: PathBuf = base.map_or_else(|| PathBuf::from(":memory:"), real);
    database.execute("ATTACH ?1 AS base", [base.to_string_lossy()])?;
    database.pragma_update(None, "query_only", true)?;
    Ok(database)
}

/// Writes a file whole or not at all.
fn into_file(
    path: &Path,
    database: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), Fault>,
) -> Result<(), DataError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!("{}{name}", sanaga_durable::UNFINISHED));
    let file = File::create(&unfinished).map_err(DataError::disk("create", &unfinished))?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let written = write(&mut out).and_then(|()| Ok(out.flush()?));
    match written {
        Ok(()) => {}
        Err(fault) => {
            drop(out);
            sanaga_durable::remove_file(&unfinished)?;
            return Err(match fault {
                Fault::Sqlite(source) => DataError::database("export", database)(source),
                Fault::Io(source) => DataError::disk("write", path)(source),
            });
        }
    }
    let file = out
        .into_inner()
        .map_err(|error| DataError::disk("write", path)(error.into_error()))?;
    sanaga_durable::sync_file(&file)?;
    Ok(sanaga_durable::rename(&unfinished, path)?)
}

/// The tables that are the same: by rows where these have keys, else emptied and filled. Triggers, which
/// would do their work twice, are taken out and put back.
fn write_changes<W: Write>(
    writer: &mut Writer<'_, W>,
    same: &[&Table],
    counts: &mut BTreeMap<String, Counts>,
) -> Result<(), Fault> {
    let database = writer.database;
    let mut statement = database
        .prepare("SELECT name, sql FROM base.sqlite_schema WHERE type = 'trigger' ORDER BY name")?;
    let triggers = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()?;
    writer
        .out
        .write_all(b"PRAGMA foreign_keys = OFF;\nBEGIN;\n")?;
    for (name, _) in &triggers {
        writeln!(writer.out, "DROP TRIGGER {};", quoted(name))?;
    }
    for table in same {
        let found = if table.is_comparable(database)? {
            writer.changes(table)?
        } else {
            writeln!(writer.out, "DELETE FROM {};", quoted(&table.name))?;
            writer.whole(table)?
        };
        counts.insert(table.name.clone(), found);
    }
    write_sequences(writer, same)?;
    for (_, sql) in &triggers {
        writeln!(writer.out, "{sql};")?;
    }
    writer.out.write_all(b"COMMIT;\n")?;
    Ok(())
}

/// What AUTOINCREMENT counts: numbers that were given are not given again.
fn write_sequences<W: Write>(writer: &mut Writer<'_, W>, same: &[&Table]) -> Result<(), Fault> {
    let database = writer.database;
    let there = "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'";
    if database.query_row(there, [], |row| row.get::<_, u64>(0))? == 0 {
        return Ok(());
    }
    let mut statement = database.prepare("SELECT name, seq FROM main.sqlite_sequence")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if !same.iter().any(|table| table.name == name) {
            continue;
        }
        let literals = [row.get_ref(0)?, row.get_ref(1)?].map(|value| writer.literals.of(value));
        let [name, number] = literals;
        let (name, number) = (name?, number?);
        writer
            .out
            .write_all(b"DELETE FROM sqlite_sequence WHERE name = ")?;
        writer.out.write_all(&name)?;
        writer
            .out
            .write_all(b";\nINSERT INTO sqlite_sequence (name, seq) VALUES (")?;
        writer.out.write_all(&name)?;
        writer.out.write_all(b", ")?;
        writer.out.write_all(&number)?;
        writer.out.write_all(b");\n")?;
    }
    Ok(())
}
