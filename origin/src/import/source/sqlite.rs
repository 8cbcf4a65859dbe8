//! new-api's `SQLite` file, read and never written.
//!
//! Everything is read in one transaction, so that a program that still writes to it does not show half
//! of what it does. Each value is taken as its text: `SQLite` keeps any kind in any column.

use std::collections::HashSet;
use std::path::Path;

use meter::import::row::Table;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::{Each, Row, Rows, invalid};
use crate::error::Error;

/// An open file.
pub(super) struct Database(Connection);

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn unreadable(error: rusqlite::Error) -> Error {
    invalid(format!("cannot be read as SQLite: {error}"))
}

/// Opens a file, and refuses one that is no database of new-api's.
pub(super) fn open(file: &Path) -> Result<Database, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(unreadable)?;
    // A view or a generated column may call functions; none of them may reach out of the file.
    connection.execute_batch("PRAGMA trusted_schema = OFF; BEGIN").map_err(unreadable)?;
    let database = Database(connection);
    if database.columns(Table::Users)?.is_empty() {
        return Err(invalid("is no database of new-api: it has no table users"));
    }
    Ok(database)
}

impl Database {
    /// The columns that a table has; none when it is not there.
    fn columns(&self, table: Table) -> Result<HashSet<String>, Error> {
        let sql = "SELECT name FROM pragma_table_info(?1)";
        let mut statement = self.0.prepare(sql).map_err(unreadable)?;
        let names = statement.query_map([table.name()], |row| row.get(0)).map_err(unreadable)?;
        names.collect::<Result<_, _>>().map_err(unreadable)
    }
}

impl Rows for Database {
    fn each(&mut self, table: Table, each: &mut Each<'_>) -> Result<bool, Error> {
        let there = self.columns(table)?;
        if there.is_empty() {
            return Ok(false);
        }
        let name = table.name();
        let lacking: Vec<_> =
            table.needed().iter().filter(|column| !there.contains(**column)).copied().collect();
        if !lacking.is_empty() {
            let lacking = lacking.join(", ");
            return Err(invalid(format!("is no database of new-api: {name} has no {lacking}")));
        }
        let all = [table.needed(), table.optional()].concat();
        let columns: Vec<_> = all.into_iter().filter(|column| there.contains(*column)).collect();
        let count = format!("SELECT count(*) FROM \"{name}\"");
        let total: i64 = self.0.query_row(&count, [], |row| row.get(0)).map_err(unreadable)?;
        let total = u64::try_from(total)?;
        // A float as its shortest digits, which is what somebody typed once.
        let texts: Vec<_> =
            columns.iter().map(|column| format!("CAST(\"{column}\" AS TEXT)")).collect();
        let sql = format!("SELECT {} FROM \"{name}\"", texts.join(", "));
        let mut statement = self.0.prepare(&sql).map_err(unreadable)?;
        let mut rows = statement.query([]).map_err(unreadable)?;
        let mut done = 0_u64;
        while let Some(found) = rows.next().map_err(unreadable)? {
            done = done.saturating_add(1);
            let mut values = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                let value = found.get_ref(at).map_err(unreadable)?;
                let no_text = || invalid(format!("row {done} of {name}: {column} is no text"));
                values.push(match value {
                    ValueRef::Null => None,
                    ValueRef::Text(bytes) => {
                        Some(str::from_utf8(bytes).map_err(|_| no_text())?.to_owned())
                    }
                    // Every value is asked for as text.
                    ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => {
                        return Err(no_text());
                    }
                });
            }
            let id = columns.iter().position(|column| *column == "id");
            let id = id.and_then(|at| values.get(at)?.clone());
            let place = match id {
                Some(id) => format!("{name}, id {id}"),
                None => format!("{name}, row {done}"),
            };
            each(&Row { columns: &columns, values: &values, place }, (done, total))?;
        }
        Ok(true)
    }
}
