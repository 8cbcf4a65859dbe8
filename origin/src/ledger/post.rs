//! The only place where money is written.
//!
//! Path: reconcile → **post** → read. A page becomes postings, entries, sums and a moved cursor in one
//! transaction, and a credit becomes a row, a sum and a revision in one transaction. Whatever is cut
//! off in between leaves nothing behind.
//!
//! # Correctness
//! - The journal's row is locked before anything is looked at, and a page that was asked for with
//!   another cursor than the one found there is left alone: its turn comes with the next pull.
//! - What has been posted once is refused a second time by `posting_place_key` and `posting_call_key`,
//!   should the cursor ever be wrong.
//! - A finding that stops posting is written by the same transaction, which then posts nothing.
//!
//! # Bounds
//! A page has at most [`meter::wire::pull::PAGE_ENTRIES_MAX`] entries; each table is written by one
//! statement.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use meter::entry::Entry;
use meter::ids::{AccountId, Epoch, JournalName};
use meter::ledger::Movements;
use meter::price::PriceBook;
use meter::reconcile::{self, Code, Cursor, Finding, Known, Page, Verified};
use meter::time::UnixMs;
use sqlx::{PgConnection, PgPool};

use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::ledger::credit::{CreditRow, NewCredit};
use crate::ledger::finding;
use crate::ledger::rows::{EntryColumns, RollupColumns, SpendingColumns};
use crate::price;

/// What a journal said of itself along with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The revision of the last changes it applied.
    pub applied: u64,
    /// Calls admitted and not finished.
    pub open_holds: u64,
    /// When the oldest of them was admitted.
    pub oldest_hold_at: Option<UnixMs>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// Its new entries stand in the ledger, and so do its findings.
    Entries {
        /// How many.
        count: usize,
        /// Whether the journal has more behind them.
        more: bool,
    },
    /// Nothing of it was posted, because of this.
    Stopped(Finding),
    /// Another page was posted meanwhile; nothing of this one was looked at.
    Overtaken,
}

/// Price books and accounts, as far as a page names them.
struct Looked {
    books: BTreeMap<u32, PriceBook>,
    accounts: HashSet<String>,
}

impl Known for Looked {
    fn book(&self, version: u32) -> Option<&PriceBook> {
        self.books.get(&version)
    }
    fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.contains(account.as_str())
    }
}

/// Posts a page that was asked for with the cursor `asked`.
pub async fn page(
    pool: &PgPool,
    name: &JournalName,
    asked: &Cursor,
    page: Page,
    said: &Said,
    now: UnixMs,
) -> Result<Posted, Error> {
    make_months(pool, &page.entries).await?;
    let mut tx = Tx::begin(pool, "post_page").await?;
    let journal = journal::lock(&mut tx, name).await?;
    if journal.cursor != *asked {
        return Ok(Posted::Overtaken);
    }
    let epoch = page.epoch.clone();
    let head = page.head;
    note_said(&mut tx, name, &page, said, now).await?;
    if let Some(finding) = ledger_behind(&journal, &epoch, said) {
        raise_revision(&mut tx, name, said).await?;
        finding::record(&mut tx, name, epoch.as_str(), &[finding]).await?;
    }
    let looked = look_up(&mut tx, &page.entries).await?;
    let checked = match reconcile::check(&journal.cursor, page, &looked) {
        Ok((verified, findings)) => match doubled_call(&mut tx, verified.entries()).await? {
            None => Ok((verified, findings)),
            Some(finding) => Err(finding),
        },
        Err(finding) => Err(finding),
    };
    let posted = match checked {
        Ok((verified, findings)) => {
            write_entries(&mut tx, name, &epoch, &verified).await?;
            move_cursor(&mut tx, name, &epoch, &verified).await?;
            finding::record(&mut tx, name, epoch.as_str(), &findings).await?;
            let more = head.seq > verified.tail().seq;
            Posted::Entries { count: verified.entries().len(), more }
        }
        Err(finding) => {
            stop(&mut tx, name, &finding).await?;
            let findings = [finding];
            finding::record(&mut tx, name, epoch.as_str(), &findings).await?;
            let [finding] = findings;
            Posted::Stopped(finding)
        }
    };
    tx.commit().await?;
    Ok(posted)
}

/// The partitions that the page's entries go to.
async fn make_months(pool: &PgPool, entries: &[Entry]) -> Result<(), Error> {
    let mut months = BTreeSet::new();
    for entry in entries {
        let finished_at = clock::timestamp(entry.facts.finished_at)?;
        months.insert(finished_at.format("%Y-%m-01T00:00:00Z").to_string());
    }
    for month in &months {
        sqlx::query!("SELECT entry_month_make($1::text::timestamptz)", month).execute(pool).await?;
    }
    Ok(())
}

/// Keeps what the journal said of itself, whatever becomes of its page.
async fn note_said(
    connection: &mut PgConnection,
    name: &JournalName,
    page: &Page,
    said: &Said,
    now: UnixMs,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET seen_epoch = $2, head_seq = $3, head_total_nanos = $4, applied = $5,
                            open_holds = $6, oldest_hold_at = $7, last_pull_at = $8,
                            last_error = NULL, last_error_at = NULL
         WHERE journal_id = $1",
        name.as_str(),
        page.epoch.as_str(),
        i64::try_from(page.head.seq)?,
        page.head.total.get(),
        i64::try_from(said.applied)?,
        i64::try_from(said.open_holds)?,
        said.oldest_hold_at.map(clock::timestamp).transpose()?,
        clock::timestamp(now)?
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

/// The edge may not know more changes than were made here.
fn ledger_behind(journal: &journal::Journal, epoch: &Epoch, said: &Said) -> Option<Finding> {
    let same_store = journal.cursor.epoch.as_ref().is_none_or(|known| known == epoch);
    let revision = u64::try_from(journal.revision).unwrap_or_default();
    (same_store && said.applied > revision).then(|| {
        let detail = format!("{revision} changes were made, the edge has {}", said.applied);
        Finding::at(journal.cursor.tail.seq, Code::LedgerBehind, detail)
    })
}

/// Goes on counting where the edge is, so that coming changes are not taken for old ones.
async fn raise_revision(
    connection: &mut PgConnection,
    name: &JournalName,
    said: &Said,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET revision = greatest(revision, $2) WHERE journal_id = $1",
        name.as_str(),
        i64::try_from(said.applied)?
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

async fn look_up(connection: &mut PgConnection, entries: &[Entry]) -> Result<Looked, Error> {
    let versions: BTreeSet<i64> =
        entries.iter().map(|entry| entry.facts.terms.book.into()).collect();
    let versions: Vec<i64> = versions.into_iter().collect();
    let books = price::books(connection, &versions).await?;
    let accounts: BTreeSet<String> =
        entries.iter().map(|entry| entry.facts.account.to_string()).collect();
    let accounts: Vec<String> = accounts.into_iter().collect();
    let accounts =
        sqlx::query_scalar!("SELECT account_id FROM account WHERE account_id = ANY($1)", &accounts)
            .fetch_all(connection)
            .await?;
    Ok(Looked { books, accounts: accounts.into_iter().collect() })
}

/// A call of the page that was posted before, from whichever place of whichever journal.
async fn doubled_call(
    connection: &mut PgConnection,
    entries: &[Entry],
) -> Result<Option<Finding>, Error> {
    let calls: Vec<String> = entries.iter().map(|entry| entry.facts.call.to_string()).collect();
    let posted = sqlx::query!(
        "SELECT call_id, journal_id, epoch, seq FROM posting WHERE call_id = ANY($1)
         ORDER BY posting_id LIMIT 1",
        &calls
    )
    .fetch_optional(connection)
    .await?;
    let Some(posted) = posted else { return Ok(None) };
    let entry = entries.iter().find(|entry| entry.facts.call.as_str() == posted.call_id);
    let seq = entry.map_or(0, |entry| entry.tail.seq);
    let detail = format!(
        "call {} was posted as entry {} of journal {} in epoch {}",
        posted.call_id, posted.seq, posted.journal_id, posted.epoch
    );
    let call = entry.map(|entry| entry.facts.call.clone());
    Ok(Some(Finding { call, ..Finding::at(seq, Code::CallDoubled, detail) }))
}

async fn write_entries(
    tx: &mut Tx,
    name: &JournalName,
    epoch: &Epoch,
    verified: &Verified,
) -> Result<(), Error> {
    if verified.entries().is_empty() {
        return Ok(());
    }
    let movements = Movements::of(verified.entries())?;
    insert_entries(tx, name, epoch, EntryColumns::of(verified.entries())?).await?;
    add_spending(tx, &SpendingColumns::of(&movements)?).await?;
    add_rollups(tx, &RollupColumns::of(&movements)?).await?;
    mark_keys_used(tx, verified.entries()).await
}

/// Postings and entries, in one statement, so that each entry has the number of its posting.
async fn insert_entries(
    connection: &mut PgConnection,
    name: &JournalName,
    epoch: &Epoch,
    columns: EntryColumns,
) -> Result<(), Error> {
    let count = u64::try_from(columns.seq.len())?;
    let inserted = sqlx::query!(
        r#"
        WITH page AS MATERIALIZED (
            SELECT * FROM unnest(
                $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::bigint[], $12::jsonb[], $13::bigint[],
                $14::timestamptz[], $15::timestamptz[], $16::text[], $17::integer[], $18::bigint[],
                $19::text[], $20::bigint[], $21::bigint[], $22::bigint[], $23::boolean[],
                $24::text[], $25::text[], $26::text[], $27::text[], $28::bigint[], $29::bigint[],
                $30::bytea[]
            ) AS page (
                seq, call_id, account_id, api_key_id, operation, subject_kind,
                subject_id, group_name, price_book_id, price, ratio_ppm,
                admitted_at, finished_at, ending, http_status, coze_code,
                source, input_tokens, output_tokens, total_tokens, usage_fell,
                chat_id, conversation_id, execute_id, log_id, amount_nanos, total_nanos,
                hash
            )
        ), posted AS (
            INSERT INTO posting
                (journal_id, epoch, seq, call_id, account_id, amount_nanos, finished_at)
            SELECT $1, $2, seq, call_id, account_id, amount_nanos, finished_at
            FROM page ORDER BY seq
            RETURNING posting_id, seq
        )
        INSERT INTO entry
            (entry_id, journal_id, epoch, seq, call_id, account_id, api_key_id, operation,
             subject_kind, subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at,
             finished_at, ending, http_status, coze_code, source, input_tokens, output_tokens,
             total_tokens, usage_fell, chat_id, conversation_id, execute_id, log_id, amount_nanos,
             total_nanos, hash)
        SELECT posted.posting_id, $1, $2, page.seq, call_id, account_id, api_key_id, operation,
             subject_kind, subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at,
             finished_at, ending, http_status, coze_code, source, input_tokens, output_tokens,
             total_tokens, usage_fell, chat_id, conversation_id, execute_id, log_id, amount_nanos,
             total_nanos, hash
        FROM page JOIN posted USING (seq)
        "#,
        name.as_str(),
        epoch.as_str(),
        &columns.seq,
        &columns.call,
        &columns.account,
        &columns.key,
        &columns.operation,
        &columns.subject_kind,
        &columns.subject,
        &columns.group,
        &columns.book,
        &columns.price as _,
        &columns.ratio_ppm,
        &columns.admitted_at,
        &columns.finished_at,
        &columns.ending,
        &columns.status as &[Option<i32>],
        &columns.code as &[Option<i64>],
        &columns.source,
        &columns.input_tokens as &[Option<i64>],
        &columns.output_tokens as &[Option<i64>],
        &columns.total_tokens as &[Option<i64>],
        &columns.usage_fell,
        &columns.chat_id as &[Option<String>],
        &columns.conversation_id as &[Option<String>],
        &columns.execute_id as &[Option<String>],
        &columns.log_id as &[Option<String>],
        &columns.amount_nanos,
        &columns.total_nanos,
        &columns.hash
    )
    .execute(connection)
    .await?;
    if inserted.rows_affected() != count {
        let problem = format!("{} of {count} rows were inserted", inserted.rows_affected());
        return Err(Error::impossible("entry", problem));
    }
    Ok(())
}

async fn add_spending(
    connection: &mut PgConnection,
    columns: &SpendingColumns,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "INSERT INTO balance (account_id, spent_nanos, entries)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
         ON CONFLICT (account_id) DO UPDATE SET
             spent_nanos = balance.spent_nanos + excluded.spent_nanos,
             entries = balance.entries + excluded.entries",
        &columns.account,
        &columns.spent_nanos,
        &columns.entries
    )
    .execute(connection)
    .await?;
    all_rows("balance", columns.account.len(), updated.rows_affected())
}

async fn add_rollups(connection: &mut PgConnection, columns: &RollupColumns) -> Result<(), Error> {
    let updated = sqlx::query!(
        "INSERT INTO rollup_hour
             (account_id, hour_at, operation, subject_kind, subject_id, api_key_id, calls, settled,
              failed, input_tokens, output_tokens, total_tokens, amount_nanos)
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
              $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
              $12::bigint[], $13::bigint[])
         ON CONFLICT (account_id, hour_at, operation, subject_kind, subject_id, api_key_id)
         DO UPDATE SET
             calls = rollup_hour.calls + excluded.calls,
             settled = rollup_hour.settled + excluded.settled,
             failed = rollup_hour.failed + excluded.failed,
             input_tokens = rollup_hour.input_tokens + excluded.input_tokens,
             output_tokens = rollup_hour.output_tokens + excluded.output_tokens,
             total_tokens = rollup_hour.total_tokens + excluded.total_tokens,
             amount_nanos = rollup_hour.amount_nanos + excluded.amount_nanos",
        &columns.account,
        &columns.hour_at,
        &columns.operation,
        &columns.subject_kind,
        &columns.subject,
        &columns.key,
        &columns.calls,
        &columns.settled,
        &columns.failed,
        &columns.input_tokens,
        &columns.output_tokens,
        &columns.total_tokens,
        &columns.amount_nanos
    )
    .execute(connection)
    .await?;
    all_rows("rollup_hour", columns.account.len(), updated.rows_affected())
}

/// The last use of each key. A key that is not known here is not an error: the entry stands anyway.
async fn mark_keys_used(connection: &mut PgConnection, entries: &[Entry]) -> Result<(), Error> {
    let mut used = BTreeMap::new();
    for entry in entries {
        let at = clock::timestamp(entry.facts.admitted_at)?;
        let last = used.entry(entry.facts.key.to_string()).or_insert(at);
        *last = at.max(*last);
    }
    let (keys, times): (Vec<_>, Vec<_>) = used.into_iter().unzip();
    sqlx::query!(
        "UPDATE api_key SET last_used_at = greatest(last_used_at, used.at)
         FROM unnest($1::text[], $2::timestamptz[]) AS used (api_key_id, at)
         WHERE api_key.api_key_id = used.api_key_id",
        &keys,
        &times
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_cursor(
    connection: &mut PgConnection,
    name: &JournalName,
    epoch: &Epoch,
    verified: &Verified,
) -> Result<(), Error> {
    let tail = verified.tail();
    let updated = sqlx::query!(
        "UPDATE journal SET epoch = $2, cursor_seq = $3, cursor_total_nanos = $4,
                            cursor_hash = $5, stopped_by = NULL
         WHERE journal_id = $1",
        name.as_str(),
        epoch.as_str(),
        i64::try_from(tail.seq)?,
        tail.total.get(),
        &tail.hash.0[..]
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

async fn stop(
    connection: &mut PgConnection,
    name: &JournalName,
    finding: &Finding,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET stopped_by = $2 WHERE journal_id = $1",
        name.as_str(),
        finding.code.name()
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

/// Gives a credit: its row, its account's sum, and the revision that carries the sum to the edge.
///
/// A reference that was used for the very same credit gives back that one; used for another, it is
/// refused.
pub async fn credit(tx: &mut Tx, new: &NewCredit) -> Result<CreditRow, Error> {
    let journal =
        sqlx::query_scalar!("SELECT journal_id FROM account WHERE account_id = $1", new.account)
            .fetch_optional(&mut **tx)
            .await?;
    let journal =
        journal.ok_or_else(|| Error::NotFound { what: "account", name: new.account.clone() })?;
    let revision = journal::bump(tx, &journal).await?;
    let inserted = sqlx::query_scalar!(
        "INSERT INTO credit (account_id, kind, amount_nanos, reason, actor, reference)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT credit_reference_key DO NOTHING
         RETURNING credit_id",
        new.account,
        new.kind.name(),
        new.amount.get(),
        new.reason,
        new.actor,
        new.reference
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(credit_id) = inserted else {
        return same_credit(tx, new).await;
    };
    let credited = sqlx::query!(
        "INSERT INTO balance (account_id, credits_nanos) VALUES ($1, $2)
         ON CONFLICT (account_id) DO UPDATE SET
             credits_nanos = balance.credits_nanos + excluded.credits_nanos",
        new.account,
        new.amount.get()
    )
    .execute(&mut **tx)
    .await?;
    one_row("balance", credited.rows_affected())?;
    let told = sqlx::query!(
        "UPDATE account SET revision = $2 WHERE account_id = $1",
        new.account,
        revision
    )
    .execute(&mut **tx)
    .await?;
    one_row("account", told.rows_affected())?;
    Ok(CreditRow {
        credit_id,
        account_id: new.account.clone(),
        kind: new.kind.name().to_owned(),
        amount_nanos: new.amount.get(),
        reference: new.reference.clone(),
        was_there: false,
    })
}

/// The credit that has this reference, if it is the same one.
async fn same_credit(connection: &mut PgConnection, new: &NewCredit) -> Result<CreditRow, Error> {
    let row = sqlx::query_as!(
        CreditRow,
        r#"SELECT credit_id, account_id, kind, amount_nanos, reference, true AS "was_there!"
           FROM credit WHERE reference = $1"#,
        new.reference
    )
    .fetch_one(connection)
    .await?;
    let same = row.account_id == new.account
        && row.kind == new.kind.name()
        && row.amount_nanos == new.amount.get();
    if same {
        return Ok(row);
    }
    let problem = format!("was used for credit {} of account {}", row.credit_id, row.account_id);
    Err(Error::Conflict { field: "reference", problem })
}

fn one_row(table: &'static str, affected: u64) -> Result<(), Error> {
    all_rows(table, 1, affected)
}

fn all_rows(table: &'static str, expected: usize, affected: u64) -> Result<(), Error> {
    if u64::try_from(expected)? == affected {
        return Ok(());
    }
    let problem = format!("{affected} rows were written in place of {expected}");
    Err(Error::Impossible { table, problem })
}
