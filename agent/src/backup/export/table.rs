//! The tables of a database, as far as an export needs to know them.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result};

/// With more columns than this the comparison of two rows is too deep for `SQLite`; such a table is
/// exported whole.
const COLUMNS_MAX: usize = 200;

/// A table that holds rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its name.
    pub name: String,
    /// The statement that made it.
    pub sql: String,
    /// Columns that are stored, in their order.
    pub columns: Vec<String>,
    /// The primary key; empty when it has none.
    pub key: Vec<String>,
    /// Whether another unique index could be in the way of an update.
    pub has_other_keys: bool,
}

/// The tables of one of two attached databases, by name. What `SQLite` keeps for itself and virtual
/// tables are left out (what the latter store is in ordinary tables).
pub(super) fn tables(database: &Connection, schema: &str) -> Result<BTreeMap<String, Table>> {
    let sql = format!(
        "SELECT s.name, s.sql FROM {schema}.sqlite_schema AS s
         WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
           AND s.sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY s.name"
    );
    let mut statement = database.prepare(&sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut tables = BTreeMap::new();
    for found in found {
        let (name, sql): (String, String) = found?;
        let table = table(database, schema, name.clone(), sql)?;
        tables.insert(name, table);
    }
    Ok(tables)
}

fn table(database: &Connection, schema: &str, name: String, sql: String) -> Result<Table> {
    let mut statement = database.prepare_cached(
        "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid",
    )?;
    let columns = statement
        .query_map([&name, schema], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, u32)>>>()?;
    let mut key: Vec<(u32, String)> = columns
        .iter()
        .filter(|(_, place)| *place > 0)
        .map(|(name, place)| (*place, name.clone()))
        .collect();
    key.sort();
    let has_other_keys = database
        .prepare_cached(
            "SELECT count(*) FROM pragma_index_list(?1, ?2) WHERE \"unique\" AND origin <> 'pk'",
        )?
        .query_row([&name, schema], |row| row.get::<_, u64>(0))?
        > 0;
    Ok(Table {
        name,
        sql,
        columns: columns.into_iter().map(|(name, _)| name).collect(),
        key: key.into_iter().map(|(_, name)| name).collect(),
        has_other_keys,
    })
}

impl Table {
    /// Whether the rows can be compared with those of the same table before: it is the same still, and
    /// each row has a key of its own.
    pub(super) fn is_comparable(&self, database: &Connection) -> Result<bool> {
        if self.key.is_empty() || self.columns.len() > COLUMNS_MAX {
            return Ok(false);
        }
        // Outside of WITHOUT ROWID tables a primary key may be NULL, and that many times.
        let is_null = self
            .key
            .iter()
            .map(|column| format!("{} IS NULL", quoted(column)));
        let is_null = is_null.collect::<Vec<_>>().join(" OR ");
        for schema in ["main", "base"] {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {schema}.{} WHERE {is_null})",
                quoted(&self.name)
            );
            if database.query_row(&sql, [], |row| row.get(0))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Columns with a prefix, for a list in SQL.
    pub(super) fn list(columns: &[String], prefix: &str) -> String {
        let columns = columns
            .iter()
            .map(|column| format!("{prefix}{}", quoted(column)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// A condition of two tables: the same key.
    pub(super) fn same_key(&self) -> String {
        let same = self.key.iter().map(|column| {
            let column = quoted(column);
            format!("b.{column} = m.{column}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// A condition of two rows with the same key: they are not the same to the last bit.
    pub(super) fn differs(&self) -> String {
        let differs = self.columns.iter().map(|column| {
            let column = quoted(column);
            format!(
                "(m.{column} IS NOT b.{column} COLLATE BINARY OR typeof(m.{column}) <> typeof(b.{column}))"
            )
        });
        differs.collect::<Vec<_>>().join(" OR ")
    }
}

/// A name in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
