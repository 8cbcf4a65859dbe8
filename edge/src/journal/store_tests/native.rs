//! A native `SQLite` as a store's storage.

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value as Native, ValueRef};

use crate::journal::sql::{Sql, SqlError, Value};
use crate::journal::store::{MAX_SAFE_INTEGER, unsigned};

impl Sql for &Connection {
    fn run(&self, statement: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let failed = |error: rusqlite::Error| SqlError(error.to_string());
        let mut statement = self.prepare_cached(statement).map_err(failed)?;
        let columns = statement.column_count();
        let values = values.iter().map(to_native).collect::<Result<Vec<_>, _>>()?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let value = |column| from_native(row.get_ref(column).map_err(failed)?);
            found.push((0..columns).map(value).collect::<Result<_, _>>()?);
        }
        Ok(found)
    }
}

fn to_native(value: &Value) -> Result<ToSqlOutput<'static>, SqlError> {
    let native = match value {
        Value::Null => Native::Null,
        Value::Integer(integer) => Native::Integer(as_number(*integer)?),
        Value::Text(text) => Native::Text(text.clone()),
    };
    Ok(ToSqlOutput::Owned(native))
}

fn from_native(value: ValueRef<'_>) -> Result<Value, SqlError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(integer) => as_number(integer).map(Value::Integer),
        ValueRef::Text(text) => Ok(Value::Text(String::from_utf8_lossy(text).into_owned())),
        other => Err(SqlError(format!("a column holds {other:?}"))),
    }
}

/// On the platform integers pass through JavaScript numbers; here too they must fit.
fn as_number(integer: i64) -> Result<i64, SqlError> {
    let fits = (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&integer);
    fits.then_some(integer).ok_or_else(|| SqlError(format!("{integer} is no JavaScript number")))
}

pub(super) fn database() -> Connection {
    Connection::open_in_memory().unwrap()
}

pub(super) fn count(connection: &Connection, table: &str) -> u64 {
    let rows = connection.run(&format!("SELECT COUNT(*) FROM {table}"), &[]).unwrap();
    unsigned(rows[0].first()).unwrap()
}
