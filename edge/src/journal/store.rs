//! The journal's rows: effects in, state out.

mod memo;
mod owned;

use meter::account::Account;
use meter::entry::{Entry, Tail};
use meter::ids::{AccountId, Epoch};
use meter::journal::{
    CallNo, Effect, IDEMPOTENCY_KEEP_MS, IdempotencyKey, Kept, KeptReply, Mark, Prints, RECENT_MAX,
    Spent, SpentToday, Stored,
};
use meter::money::Nanos;
use meter::price::PriceBook;
use meter::time::UnixMs;
use meter::wire::WireError;
use meter::wire::book::{BookDoc, DatedDoc};
use meter::wire::entry::EntryDoc;
use meter::wire::pull::AccountDoc;
use meter::wire::stored::{HoldDoc, SpentTodayDoc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema;
use super::sql::{Sql, SqlError, Value};

/// How long a finished call is kept after it was posted, so that a restored origin can pull it again.
pub(super) const KEEP_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Most rows that one pull deletes, so that clearing up never holds up a call for long.
pub(super) const DELETE_ROWS_MAX: i64 = 500;

/// A journal's store, opened.
pub(super) struct Store<S> {
    pub(super) sql: S,
}

impl<S: Sql> Store<S> {
    /// Opens the store, making its tables if it is new. `new_epoch` is drawn only then.
    pub(super) fn open(
        sql: S,
        new_epoch: impl FnOnce() -> String,
    ) -> Result<(Self, Epoch), SqlError> {
        schema::migrate(&sql)?;
        let store = Self { sql };
        let epoch = if let Some(epoch) = store.setting("epoch")? {
            epoch
        } else {
            let epoch = new_epoch();
            store.set("epoch", epoch.clone())?;
            epoch
        };
        let epoch = epoch.parse().map_err(|error| SqlError(format!("epoch {error}")))?;
        Ok((store, epoch))
    }

    /// Everything memory is rebuilt from, and the number of the next row.
    pub(super) fn load(&self) -> Result<(Stored, CallNo), SqlError> {
        let mark = self.last_mark()?;
        let mut stored = Stored {
            mark,
            accounts: self.accounts()?,
            revoked: Vec::new(),
            book: None,
            next_book: None,
            applied: 0,
            holds: Vec::new(),
            earlier: Vec::new(),
            entries: Vec::new(),
            closed: self.closed()?,
        };
        for row in self.sql.run("SELECT key_id FROM revoked_key", &[])? {
            let key = text(row.first())?;
            stored.revoked.push(key.parse().map_err(|error| SqlError(format!("key {error}")))?);
        }
        if let Some(book) = self.setting("book")? {
            let doc: BookDoc = document(&book)?;
            stored.book = Some(PriceBook::try_from(&doc)?);
        }
        if let Some(next) = self.setting("next_book")? {
            let doc: DatedDoc = document(&next)?;
            stored.next_book = Some((&doc).try_into()?);
        }
        if let Some(applied) = self.setting("applied")? {
            stored.applied = applied.parse().map_err(|_| SqlError("applied".to_owned()))?;
        }
        let mut next = mark.high;
        // A call that runs for a day holds `low` back; what finished too long ago to be remembered, though
        // it lies behind it, is not read.
        let calls = "SELECT call_no, seq, doc FROM call
                     WHERE call_no >= ? AND (seq IS NULL OR seq > ?) ORDER BY call_no";
        let recent = RECENT_MAX as u64;
        let values = [
            number(mark.low.saturating_sub(recent))?,
            number(mark.tail.seq.saturating_sub(recent))?,
        ];
        for row in self.sql.run(calls, &values)? {
            let call_no = unsigned(row.first())?;
            next = next.max(call_no.saturating_add(1));
            let doc = text(row.get(2))?;
            match row.get(1) {
                Some(Value::Null) => {
                    let hold: HoldDoc = document(doc)?;
                    stored.holds.push(hold.hold(call_no)?);
                }
                seq => {
                    let entry: EntryDoc = document(doc)?;
                    let entry = Entry::try_from(&entry)?;
                    if unsigned(seq)? > mark.tail.seq {
                        stored.entries.push(entry);
                    } else {
                        stored.earlier.push(entry);
                    }
                }
            }
        }
        stored.earlier.sort_by_key(|entry| entry.tail.seq);
        stored.entries.sort_by_key(|entry| entry.tail.seq);
        Ok((stored, next))
    }

    /// Stores effects in their order.
    pub(super) fn keep(&self, effects: &[Effect], now: UnixMs) -> Result<(), SqlError> {
        effects.iter().try_for_each(|effect| self.keep_one(effect, now))
    }

    fn keep_one(&self, effect: &Effect, now: UnixMs) -> Result<(), SqlError> {
        match effect {
            Effect::InsertHold(hold) => {
                let values = [number(hold.call_no)?, json(&HoldDoc::from(hold))?];
                self.sql.run("INSERT INTO call (call_no, doc) VALUES (?, ?)", &values)?;
            }
            Effect::UpdateHold(hold) => {
                let values = [json(&HoldDoc::from(hold))?, number(hold.call_no)?];
                self.sql.run("UPDATE call SET doc = ? WHERE call_no = ?", &values)?;
            }
            Effect::Finish(call_no, entry) => {
                let doc = json(&EntryDoc::from(entry))?;
                let values = [number(entry.tail.seq)?, doc, number(*call_no)?];
                self.sql.run("UPDATE call SET seq = ?, doc = ? WHERE call_no = ?", &values)?;
            }
            Effect::Mark(mark, spent, prints) => self.keep_mark(mark, spent, prints, now)?,
            Effect::SaveKey(Kept { key, request, call, used_at, reply: _ }) => {
                let values = [
                    Value::Text(key.to_string()),
                    Value::Text(request.to_string()),
                    Value::Text(call.to_string()),
                    number(used_at.get())?,
                ];
                // A key whose time has passed may be used again.
                let upsert =
                    "INSERT OR REPLACE INTO idempotency (key, request, call_id, used_at_ms)
                              VALUES (?, ?, ?, ?)";
                self.sql.run(upsert, &values)?;
            }
            Effect::SaveReply(key, KeptReply { status, body }) => {
                let values = [
                    number((*status).into())?,
                    Value::Text(body.clone()),
                    Value::Text(key.to_string()),
                ];
                let update = "UPDATE idempotency SET status = ?, reply = ? WHERE key = ?";
                self.sql.run(update, &values)?;
            }
            Effect::SaveAccount(account) => {
                let values = [
                    Value::Text(account.id.to_string()),
                    json(&AccountDoc::from(account))?,
                    amount(Nanos::ZERO),
                ];
                let upsert = "INSERT INTO account (account_id, doc, spent_nanos) VALUES (?, ?, ?)
                              ON CONFLICT (account_id) DO UPDATE SET doc = excluded.doc";
                self.sql.run(upsert, &values)?;
            }
            Effect::SaveRevoked(key) => {
                let insert = "INSERT OR IGNORE INTO revoked_key (key_id) VALUES (?)";
                self.sql.run(insert, &[Value::Text(key.to_string())])?;
            }
            Effect::SaveBook(book) => self.set("book", text_of(&BookDoc::from(book))?)?,
            Effect::SaveNextBook(Some(next)) => {
                self.set("next_book", text_of(&DatedDoc::from(next))?)?;
            }
            Effect::SaveNextBook(None) => {
                self.sql.run("DELETE FROM setting WHERE name = 'next_book'", &[])?;
            }
            Effect::SaveApplied(revision) => self.set("applied", revision.to_string())?,
        }
        Ok(())
    }

    fn keep_mark(
        &self,
        mark: &Mark,
        spent: &[(AccountId, Spent)],
        prints: &Prints,
        now: UnixMs,
    ) -> Result<(), SqlError> {
        let Mark { tail: Tail { seq, total, hash }, low, high } = mark;
        let values = [
            number(*seq)?,
            amount(*total),
            Value::Text(hash.to_string()),
            number(*low)?,
            number(*high)?,
            number(now.get())?,
            Value::Text(prints.to_text()),
        ];
        let insert = "INSERT INTO mark (seq, total_nanos, hash, low, high, made_at_ms, works)
                      VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.sql.run(insert, &values)?;
        for (account, spent) in spent {
            let Spent { ever, today } = spent;
            let values = [
                amount(*ever),
                json(&SpentTodayDoc::from(today))?,
                Value::Text(account.to_string()),
            ];
            let update = "UPDATE account SET spent_nanos = ?, today = ? WHERE account_id = ?";
            self.sql.run(update, &values)?;
        }
        Ok(())
    }

    /// The entries behind `ack`, in order. The marks around the page bound the rows that are read.
    pub(super) fn page(&self, ack: u64, limit: u32) -> Result<Vec<EntryDoc>, SqlError> {
        let last = ack.saturating_add(limit.into());
        let below = "SELECT low FROM mark WHERE seq <= ? ORDER BY seq DESC LIMIT 1";
        let low = self.sql.run(below, &[number(ack)?])?;
        let above = "SELECT high FROM mark WHERE seq >= ? ORDER BY seq LIMIT 1";
        let high = self.sql.run(above, &[number(last)?])?;
        let bound = |rows: &[Vec<Value>]| rows.first().and_then(|row| row.first()).cloned();
        let values = [
            bound(&low).unwrap_or(Value::Integer(0)),
            bound(&high).unwrap_or(Value::Integer(MAX_SAFE_INTEGER)),
            number(ack)?,
            number(last)?,
        ];
        let entries = "SELECT doc FROM call
                       WHERE call_no >= ? AND call_no < ? AND seq > ? AND seq <= ?
                       ORDER BY seq";
        let rows = self.sql.run(entries, &values)?;
        rows.iter().map(|row| document(text(row.first())?)).collect()
    }

    /// Deletes some of the calls that were posted and are old enough, oldest first. Gives the entry of the
    /// oldest mark that is left; zero when none was deleted.
    ///
    /// All calls below a mark's `low` were finished when it was made, so the newest old mark that was
    /// posted whole says which rows may go.
    pub(super) fn clear_up(&self, ack: u64, now: UnixMs) -> Result<u64, SqlError> {
        let before = now.get().saturating_sub(KEEP_MS);
        let old = "SELECT seq, low FROM mark WHERE seq <= ? AND made_at_ms <= ?
                   ORDER BY seq DESC LIMIT 1";
        let rows = self.sql.run(old, &[number(ack)?, number(before)?])?;
        let Some([seq, low]) = rows.first().map(Vec::as_slice) else { return Ok(0) };
        let first = self.sql.run("SELECT MIN(call_no) FROM call", &[])?;
        let Some(Value::Integer(first)) = first.first().and_then(|row| row.first()).cloned() else {
            return Ok(0);
        };
        let end = integer(Some(low))?.min(first.saturating_add(DELETE_ROWS_MAX));
        self.sql.run("DELETE FROM call WHERE call_no < ?", &[Value::Integer(end)])?;
        self.sql.run("DELETE FROM mark WHERE seq < ?", std::slice::from_ref(seq))?;
        unsigned(Some(seq))
    }

    /// What is known of an idempotency key.
    pub(super) fn kept(&self, key: &IdempotencyKey) -> Result<Option<Kept>, SqlError> {
        let select = "SELECT request, call_id, used_at_ms, status, reply FROM idempotency
                      WHERE key = ?";
        let rows = self.sql.run(select, &[Value::Text(key.to_string())])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let reply = match (row.get(3), row.get(4)) {
            (Some(Value::Null), _) => None,
            (status, body) => Some(KeptReply {
                status: u16::try_from(unsigned(status)?).map_err(stored)?,
                body: text(body)?.to_owned(),
            }),
        };
        Ok(Some(Kept {
            key: key.clone(),
            request: text(row.first())?.parse().map_err(stored)?,
            call: text(row.get(1))?.parse().map_err(stored)?,
            used_at: UnixMs::new(unsigned(row.get(2))?),
            reply,
        }))
    }

    /// Deletes some of the idempotency keys whose time has passed.
    pub(super) fn forget_keys(&self, now: UnixMs) -> Result<(), SqlError> {
        let before = now.get().saturating_sub(IDEMPOTENCY_KEEP_MS);
        let delete = "DELETE FROM idempotency WHERE key IN
                      (SELECT key FROM idempotency WHERE used_at_ms < ? LIMIT ?)";
        self.sql.run(delete, &[number(before)?, Value::Integer(DELETE_ROWS_MAX)])?;
        Ok(())
    }

    fn last_mark(&self) -> Result<Mark, SqlError> {
        let newest = "SELECT seq, total_nanos, hash, low, high FROM mark ORDER BY seq DESC LIMIT 1";
        let rows = self.sql.run(newest, &[])?;
        let Some(row) = rows.first() else { return Ok(Mark::START) };
        let hash = text(row.get(2))?.parse().map_err(|error| SqlError(format!("mark: {error}")))?;
        let tail = Tail { seq: unsigned(row.first())?, total: nanos(row.get(1))?, hash };
        Ok(Mark { tail, low: unsigned(row.get(3))?, high: unsigned(row.get(4))? })
    }

    fn accounts(&self) -> Result<Vec<(Account, Spent)>, SqlError> {
        let rows = self.sql.run("SELECT doc, spent_nanos, today FROM account", &[])?;
        rows.iter()
            .map(|row| {
                let doc: AccountDoc = document(text(row.first())?)?;
                let today = match row.get(2) {
                    None | Some(Value::Null) => SpentToday::default(),
                    today => {
                        let doc: SpentTodayDoc = document(text(today)?)?;
                        SpentToday::try_from(&doc)?
                    }
                };
                Ok((Account::try_from(&doc)?, Spent { ever: nanos(row.get(1))?, today }))
            })
            .collect()
    }

    fn setting(&self, name: &str) -> Result<Option<String>, SqlError> {
        let select = "SELECT value FROM setting WHERE name = ?";
        let rows = self.sql.run(select, &[Value::Text(name.to_owned())])?;
        rows.first().map(|row| text(row.first()).map(str::to_owned)).transpose()
    }

    fn set(&self, name: &str, value: String) -> Result<(), SqlError> {
        let upsert = "INSERT INTO setting (name, value) VALUES (?, ?)
                      ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.sql.run(upsert, &[Value::Text(name.to_owned()), Value::Text(value)])?;
        Ok(())
    }
}

/// The largest integer a JavaScript number holds exactly.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

pub(super) fn number(number: u64) -> Result<Value, SqlError> {
    i64::try_from(number)
        .ok()
        .filter(|number| *number <= MAX_SAFE_INTEGER)
        .map(Value::Integer)
        .ok_or_else(|| SqlError(format!("{number} does not fit")))
}

fn amount(amount: Nanos) -> Value {
    Value::Text(amount.to_string())
}

pub(super) fn text_of(doc: &impl Serialize) -> Result<String, SqlError> {
    serde_json::to_string(doc).map_err(|error| SqlError(error.to_string()))
}

pub(super) fn json(doc: &impl Serialize) -> Result<Value, SqlError> {
    text_of(doc).map(Value::Text)
}

pub(super) fn document<T: DeserializeOwned>(json: &str) -> Result<T, SqlError> {
    serde_json::from_str(json).map_err(|error| SqlError(format!("a stored document: {error}")))
}

fn stored(error: impl std::fmt::Display) -> SqlError {
    SqlError(format!("a stored value {error}"))
}

impl From<WireError> for SqlError {
    fn from(error: WireError) -> Self {
        Self(format!("a stored document: {error}"))
    }
}

pub(super) fn integer(value: Option<&Value>) -> Result<i64, SqlError> {
    match value {
        Some(Value::Integer(integer)) => Ok(*integer),
        other => Err(SqlError(format!("{other:?} where an integer is stored"))),
    }
}

pub(super) fn unsigned(value: Option<&Value>) -> Result<u64, SqlError> {
    let integer = integer(value)?;
    u64::try_from(integer).map_err(|_| SqlError(format!("{integer} where a count is stored")))
}

pub(super) fn text(value: Option<&Value>) -> Result<&str, SqlError> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        other => Err(SqlError(format!("{other:?} where text is stored"))),
    }
}

fn nanos(value: Option<&Value>) -> Result<Nanos, SqlError> {
    let text = text(value)?;
    text.parse()
        .map(Nanos::new)
        .map_err(|_| SqlError(format!("{text:?} where an amount is stored")))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
