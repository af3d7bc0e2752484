//! What has changed in one table, row by row, in no more memory than a row takes.

use std::io::Write;

use rusqlite::{Connection, Row};

use super::Counts;
use super::literal::Literals;
use super::table::{Table, quoted};

/// Why rows could not be written.
pub(super) enum Fault {
    Sqlite(rusqlite::Error),
    Io(std::io::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes statements for one database.
pub(super) struct Writer<'a, W> {
    /// The newer database as `main`, the older one as `base`.
    pub database: &'a Connection,
    pub literals: Literals<'a>,
    pub out: W,
}

impl<W: Write> Writer<'_, W> {
    /// Writes what makes the rows of `base` those of `main`: first what goes, then what changes and
    /// comes. Where another unique index could be in the way of an update, a changed row goes and comes.
    pub(super) fn changes(&mut self, table: &Table) -> Result<Counts, Fault> {
        let (name, key) = (quoted(&table.name), Table::list(&table.key, "b."));
        let (same, differs) = (table.same_key(), table.differs());
        let gone = format!(
            "SELECT {key} FROM base.{name} AS b
             WHERE NOT EXISTS (SELECT 1 FROM main.{name} AS m WHERE {same})"
        );
        let mut counts = Counts {
            deleted: self.delete(table, &gone)?,
            ..Counts::default()
        };
        if table.has_other_keys {
            let changed = format!(
                "SELECT {key} FROM main.{name} AS m JOIN base.{name} AS b ON {same} WHERE {differs}"
            );
            self.delete(table, &changed)?;
        }
        let columns = Table::list(&table.columns, "m.");
        let first = table.key.first().map(|column| quoted(column));
        let first = first.unwrap_or_default();
        let rows = format!(
            "SELECT b.{first} IS NULL, {columns}, {key} FROM main.{name} AS m
             LEFT JOIN base.{name} AS b ON {same} WHERE b.{first} IS NULL OR {differs}"
        );
        let database = self.database;
        let mut statement = database.prepare(&rows)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if row.get(0)? {
                counts.inserted += 1;
                self.insert(table, row, 1)?;
            } else {
                counts.updated += 1;
                if table.has_other_keys {
                    self.insert(table, row, 1)?;
                } else {
                    self.update(table, row)?;
                }
            }
        }
        Ok(counts)
    }

    /// Writes every row of a table.
    pub(super) fn whole(&mut self, table: &Table) -> Result<Counts, Fault> {
        let columns = Table::list(&table.columns, "");
        let sql = format!("SELECT {columns} FROM main.{}", quoted(&table.name));
        let database = self.database;
        let mut statement = database.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut counts = Counts {
            whole_tables: 1,
            ..Counts::default()
        };
        while let Some(row) = rows.next()? {
            counts.whole_rows += 1;
            self.insert(table, row, 0)?;
        }
        Ok(counts)
    }

    fn delete(&mut self, table: &Table, keys: &str) -> Result<u64, Fault> {
        let database = self.database;
        let mut statement = database.prepare(keys)?;
        let mut rows = statement.query([])?;
        let mut deleted = 0;
        while let Some(row) = rows.next()? {
            deleted += 1;
            write!(self.out, "DELETE FROM {} WHERE ", quoted(&table.name))?;
            self.pairs(&table.key, row, 0, " AND ")?;
            self.out.write_all(b";\n")?;
        }
        Ok(deleted)
    }

    fn insert(&mut self, table: &Table, row: &Row<'_>, first: usize) -> Result<(), Fault> {
        let columns = Table::list(&table.columns, "");
        write!(
            self.out,
            "INSERT INTO {} ({columns}) VALUES (",
            quoted(&table.name)
        )?;
        for at in 0..table.columns.len() {
            if at > 0 {
                self.out.write_all(b", ")?;
            }
            let literal = self.literals.of(row.get_ref(first + at)?)?;
            self.out.write_all(&literal)?;
        }
        self.out.write_all(b");\n")?;
        Ok(())
    }

    /// The values after the first column, and the key as it was before after those.
    fn update(&mut self, table: &Table, row: &Row<'_>) -> Result<(), Fault> {
        write!(self.out, "UPDATE {} SET ", quoted(&table.name))?;
        self.pairs(&table.columns, row, 1, ", ")?;
        self.out.write_all(b" WHERE ")?;
        self.pairs(&table.key, row, 1 + table.columns.len(), " AND ")?;
        self.out.write_all(b";\n")?;
        Ok(())
    }

    fn pairs(
        &mut self,
        columns: &[String],
        row: &Row<'_>,
        first: usize,
        between: &str,
    ) -> Result<(), Fault> {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                self.out.write_all(between.as_bytes())?;
            }
            let literal = self.literals.of(row.get_ref(first + at)?)?;
            write!(self.out, "{} = ", quoted(column))?;
            self.out.write_all(&literal)?;
        }
        Ok(())
    }
}
