//! Calls, newest first, page by page.
//!
//! A page ends at an entry, and the next one begins behind it: by its time, then by its number. So a
//! call is listed once however many are posted meanwhile.
//!
//! # Bounds
//! At most [`PAGE_CALLS_MAX`] calls a page.

pub mod filter;
mod place;
pub mod sheet;

use chrono::{DateTime, Utc};
use meter::entry::Ending;
use meter::money::Nanos;
use meter::outcome::Source;
use meter::request::SubjectKind;
use meter::route::Operation;
use meter::wire::book::PriceDoc;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;
use crate::price::schema::PriceSchema;

pub use filter::{Filter, Words};
pub use place::Place;

/// Calls in a page that names no limit.
pub const PAGE_CALLS_DEFAULT: i64 = 50;
/// Most calls in a page.
pub const PAGE_CALLS_MAX: i64 = 500;
/// Nanos of the currency in one part per million of a ratio, for printing it as a decimal.
const NANOS_PER_PPM: i64 = 1_000;

/// One call, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the fields are those of an entry, spelled out")]
pub struct Call {
    pub call_id: String,
    pub account: String,
    pub key: String,
    pub operation: String,
    pub subject_kind: String,
    pub subject: String,
    /// How much of the operation's own unit was asked for; one where none is counted.
    pub units: i64,
    /// The interrupt of an earlier run that it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
    pub admitted_at: String,
    pub finished_at: String,
    pub ending: String,
    pub status: Option<i32>,
    pub code: Option<i64>,
    pub usage: Option<CallUsage>,
    pub source: String,
    #[schema(value_type = PriceSchema)]
    pub price: PriceDoc,
    pub group: String,
    pub ratio: String,
    pub book: i64,
    pub amount_nanos: i64,
    pub amount_quota: String,
    pub chat_id: Option<String>,
    pub conversation_id: Option<String>,
    pub execute_id: Option<String>,
    pub log_id: Option<String>,
    pub journal: String,
    pub seq: i64,
}

/// A call's tokens, where known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the fields are those of `Usage`")]
pub struct CallUsage {
    pub input: Option<i64>,
    pub output: Option<i64>,
    pub total: i64,
    /// What the work cost upstream, where upstream says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<CallCost>,
}

/// What a call cost upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallCost {
    /// How much, as an exact decimal.
    pub amount: String,
    /// In which currency.
    pub currency: String,
}

impl CallCost {
    /// The cost as it is shown.
    pub fn of(nanos: i64, currency: String) -> Self {
        Self { amount: Nanos::new(nanos).in_currency().to_string(), currency }
    }
}

/// A page of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Calls {
    /// Newest first.
    pub calls: Vec<Call>,
    /// Where the next page begins; `None` when this is the last.
    pub next_cursor: Option<String>,
}

struct Row {
    entry_id: i64,
    journal_id: String,
    seq: i64,
    call_id: String,
    account_id: String,
    api_key_id: String,
    operation: String,
    subject_kind: String,
    subject_id: String,
    units: i64,
    resumes: Option<String>,
    group_name: String,
    price_book_id: i64,
    price: Json<PriceDoc>,
    ratio_ppm: i64,
    admitted_at: DateTime<Utc>,
    finished_at: DateTime<Utc>,
    ending: String,
    http_status: Option<i32>,
    coze_code: Option<i64>,
    source: String,
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    total_tokens: Option<i64>,
    cost_nanos: Option<i64>,
    cost_currency: Option<String>,
    chat_id: Option<String>,
    conversation_id: Option<String>,
    execute_id: Option<String>,
    log_id: Option<String>,
    amount_nanos: i64,
}

impl From<Row> for Call {
    fn from(row: Row) -> Self {
        let (input, output) = (row.input_tokens, row.output_tokens);
        let cost = row.cost_nanos.zip(row.cost_currency);
        let cost = cost.map(|(nanos, currency)| CallCost::of(nanos, currency));
        let ratio = Nanos::new(row.ratio_ppm.saturating_mul(NANOS_PER_PPM));
        Self {
            call_id: row.call_id,
            account: row.account_id,
            key: row.api_key_id,
            operation: row.operation,
            subject_kind: row.subject_kind,
            subject: row.subject_id,
            units: row.units,
            resumes: row.resumes,
            admitted_at: clock::text(row.admitted_at),
            finished_at: clock::text(row.finished_at),
            ending: row.ending,
            status: row.http_status,
            code: row.coze_code,
            usage: row.total_tokens.map(|total| CallUsage { input, output, total, cost }),
            source: row.source,
            price: row.price.0,
            group: row.group_name,
            ratio: ratio.in_currency().to_string(),
            book: row.price_book_id,
            amount_nanos: row.amount_nanos,
            amount_quota: Nanos::new(row.amount_nanos).in_quota().to_string(),
            chat_id: row.chat_id,
            conversation_id: row.conversation_id,
            execute_id: row.execute_id,
            log_id: row.log_id,
            journal: row.journal_id,
            seq: row.seq,
        }
    }
}

/// One page of calls.
pub async fn read(
    pool: &PgPool,
    filter: &Filter,
    behind: Option<Place>,
    limit: i64,
) -> Result<Calls, Error> {
    let limit = limit.clamp(1, PAGE_CALLS_MAX);
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT entry_id, journal_id, seq, call_id, account_id, api_key_id, operation,
                  subject_kind, subject_id, group_name, price_book_id,
                  price AS "price: Json<PriceDoc>", ratio_ppm, admitted_at, finished_at, ending,
                  http_status, coze_code, source, input_tokens, output_tokens, total_tokens,
                  chat_id, conversation_id, execute_id, log_id, amount_nanos, units, resumes,
                  cost_nanos, cost_currency
           FROM entry
           WHERE ($1::text IS NULL OR account_id = $1)
             AND ($2::text IS NULL OR subject_kind = $2)
             AND ($3::text IS NULL OR subject_id = $3)
             AND ($4::text IS NULL OR operation = $4)
             AND ($5::text IS NULL OR api_key_id = $5)
             AND ($6::text IS NULL OR ending = $6)
             AND ($7::text IS NULL OR source = $7)
             AND ($8::timestamptz IS NULL OR finished_at >= $8)
             AND ($9::timestamptz IS NULL OR finished_at < $9)
             AND ($10::bigint IS NULL OR amount_nanos >= $10)
             AND ($11::timestamptz IS NULL OR (finished_at, entry_id) < ($11, $12::bigint))
           ORDER BY finished_at DESC, entry_id DESC LIMIT $13"#,
        filter.account.as_deref(),
        filter.subject_kind.map(SubjectKind::name),
        filter.subject.as_deref(),
        filter.operation.map(Operation::name),
        filter.key.as_deref(),
        filter.ending.map(Ending::name),
        filter.source.map(Source::name),
        filter.from,
        filter.to,
        filter.amount_min_nanos,
        behind.map(|place| place.finished_at),
        behind.map(|place| place.entry_id),
        // One more than the page, to see whether there is a next one.
        limit.saturating_add(1)
    )
    .fetch_all(pool)
    .await?;
    let page = usize::try_from(limit)?;
    let more = rows.len() > page;
    rows.truncate(page);
    let last = rows.last().filter(|_| more);
    let next_cursor =
        last.map(|row| Place { finished_at: row.finished_at, entry_id: row.entry_id }.text());
    Ok(Calls { calls: rows.into_iter().map(Call::from).collect(), next_cursor })
}

/// One call: an account's, or anybody's.
pub async fn one(pool: &PgPool, account: Option<&str>, call: &str) -> Result<Option<Call>, Error> {
    // By its posting, which names the month to look into.
    let row = sqlx::query_as!(
        Row,
        r#"SELECT e.entry_id, e.journal_id, e.seq, e.call_id, e.account_id, e.api_key_id,
                  e.operation, e.subject_kind, e.subject_id, e.group_name, e.price_book_id,
                  e.price AS "price: Json<PriceDoc>", e.ratio_ppm, e.admitted_at, e.finished_at,
                  e.ending, e.http_status, e.coze_code, e.source, e.input_tokens, e.output_tokens,
                  e.total_tokens, e.chat_id, e.conversation_id, e.execute_id, e.log_id,
                  e.amount_nanos, e.units, e.resumes, e.cost_nanos, e.cost_currency
           FROM posting p
           JOIN entry e ON e.entry_id = p.posting_id AND e.finished_at = p.finished_at
           WHERE p.call_id = $1 AND ($2::text IS NULL OR p.account_id = $2)"#,
        call,
        account
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Call::from))
}
