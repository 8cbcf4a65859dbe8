//! Calls as a sheet: comma-separated values (RFC 4180), oldest first, in pieces.
//!
//! A sheet is read page by page, and nothing is held between two pages: no row, no connection, no lock.
//! So it takes the same memory for ten calls and for ten million, and a reader who is slow or leaves
//! costs nobody anything. Calls that are posted after it was begun are not in it.
//!
//! # Bounds
//! At most [`PAGE_CALLS`] calls in a piece.

use chrono::{DateTime, Utc};
use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use meter::entry::Ending;
use meter::money::Nanos;
use meter::outcome::Source;
use meter::price::Price;
use meter::request::SubjectKind;
use meter::route::Operation;
use meter::wire::book::PriceDoc;
use sqlx::PgPool;
use sqlx::types::Json;

use crate::error::Error;
use crate::price::words;

use super::{Call, Filter, Row};

/// Calls in a piece: about half a megabyte.
pub const PAGE_CALLS: i64 = 2_000;
/// The names of the columns. New ones are only ever added at the end.
const HEADING: [&str; 31] = [
    "call_id",
    "account",
    "key",
    "operation",
    "subject_kind",
    "subject",
    "units",
    "resumes",
    "admitted_at",
    "finished_at",
    "ending",
    "status",
    "code",
    "source",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cost",
    "cost_currency",
    "price",
    "group",
    "ratio",
    "book",
    "amount_nanos",
    "amount_quota",
    "chat_id",
    "conversation_id",
    "execute_id",
    "log_id",
    "journal",
    "seq",
];
/// What a cell must not begin with: programs that show sheets would run it. The wide ones mean the same
/// to them where Chinese is written.
const RUN: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A sheet that is being read.
pub struct Sheet {
    pool: PgPool,
    filter: Filter,
    /// The last posting when it was begun.
    upto: i64,
    behind: Behind,
}

/// How far it is read.
enum Behind {
    /// Nothing yet, not even the heading.
    Nothing,
    /// This call.
    Call(DateTime<Utc>, i64),
    /// The last one.
    All,
}

impl Sheet {
    /// Begins a sheet of these calls.
    pub async fn begin(pool: PgPool, filter: Filter) -> Result<Self, Error> {
        let upto =
            sqlx::query_scalar!(r#"SELECT coalesce(max(posting_id), 0) AS "upto!" FROM posting"#)
                .fetch_one(&pool)
                .await?;
        Ok(Self { pool, filter, upto, behind: Behind::Nothing })
    }

    /// The next piece; `None` when there is no more.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut sheet = writer();
        let behind = match self.behind {
            Behind::All => return Ok(None),
            Behind::Nothing => {
                sheet.write_record(HEADING).map_err(unwritten)?;
                None
            }
            Behind::Call(finished_at, entry_id) => Some((finished_at, entry_id)),
        };
        let rows = page(&self.pool, &self.filter, self.upto, behind).await?;
        let is_full = i64::try_from(rows.len())? == PAGE_CALLS;
        self.behind = match rows.last() {
            Some(last) if is_full => Behind::Call(last.finished_at, last.entry_id),
            _ => Behind::All,
        };
        for row in rows {
            write(&mut sheet, row.into()).map_err(unwritten)?;
        }
        sheet.into_inner().map(Some).map_err(|error| unwritten(error.into_error().into()))
    }
}

/// Lines end as the format says, and as every program reads them.
fn writer() -> Writer<Vec<u8>> {
    let mut builder = WriterBuilder::new();
    builder.terminator(Terminator::CRLF).quote_style(QuoteStyle::Necessary).from_writer(Vec::new())
}

/// Writing to memory cannot fail, and a record always has as many cells as the heading.
fn unwritten(error: csv::Error) -> Error {
    Error::impossible("entry", error)
}

fn write(sheet: &mut Writer<Vec<u8>>, call: Call) -> Result<(), csv::Error> {
    let usage = call.usage.as_ref();
    let cost = usage.and_then(|usage| usage.cost.as_ref());
    let price = words::price(&Price::from(&call.price));
    let cells: [String; HEADING.len()] = [
        text(call.call_id),
        text(call.account),
        text(call.key),
        text(call.operation),
        text(call.subject_kind),
        text(call.subject),
        call.units.to_string(),
        text(call.resumes.unwrap_or_default()),
        call.admitted_at,
        call.finished_at,
        text(call.ending),
        number(call.status),
        number(call.code),
        text(call.source),
        number(usage.and_then(|usage| usage.input)),
        number(usage.and_then(|usage| usage.output)),
        number(usage.map(|usage| usage.total)),
        cost.map(|cost| cost.amount.clone()).unwrap_or_default(),
        text(cost.map(|cost| cost.currency.clone()).unwrap_or_default()),
        price,
        text(call.group),
        call.ratio,
        call.book.to_string(),
        call.amount_nanos.to_string(),
        Nanos::new(call.amount_nanos).in_quota().to_string(),
        text(call.chat_id.unwrap_or_default()),
        text(call.conversation_id.unwrap_or_default()),
        text(call.execute_id.unwrap_or_default()),
        text(call.log_id.unwrap_or_default()),
        text(call.journal),
        call.seq.to_string(),
    ];
    sheet.write_record(cells)
}

/// A cell that is a text, which nobody runs: where it would be taken for a formula, an apostrophe stands
/// before it.
fn text(text: String) -> String {
    let is_run = text.trim_start().starts_with(RUN) || text.starts_with(['\t', '\r', '\n']);
    if is_run { format!("'{text}") } else { text }
}

fn number(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The next calls behind a place, oldest first.
async fn page(
    pool: &PgPool,
    filter: &Filter,
    upto: i64,
    behind: Option<(DateTime<Utc>, i64)>,
) -> Result<Vec<Row>, Error> {
    let (behind_at, behind_entry) = behind.unzip();
    let rows = sqlx::query_as!(
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
             AND entry_id <= $11
             AND ($12::timestamptz IS NULL OR (finished_at, entry_id) > ($12, $13::bigint))
           ORDER BY finished_at, entry_id LIMIT $14"#,
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
        upto,
        behind_at,
        behind_entry,
        PAGE_CALLS
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, want: &str) {
        assert_eq!(text(given.to_owned()), want);
    }

    #[test]
    fn a_text_that_would_be_run_is_not() {
        check("=1+1", "'=1+1");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check(" =1", "' =1");
        check("\t=1", "'\t=1");
        check("\rx", "'\rx");
        check("＝1", "'＝1");
        check("7480=1", "7480=1");
        check("", "");
    }

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_lines_end_with_both_characters() {
        let mut sheet = writer();
        sheet.write_record(["a\"b", "c,d", "e\nf", "g"]).unwrap();
        let written = String::from_utf8(sheet.into_inner().unwrap()).unwrap();
        assert_eq!(written, "\"a\"\"b\",\"c,d\",\"e\nf\",g\r\n");
    }
}
