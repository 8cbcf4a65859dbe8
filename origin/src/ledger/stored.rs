//! Entries as they were stored, read back as the rules know them.
//!
//! # Bounds
//! A page has at most [`PAGE_ENTRIES_MAX`] entries.

use chrono::{DateTime, Utc};
use meter::entry::{Entry, Hash};
use meter::ids::CallId;
use meter::wire::WireError;
use meter::wire::asked::AskedDoc;
use meter::wire::book::PriceDoc;
use meter::wire::cost::CostDoc;
use meter::wire::entry::{ENTRY_VERSION, EntryDoc, WorkIdsDoc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use crate::clock;
use crate::error::Error;

/// Most entries in a page of them.
pub(crate) const PAGE_ENTRIES_MAX: i64 = 2_000;

/// A call that is posted, read back as the rules know it.
pub(crate) struct Posted {
    /// The posting's number.
    pub(crate) number: i64,
    /// When it was posted.
    pub(crate) at: DateTime<Utc>,
    /// What the posting moved.
    pub(crate) moved_nanos: i64,
    pub(crate) account_name: Option<String>,
    pub(crate) journal: String,
    pub(crate) epoch: String,
    pub(crate) entry: Entry,
}

struct Row {
    posting_id: i64,
    posted_at: DateTime<Utc>,
    posted_nanos: i64,
    account_name: Option<String>,
    journal_id: String,
    epoch: String,
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
    usage_fell: bool,
    chat_id: Option<String>,
    conversation_id: Option<String>,
    execute_id: Option<String>,
    log_id: Option<String>,
    amount_nanos: i64,
    total_nanos: i64,
    hash: Vec<u8>,
}

/// A hash as its column holds it.
pub(crate) fn hash(bytes: &[u8]) -> Result<Hash, Error> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(Hash).map_err(|error| Error::impossible("entry", error))
}

impl TryFrom<Row> for Posted {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let count = |tokens: Option<i64>| tokens.map(u64::try_from).transpose();
        let cost = row.cost_nanos.zip(row.cost_currency);
        let doc = EntryDoc {
            v: ENTRY_VERSION,
            seq: u64::try_from(row.seq)?,
            call: row.call_id,
            account: row.account_id,
            key: row.api_key_id,
            asked: AskedDoc {
                operation: row.operation,
                subject_kind: row.subject_kind,
                subject: row.subject_id,
                units: u64::try_from(row.units)?,
                resumes: row.resumes,
            },
            group: row.group_name,
            book: u32::try_from(row.price_book_id)?,
            price: row.price.0,
            ratio_ppm: u32::try_from(row.ratio_ppm)?,
            admitted_at_ms: clock::unix_ms(row.admitted_at).get(),
            finished_at_ms: clock::unix_ms(row.finished_at).get(),
            ending: row.ending,
            status: row.http_status.map(u16::try_from).transpose()?,
            code: row.coze_code,
            source: row.source,
            input_tokens: count(row.input_tokens)?,
            output_tokens: count(row.output_tokens)?,
            total_tokens: count(row.total_tokens)?,
            cost: cost.map(|(nanos, currency)| CostDoc { nanos, currency }),
            usage_fell: row.usage_fell,
            ids: WorkIdsDoc {
                chat_id: row.chat_id,
                conversation_id: row.conversation_id,
                execute_id: row.execute_id,
                log_id: row.log_id,
            },
            amount_nanos: row.amount_nanos,
            total_nanos: row.total_nanos,
            hash: hash(&row.hash)?.to_string(),
        };
        let unreadable = |error: WireError| {
            let place = format_args!("{} in {}: {error}", row.seq, row.journal_id);
            Error::impossible("entry", place)
        };
        Ok(Self {
            number: row.posting_id,
            at: row.posted_at,
            moved_nanos: row.posted_nanos,
            account_name: row.account_name,
            entry: Entry::try_from(&doc).map_err(unreadable)?,
            journal: row.journal_id,
            epoch: row.epoch,
        })
    }
}

/// A call that is posted: an account's, or anybody's.
pub(crate) async fn posted(
    pool: &PgPool,
    account: Option<&str>,
    call: &CallId,
) -> Result<Option<Posted>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT p.posting_id, p.posted_at, p.amount_nanos AS posted_nanos,
                  a.name AS "account_name?", e.journal_id, e.epoch, e.seq, e.call_id, e.account_id,
                  e.api_key_id, e.operation, e.subject_kind, e.subject_id, e.units, e.resumes,
                  e.group_name, e.price_book_id, e.price AS "price: Json<PriceDoc>", e.ratio_ppm,
                  e.admitted_at, e.finished_at, e.ending, e.http_status, e.coze_code, e.source,
                  e.input_tokens, e.output_tokens, e.total_tokens, e.cost_nanos, e.cost_currency,
                  e.usage_fell, e.chat_id,
                  e.conversation_id, e.execute_id, e.log_id, e.amount_nanos, e.total_nanos, e.hash
           FROM posting p
           JOIN entry e ON e.entry_id = p.posting_id AND e.finished_at = p.finished_at
           LEFT JOIN account a ON a.account_id = p.account_id
           WHERE p.call_id = $1 AND ($2::text IS NULL OR p.account_id = $2)"#,
        call.as_str(),
        account
    )
    .fetch_optional(pool)
    .await?;
    row.map(Posted::try_from).transpose()
}

/// Which entries a page is cut from: all that finished in a stretch of time and stood in the ledger
/// when somebody began to read them.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    /// The first instant.
    pub(crate) from: DateTime<Utc>,
    /// The instant after the last.
    pub(crate) to: DateTime<Utc>,
    /// The last posting.
    pub(crate) posted_upto: i64,
    /// Only this account's.
    pub(crate) account: Option<String>,
}

/// The next entries of a stretch, in the order in which they finished, behind a place in it.
pub(crate) async fn page(
    connection: &mut PgConnection,
    stretch: &Stretch,
    (behind, number): (DateTime<Utc>, i64),
) -> Result<Vec<Posted>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT p.posting_id, p.posted_at, p.amount_nanos AS posted_nanos,
                  NULL::text AS account_name, e.journal_id, e.epoch, e.seq, e.call_id, e.account_id,
                  e.api_key_id, e.operation, e.subject_kind, e.subject_id, e.units, e.resumes,
                  e.group_name, e.price_book_id, e.price AS "price: Json<PriceDoc>", e.ratio_ppm,
                  e.admitted_at, e.finished_at, e.ending, e.http_status, e.coze_code, e.source,
                  e.input_tokens, e.output_tokens, e.total_tokens, e.cost_nanos, e.cost_currency,
                  e.usage_fell, e.chat_id,
                  e.conversation_id, e.execute_id, e.log_id, e.amount_nanos, e.total_nanos, e.hash
           FROM entry e JOIN posting p ON p.posting_id = e.entry_id
           WHERE (e.finished_at, e.entry_id) > ($1, $2) AND e.finished_at >= $3 AND e.finished_at < $4
             AND e.entry_id <= $5 AND ($6::text IS NULL OR e.account_id = $6)
           ORDER BY e.finished_at, e.entry_id LIMIT $7"#,
        behind,
        number,
        stretch.from,
        stretch.to,
        stretch.posted_upto,
        stretch.account.as_deref(),
        PAGE_ENTRIES_MAX
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Posted::try_from).collect()
}
