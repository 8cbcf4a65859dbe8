//! Rows about callers who sign their own requests for tokens: the keys they registered, and the statements
//! that were redeemed.

use meter::entry::Hash;
use meter::oauth::{REDEEMED_MAX, Redemption};
use meter::time::UnixMs;
use meter::wire::registered::RegisteredKeyDoc;

use super::sql::{Sql, SqlError, Value};
use super::store::{DELETE_ROWS_MAX, Store, document, json, number, text, unsigned};

impl<S: Sql> Store<S> {
    /// Takes in what the origin says of registered keys.
    pub(super) fn keep_registered(&self, keys: &[RegisteredKeyDoc]) -> Result<(), SqlError> {
        for doc in keys {
            let key = Value::Text(doc.key.clone());
            if doc.withdrawn {
                self.sql.run("DELETE FROM registered_key WHERE key_id = ?", &[key])?;
            } else {
                let upsert = "INSERT INTO registered_key (key_id, doc) VALUES (?, ?)
                              ON CONFLICT (key_id) DO UPDATE SET doc = excluded.doc";
                self.sql.run(upsert, &[key, json(doc)?])?;
            }
        }
        Ok(())
    }

    /// Every registered key.
    pub(super) fn registered(&self) -> Result<Vec<RegisteredKeyDoc>, SqlError> {
        let rows = self.sql.run("SELECT doc FROM registered_key", &[])?;
        rows.iter().map(|row| document(text(row.first())?)).collect()
    }

    /// Redeems a statement, unless it was redeemed before.
    pub(super) fn redeem(
        &self,
        statement: Hash,
        until: UnixMs,
        now: UnixMs,
    ) -> Result<Redemption, SqlError> {
        let statement = Value::Text(statement.to_string());
        let known = "SELECT 1 FROM redeemed WHERE statement = ?";
        if !self.sql.run(known, std::slice::from_ref(&statement))?.is_empty() {
            return Ok(Redemption::Repeated);
        }
        let count = self.sql.run("SELECT COUNT(*) FROM redeemed", &[])?;
        let count = unsigned(count.first().and_then(|row| row.first()))?;
        if count >= REDEEMED_MAX as u64 {
            self.forget_redeemed(now)?;
            let count = self.sql.run("SELECT COUNT(*) FROM redeemed", &[])?;
            let count = unsigned(count.first().and_then(|row| row.first()))?;
            if count >= REDEEMED_MAX as u64 {
                return Ok(Redemption::Full);
            }
        }
        let insert = "INSERT INTO redeemed (statement, until_ms) VALUES (?, ?)";
        self.sql.run(insert, &[statement, number(until.get())?])?;
        Ok(Redemption::Done)
    }

    /// Deletes some of the statements that are refused for their age by now.
    pub(super) fn forget_redeemed(&self, now: UnixMs) -> Result<(), SqlError> {
        let delete = "DELETE FROM redeemed WHERE statement IN
                      (SELECT statement FROM redeemed WHERE until_ms <= ? LIMIT ?)";
        self.sql.run(delete, &[number(now.get())?, Value::Integer(DELETE_ROWS_MAX)])?;
        Ok(())
    }
}
