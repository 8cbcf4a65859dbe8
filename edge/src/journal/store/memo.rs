//! The rows of the small facts that doors keep.

use meter::journal::{MEMO_KEEP_MS, MEMO_VALUE_BYTES_MAX, MemoName};
use meter::time::UnixMs;

use super::{DELETE_ROWS_MAX, Store, number, text, unsigned};
use crate::journal::sql::{Sql, SqlError, Value};

impl<S: Sql> Store<S> {
    /// Keeps a memo in place of the one that had its name. `None` forgets it.
    pub(in crate::journal) fn keep_memo(
        &self,
        name: &MemoName,
        value: Option<&str>,
        now: UnixMs,
    ) -> Result<(), SqlError> {
        let name = Value::Text(name.to_string());
        let Some(value) = value else {
            self.sql.run("DELETE FROM memo WHERE name = ?", &[name])?;
            return Ok(());
        };
        if value.len() > MEMO_VALUE_BYTES_MAX {
            return Err(SqlError(format!("a memo of {} bytes", value.len())));
        }
        let values = [name, Value::Text(value.to_owned()), number(now.get())?];
        let upsert = "INSERT INTO memo (name, value, kept_at_ms) VALUES (?, ?, ?)
                      ON CONFLICT (name) DO UPDATE
                      SET value = excluded.value, kept_at_ms = excluded.kept_at_ms";
        self.sql.run(upsert, &values)?;
        Ok(())
    }

    /// A memo's value, and when it was written last.
    pub(in crate::journal) fn memo(
        &self,
        name: &MemoName,
        now: UnixMs,
    ) -> Result<Option<(String, UnixMs)>, SqlError> {
        let select = "SELECT value, kept_at_ms FROM memo WHERE name = ?";
        let rows = self.sql.run(select, &[Value::Text(name.to_string())])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let kept_at = UnixMs::new(unsigned(row.get(1))?);
        let is_past = now.since(kept_at) > MEMO_KEEP_MS;
        Ok((!is_past).then_some((text(row.first())?.to_owned(), kept_at)))
    }

    /// Deletes some of the memos whose time has passed. It looks at all of them, so not at every pull.
    pub(in crate::journal) fn forget_memos(&self, now: UnixMs) -> Result<(), SqlError> {
        let before = now.get().saturating_sub(MEMO_KEEP_MS);
        let delete = "DELETE FROM memo WHERE name IN
                      (SELECT name FROM memo WHERE kept_at_ms < ? LIMIT ?)";
        self.sql.run(delete, &[number(before)?, Value::Integer(DELETE_ROWS_MAX)])?;
        Ok(())
    }
}
