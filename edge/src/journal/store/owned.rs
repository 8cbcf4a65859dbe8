//! The rows that say whose a thing is, and the calls that made chats and runs.

use meter::ids::{AccountId, UpstreamId};
use meter::journal::{Closed, OWNED_KEEP_MS, OwnedName, Prints, Rows};
use meter::time::UnixMs;

use super::{DELETE_ROWS_MAX, Store, number, text, unsigned};
use crate::journal::sql::{Sql, SqlError, Value};

impl<S: Sql> Store<S> {
    /// When a row was written last that says whose this is.
    pub(in crate::journal) fn owned_at(
        &self,
        name: &OwnedName,
        now: UnixMs,
    ) -> Result<Option<UnixMs>, SqlError> {
        let select = "SELECT kept_at_ms FROM owned WHERE name = ?";
        let rows = self.sql.run(select, &[Value::Text(name.to_string())])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let kept_at = UnixMs::new(unsigned(row.first())?);
        Ok(Some(kept_at).filter(|kept_at| now.since(*kept_at) <= OWNED_KEEP_MS))
    }

    /// Keeps whose a thing is.
    pub(in crate::journal) fn keep_owned(
        &self,
        name: &OwnedName,
        now: UnixMs,
    ) -> Result<(), SqlError> {
        let upsert = "INSERT INTO owned (name, kept_at_ms) VALUES (?, ?)
                      ON CONFLICT (name) DO UPDATE SET kept_at_ms = excluded.kept_at_ms";
        self.sql.run(upsert, &[Value::Text(name.to_string()), number(now.get())?])?;
        Ok(())
    }

    /// Looks through some rows from behind the one that was looked at last, and deletes those whose time has
    /// passed. There is no index by time, which would be a row more for each row.
    pub(in crate::journal) fn forget_owned(
        &self,
        behind: Option<&str>,
        now: UnixMs,
    ) -> Result<Option<String>, SqlError> {
        let behind = Value::Text(behind.unwrap_or_default().to_owned());
        let limit = Value::Integer(DELETE_ROWS_MAX);
        let some = "SELECT MAX(name), COUNT(*) FROM
                    (SELECT name FROM owned WHERE name > ? ORDER BY name LIMIT ?)";
        let rows = self.sql.run(some, &[behind.clone(), limit.clone()])?;
        let Some([last @ Value::Text(name), count]) = rows.first().map(Vec::as_slice) else {
            return Ok(None);
        };
        let before = number(now.get().saturating_sub(OWNED_KEEP_MS))?;
        let delete = "DELETE FROM owned WHERE name > ? AND name <= ? AND kept_at_ms < ?";
        self.sql.run(delete, &[behind, last.clone(), before])?;
        Ok((*count == limit).then(|| name.clone()))
    }

    /// Whether one of these rows is a finished call of the account with this chat or run. Most are found in
    /// the newest of them; which texts are read as JSON is told by a plain search.
    pub(in crate::journal) fn made_in(
        &self,
        rows: Rows,
        account: &AccountId,
        work: &UpstreamId,
    ) -> Result<bool, SqlError> {
        let Rows { low, high } = rows;
        let work = Value::Text(work.to_string());
        let account = Value::Text(account.to_string());
        let select = "SELECT 1 FROM call
                      WHERE call_no >= ? AND call_no < ? AND seq IS NOT NULL
                        AND instr(doc, ?) > 0
                        AND json_extract(doc, '$.account') = ?
                        AND ? IN (json_extract(doc, '$.chat_id'), json_extract(doc, '$.execute_id'))
                      ORDER BY call_no DESC LIMIT 1";
        let values = [number(low)?, number(high)?, work.clone(), account, work];
        Ok(!self.sql.run(select, &values)?.is_empty())
    }

    /// The marks, as far as they say what was made.
    pub(super) fn closed(&self) -> Result<Vec<Closed>, SqlError> {
        let rows = self.sql.run("SELECT seq, low, high, works FROM mark ORDER BY seq", &[])?;
        let mut low = 0;
        let mut closed = Vec::with_capacity(rows.len());
        for row in rows {
            let prints = match row.get(3) {
                None | Some(Value::Null) => None,
                works => {
                    let unreadable = || SqlError("a mark's works are no prints".to_owned());
                    Some(Prints::from_text(text(works)?).ok_or_else(unreadable)?)
                }
            };
            // What a mark closes is in no row before the last mark's first open one.
            let rows = Rows { low, high: unsigned(row.get(2))? };
            closed.push(Closed { seq: unsigned(row.first())?, rows, prints });
            low = unsigned(row.get(1))?;
        }
        Ok(closed)
    }
}
