//! What new-api had logged: written in batches, and read page by page.
//!
//! History is told and never counted: the balance that was brought over has it taken off already.
//!
//! # Bounds
//! A page has at most [`crate::page::PAGE_ROWS_MAX`] rows.

use chrono::{DateTime, Utc};
use meter::money::Nanos;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use super::plan::Plan;
use super::source::Batch;
use crate::clock;
use crate::error::Error;
use crate::page::{Page, Span};

/// What became of the log's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct History {
    /// Calls and top-ups that are history now.
    pub new: u64,
    /// Those that were history before.
    pub known: u64,
    /// Rows about something else.
    pub others: u64,
    /// Calls and top-ups of users who have no account here.
    pub of_nobody: u64,
    /// Rows that made no sense and were passed over, as was asked for.
    pub senseless: u64,
}

/// The columns of some rows, a vector each.
#[derive(Default)]
struct Columns {
    log: Vec<i64>,
    account: Vec<String>,
    at: Vec<DateTime<Utc>>,
    kind: Vec<String>,
    model: Vec<String>,
    token_name: Vec<String>,
    amount_nanos: Vec<i64>,
    input_tokens: Vec<i64>,
    output_tokens: Vec<i64>,
    duration_s: Vec<i64>,
    is_stream: Vec<bool>,
}

impl History {
    /// Writes a batch.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        instance: &str,
        plan: &Plan,
        batch: &Batch,
    ) -> Result<(), Error> {
        self.others = self.others.saturating_add(batch.others);
        self.senseless = self.senseless.saturating_add(batch.senseless);
        let mut columns = Columns::default();
        for log in &batch.logs {
            let Some(account) = plan.account_of.get(&log.user) else {
                self.of_nobody = self.of_nobody.saturating_add(1);
                continue;
            };
            let amount = plan.worth.of(log.quota).map_err(|error| {
                Error::invalid(
                    "from",
                    format!("cannot be brought over: logs, id {}: {error}", log.id),
                )
            })?;
            columns.log.push(log.id);
            columns.account.push(account.clone());
            columns.at.push(clock::timestamp(log.at)?);
            columns.kind.push(log.kind.name().to_owned());
            columns.model.push(log.model.clone());
            columns.token_name.push(log.token_name.clone());
            columns.amount_nanos.push(amount.get());
            columns.input_tokens.push(log.input_tokens);
            columns.output_tokens.push(log.output_tokens);
            columns.duration_s.push(log.duration_s);
            columns.is_stream.push(log.is_stream);
        }
        if columns.log.is_empty() {
            return Ok(());
        }
        let rows = u64::try_from(columns.log.len())?;
        let new = insert(connection, instance, &columns).await?;
        let known = rows.saturating_sub(new);
        if known > 0 {
            refuse_others(connection, instance, &columns).await?;
        }
        self.new = self.new.saturating_add(new);
        self.known = self.known.saturating_add(known);
        Ok(())
    }
}

async fn insert(
    connection: &mut PgConnection,
    instance: &str,
    columns: &Columns,
) -> Result<u64, Error> {
    let inserted = sqlx::query!(
        "INSERT INTO imported_call
             (instance, log_id, account_id, at, kind, model, token_name, amount_nanos, input_tokens,
              output_tokens, duration_s, is_stream)
         SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::text[],
              $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[])
         ON CONFLICT (instance, log_id) DO NOTHING",
        instance,
        &columns.log,
        &columns.account,
        &columns.at,
        &columns.kind,
        &columns.model,
        &columns.token_name,
        &columns.amount_nanos,
        &columns.input_tokens,
        &columns.output_tokens,
        &columns.duration_s,
        &columns.is_stream
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

/// Refuses a copy whose rows are not those that have these numbers here.
async fn refuse_others(
    connection: &mut PgConnection,
    instance: &str,
    columns: &Columns,
) -> Result<(), Error> {
    let other = sqlx::query_scalar!(
        // One look into the key's index for each row, whatever the planner knows of the table.
        "SELECT there.log_id
         FROM unnest($2::bigint[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[])
              AS here (log_id, account_id, at, kind, amount_nanos),
              LATERAL (SELECT * FROM imported_call c
                       WHERE c.instance = $1 AND c.log_id = here.log_id LIMIT 1) AS there
         WHERE (there.account_id, there.at, there.kind, there.amount_nanos)
              IS DISTINCT FROM (here.account_id, here.at, here.kind, here.amount_nanos)
         ORDER BY there.log_id LIMIT 1",
        instance,
        &columns.log,
        &columns.account,
        &columns.at,
        &columns.kind,
        &columns.amount_nanos
    )
    .fetch_optional(connection)
    .await?;
    let Some(log) = other else { return Ok(()) };
    let problem = format!(
        "cannot be brought over: logs, id {log} was something else when it was brought over: is this \
         another new-api (--instance), or is a quota worth something else (--quota-per-unit)?"
    );
    Err(Error::Conflict { field: "from", problem })
}

/// A call or a top-up of another program, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OldCall {
    /// Which installation it was.
    pub instance: String,
    /// Its number there.
    pub log_id: i64,
    /// Whose it is now.
    pub account_id: String,
    /// When, to the second.
    #[serde(serialize_with = "clock::serialize")]
    pub at: DateTime<Utc>,
    /// `consume` or `top_up`.
    pub kind: String,
    /// The model, for a workflow its id.
    pub model: String,
    /// The key, as it was called there.
    pub token_name: String,
    /// What was charged or given.
    pub amount_nanos: i64,
    /// The same in quota.
    pub amount_quota: String,
    /// Tokens in.
    pub input_tokens: i64,
    /// Tokens out.
    pub output_tokens: i64,
    /// How long it took, in seconds.
    pub duration_s: i64,
    /// Whether it was a stream.
    pub is_stream: bool,
}

/// A page of history, newest first: an account's, or everybody's.
pub async fn list(
    pool: &PgPool,
    account: Option<&str>,
    span: &Span,
) -> Result<Page<OldCall>, Error> {
    let behind = span.behind().map(Place::read).transpose()?;
    let rows = sqlx::query!(
        "SELECT instance, log_id, account_id, at, kind, model, token_name, amount_nanos, input_tokens,
                output_tokens, duration_s, is_stream
         FROM imported_call
         WHERE ($1::text IS NULL OR account_id = $1)
           AND ($2::timestamptz IS NULL OR (at, instance, log_id) < ($2, $3::text, $4::bigint))
         ORDER BY at DESC, instance DESC, log_id DESC LIMIT $5",
        account,
        behind.as_ref().map(|place| place.at),
        behind.as_ref().map(|place| place.instance.as_str()),
        behind.as_ref().map(|place| place.log),
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    let told = rows.into_iter().map(|row| OldCall {
        amount_quota: Nanos::new(row.amount_nanos).in_quota().to_string(),
        instance: row.instance,
        log_id: row.log_id,
        account_id: row.account_id,
        at: row.at,
        kind: row.kind,
        model: row.model,
        token_name: row.token_name,
        amount_nanos: row.amount_nanos,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        duration_s: row.duration_s,
        is_stream: row.is_stream,
    });
    Ok(Page::of(told.collect(), span, Place::text))
}

/// Where a page begins: behind this row.
struct Place {
    at: DateTime<Utc>,
    instance: String,
    log: i64,
}

impl Place {
    /// As it is handed out. An instance's name holds no point.
    fn text(row: &OldCall) -> String {
        format!("{}.{}.{}", row.at.timestamp(), row.instance, row.log_id)
    }

    fn read(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('.');
        let place = || {
            let at = DateTime::from_timestamp(parts.next()?.parse().ok()?, 0)?;
            let instance = parts.next()?.to_owned();
            let log = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { at, instance, log })
        };
        let mut place = place;
        place().ok_or_else(|| Error::invalid("cursor", "is not one that was handed out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let place = Place::read("1763700000.main.42").unwrap();
        assert_eq!((place.instance.as_str(), place.log), ("main", 42));
        assert_eq!(place.at.timestamp(), 1_763_700_000);
        for text in
            ["", "1", "1.main", "1.main.x", "x.main.1", "1.main.1.1", "99999999999999999.m.1"]
        {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }
}
