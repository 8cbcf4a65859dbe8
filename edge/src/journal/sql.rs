//! The one thing a store needs: to run a statement.
//!
//! Behind it is the object's own `SQLite`; in tests, a native one.

use std::fmt;

/// A value in a row. Amounts are stored as text, since the platform's integers pass through JavaScript
/// numbers, which are exact only to ±(2⁵³−1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
}

/// Why a statement failed. Whatever it is, memory is thrown away and built anew from storage.
#[derive(Debug)]
pub(crate) struct SqlError(pub(crate) String);

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs statements, each at once and to its end.
pub(crate) trait Sql {
    /// Runs one statement and gives all its rows.
    fn run(&self, statement: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, SqlError>;
}

impl Sql for worker::SqlStorage {
    fn run(&self, statement: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let bindings = values.iter().map(Value::to_platform).collect::<Result<Vec<_>, _>>()?;
        let cursor = self.exec(statement, bindings).map_err(|error| SqlError(error.to_string()))?;
        cursor
            .raw()
            .map(|row| {
                let row = row.map_err(|error| SqlError(error.to_string()))?;
                row.into_iter().map(Value::from_platform).collect()
            })
            .collect()
    }
}

impl Value {
    fn to_platform(&self) -> Result<worker::SqlStorageValue, SqlError> {
        match self {
            Self::Null => Ok(worker::SqlStorageValue::Null),
            Self::Integer(integer) => worker::SqlStorageValue::try_from_i64(*integer)
                .map_err(|error| SqlError(error.to_string())),
            Self::Text(text) => Ok(worker::SqlStorageValue::String(text.clone())),
        }
    }

    fn from_platform(value: worker::SqlStorageValue) -> Result<Self, SqlError> {
        match value {
            worker::SqlStorageValue::Null => Ok(Self::Null),
            worker::SqlStorageValue::Integer(integer) => Ok(Self::Integer(integer)),
            worker::SqlStorageValue::String(text) => Ok(Self::Text(text)),
            other => Err(SqlError(format!("a column holds {other:?}"))),
        }
    }
}
