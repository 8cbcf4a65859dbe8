//! Statements: months that are closed, kept and handed out.
//!
//! The rule is [`meter::statement`]; here rows become its lines, and its text becomes a row or a page.
//! A statement is never made again: who asks for a closed month gets the document that was stored.

mod close;
mod gather;
pub mod html;
pub mod month;
pub mod verify;

use serde::Serialize;
use sqlx::PgPool;

use crate::error::Error;

pub use close::{Closed, MONTHS_MAX, close};

/// Most statements in one list: eight years of an account, or a month of a thousand.
pub const STATEMENTS_LISTED_MAX: i64 = 1_000;

/// Most accounts that are read at once to have their months closed.
pub const HOLDERS_MAX: i64 = 100_000;

/// A statement, without its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatementRow {
    /// Whose.
    #[serde(rename = "account")]
    pub account_id: String,
    /// The account's first is number one.
    pub number: i32,
    /// The month, as `2026-10`.
    pub month: String,
    /// The balance it closes with.
    pub closing_nanos: i64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// The next of those who get statements, behind this account; none when there is no other.
pub async fn holders(pool: &PgPool, behind: Option<&str>) -> Result<Vec<String>, Error> {
    let query = "SELECT account_id FROM account WHERE $1::text IS NULL OR account_id > $1
                 ORDER BY account_id LIMIT $2";
    Ok(sqlx::query_scalar(query).bind(behind).bind(HOLDERS_MAX).fetch_all(pool).await?)
}

/// The statements of one account or of all, the newest month first.
pub async fn list(pool: &PgPool, account: Option<&str>) -> Result<Vec<StatementRow>, Error> {
    let rows = sqlx::query_as!(
        StatementRow,
        r#"SELECT account_id, number, month, closing_nanos, encode(hash, 'hex') AS "hash!"
           FROM statement WHERE $1::text IS NULL OR account_id = $1
           ORDER BY month DESC, account_id LIMIT $2"#,
        account,
        STATEMENTS_LISTED_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// The written form of one closed month.
pub async fn text(pool: &PgPool, account: &str, month: &str) -> Result<String, Error> {
    let text = sqlx::query_scalar!(
        "SELECT document FROM statement WHERE account_id = $1 AND month = $2",
        account,
        month
    )
    .fetch_optional(pool)
    .await?;
    text.ok_or_else(|| Error::NotFound { what: "statement", name: format!("{account} {month}") })
}
