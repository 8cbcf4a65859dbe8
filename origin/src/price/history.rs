//! The books that there were and are to be: who made each, when and why, and how it stands.

use chrono::{DateTime, Utc};
use meter::price::plan::Plan;
use meter::price_list::difference;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;
use crate::page::{Page, Span};

/// A book, without its prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BookRow {
    /// Its number.
    #[serde(rename = "version")]
    pub price_book_id: i32,
    /// When it comes into force.
    #[serde(serialize_with = "clock::serialize")]
    pub starts_at: DateTime<Utc>,
    /// Who made it.
    pub actor: String,
    /// What was changed, and why.
    pub reason: String,
    /// When it was made.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// `in_force`; `planned` for later; `past`; or `replaced` by a newer one with the same start.
    pub state: String,
}

/// A page of books, newest first.
pub async fn list(pool: &PgPool, span: &Span) -> Result<Page<BookRow>, Error> {
    let rows = sqlx::query_as!(
        BookRow,
        r#"SELECT price_book_id, starts_at, actor, reason, created_at,
                  CASE WHEN EXISTS (SELECT 1 FROM price_book newer
                                    WHERE newer.starts_at = book.starts_at
                                      AND newer.price_book_id > book.price_book_id)
                       THEN 'replaced'
                       WHEN starts_at > clock_timestamp() THEN 'planned'
                       WHEN price_book_id = (SELECT price_book_id FROM price_book
                                             WHERE starts_at <= clock_timestamp()
                                             ORDER BY starts_at DESC, price_book_id DESC LIMIT 1)
                       THEN 'in_force'
                       ELSE 'past' END AS "state!"
           FROM price_book book
           WHERE $1::bigint IS NULL OR price_book_id < $1
           ORDER BY price_book_id DESC LIMIT $2"#,
        span.behind_number()?,
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.price_book_id.to_string()))
}

/// A book that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedRow {
    /// Its number.
    pub version: u32,
    /// When it comes into force.
    #[serde(serialize_with = "clock::serialize")]
    pub starts_at: DateTime<Utc>,
    /// How many prices and ratios it changes in the one before it.
    pub changes: usize,
}

/// What is planned, by its start.
pub fn planned(plan: &Plan) -> Result<Vec<PlannedRow>, Error> {
    plan.ahead()
        .map(|(start, book)| {
            let changes = difference::between(plan.before(start), book).len();
            let starts_at = clock::timestamp(start)?;
            Ok(PlannedRow { version: book.version, starts_at, changes })
        })
        .collect()
}
