//! The books that there were: who made each, when and why.

use chrono::{DateTime, Utc};
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
    /// What was changed.
    pub reason: String,
    /// When it was made.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

/// A page of books, newest first.
pub async fn list(pool: &PgPool, span: &Span) -> Result<Page<BookRow>, Error> {
    let rows = sqlx::query_as!(
        BookRow,
        "SELECT price_book_id, starts_at, actor, reason, created_at FROM price_book
         WHERE $1::bigint IS NULL OR price_book_id < $1
         ORDER BY price_book_id DESC LIMIT $2",
        span.behind_number()?,
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.price_book_id.to_string()))
}
