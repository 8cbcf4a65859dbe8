//! The rows of a page: each table by one statement.

use std::collections::BTreeMap;

use meter::entry::Entry;
use meter::ids::{AccountId, Epoch, JournalName};
use meter::ledger::Movements;
use sqlx::PgConnection;

use crate::alarm::low;
use crate::clock;
use crate::error::Error;
use crate::ledger::rows::{CourseColumns, EntryColumns, RollupColumns, SpendingColumns};

use super::all_rows;

/// Writes what these entries are and what they move.
pub(super) async fn write_entries(
    connection: &mut PgConnection,
    name: &JournalName,
    epoch: &Epoch,
    entries: &[Entry],
) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let movements = Movements::of(entries)?;
    insert_entries(connection, name, epoch, &EntryColumns::of(entries)?).await?;
    add_spending(connection, &SpendingColumns::of(&movements)?).await?;
    add_hours(connection, &RollupColumns::of(&movements.hours)?).await?;
    add_days(connection, &RollupColumns::of(&movements.days)?).await?;
    add_course(connection, name, &CourseColumns::of(&movements.course)?).await?;
    low::look(connection, movements.spending.keys().map(AccountId::as_str)).await?;
    mark_keys_used(connection, entries).await
}

/// Postings and entries, in one statement, so that each entry has the number of its posting.
async fn insert_entries(
    connection: &mut PgConnection,
    name: &JournalName,
    epoch: &Epoch,
    columns: &EntryColumns,
) -> Result<(), Error> {
    let inserted = sqlx::query!(
        r#"
        WITH page AS MATERIALIZED (
            SELECT * FROM unnest(
                $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::bigint[], $12::jsonb[], $13::bigint[],
                $14::timestamptz[], $15::timestamptz[], $16::text[], $17::integer[], $18::bigint[],
                $19::text[], $20::bigint[], $21::bigint[], $22::bigint[], $23::boolean[],
                $24::text[], $25::text[], $26::text[], $27::text[], $28::bigint[], $29::bigint[],
                $30::bytea[], $31::bigint[], $32::text[], $33::bigint[], $34::text[]
            ) AS page (
                seq, call_id, account_id, api_key_id, operation, subject_kind,
                subject_id, group_name, price_book_id, price, ratio_ppm,
                admitted_at, finished_at, ending, http_status, coze_code,
                source, input_tokens, output_tokens, total_tokens, usage_fell,
                chat_id, conversation_id, execute_id, log_id, amount_nanos, total_nanos,
                hash, units, resumes, cost_nanos, cost_currency
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
             total_nanos, hash, units, resumes, cost_nanos, cost_currency)
        SELECT posted.posting_id, $1, $2, page.seq, call_id, account_id, api_key_id, operation,
             subject_kind, subject_id, group_name, price_book_id, price, ratio_ppm, admitted_at,
             finished_at, ending, http_status, coze_code, source, input_tokens, output_tokens,
             total_tokens, usage_fell, chat_id, conversation_id, execute_id, log_id, amount_nanos,
             total_nanos, hash, units, resumes, cost_nanos, cost_currency
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
        &columns.hash,
        &columns.units,
        &columns.resumes as &[Option<String>],
        &columns.cost_nanos as &[Option<i64>],
        &columns.cost_currency as &[Option<String>]
    )
    .execute(connection)
    .await?;
    all_rows("entry", columns.seq.len(), inserted.rows_affected())
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

/// Adds to the sums of hours.
pub(in crate::ledger) async fn add_hours(
    connection: &mut PgConnection,
    columns: &RollupColumns,
) -> Result<(), Error> {
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
        &columns.since,
        &columns.operation,
        &columns.subject_kind,
        &columns.subject,
        &columns.key,
        &columns.sums.calls,
        &columns.sums.settled,
        &columns.sums.failed,
        &columns.sums.input_tokens,
        &columns.sums.output_tokens,
        &columns.sums.total_tokens,
        &columns.sums.amount_nanos
    )
    .execute(connection)
    .await?;
    all_rows("rollup_hour", columns.account.len(), updated.rows_affected())
}

/// Adds to the sums of days.
pub(in crate::ledger) async fn add_days(
    connection: &mut PgConnection,
    columns: &RollupColumns,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "INSERT INTO rollup_day
             (account_id, day_at, operation, subject_kind, subject_id, api_key_id, calls, settled,
              failed, input_tokens, output_tokens, total_tokens, amount_nanos)
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[],
              $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
              $12::bigint[], $13::bigint[])
         ON CONFLICT (account_id, day_at, operation, subject_kind, subject_id, api_key_id)
         DO UPDATE SET
             calls = rollup_day.calls + excluded.calls,
             settled = rollup_day.settled + excluded.settled,
             failed = rollup_day.failed + excluded.failed,
             input_tokens = rollup_day.input_tokens + excluded.input_tokens,
             output_tokens = rollup_day.output_tokens + excluded.output_tokens,
             total_tokens = rollup_day.total_tokens + excluded.total_tokens,
             amount_nanos = rollup_day.amount_nanos + excluded.amount_nanos",
        &columns.account,
        &columns.since,
        &columns.operation,
        &columns.subject_kind,
        &columns.subject,
        &columns.key,
        &columns.sums.calls,
        &columns.sums.settled,
        &columns.sums.failed,
        &columns.sums.input_tokens,
        &columns.sums.output_tokens,
        &columns.sums.total_tokens,
        &columns.sums.amount_nanos
    )
    .execute(connection)
    .await?;
    all_rows("rollup_day", columns.account.len(), updated.rows_affected())
}

/// Adds to the sums of a journal's hours.
pub(in crate::ledger) async fn add_course(
    connection: &mut PgConnection,
    name: &JournalName,
    columns: &CourseColumns,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "INSERT INTO rollup_journal
             (journal_id, hour_at, calls, settled, failed, input_tokens, output_tokens,
              total_tokens, amount_nanos)
         SELECT $1, * FROM unnest($2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[],
              $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
         ON CONFLICT (hour_at, journal_id)
         DO UPDATE SET
             calls = rollup_journal.calls + excluded.calls,
             settled = rollup_journal.settled + excluded.settled,
             failed = rollup_journal.failed + excluded.failed,
             input_tokens = rollup_journal.input_tokens + excluded.input_tokens,
             output_tokens = rollup_journal.output_tokens + excluded.output_tokens,
             total_tokens = rollup_journal.total_tokens + excluded.total_tokens,
             amount_nanos = rollup_journal.amount_nanos + excluded.amount_nanos",
        name.as_str(),
        &columns.hour_at,
        &columns.sums.calls,
        &columns.sums.settled,
        &columns.sums.failed,
        &columns.sums.input_tokens,
        &columns.sums.output_tokens,
        &columns.sums.total_tokens,
        &columns.sums.amount_nanos
    )
    .execute(connection)
    .await?;
    all_rows("rollup_journal", columns.hour_at.len(), updated.rows_affected())
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
