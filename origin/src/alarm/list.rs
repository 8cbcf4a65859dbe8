//! Alarms and what became of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;

/// Most deliveries in a list.
pub const LISTED_MAX: i64 = 200;

/// An alarm on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryRow {
    /// The alarm's number.
    pub alarm_id: i64,
    /// `finding` or `low_balance`.
    pub kind: String,
    /// The journal or the account that it is about.
    pub subject: String,
    /// When it was raised.
    #[serde(serialize_with = "clock::serialize")]
    pub raised_at: DateTime<Utc>,
    /// The webhook, by its name; null for an alarm that has none.
    pub webhook: Option<String>,
    /// `waiting`, `sent` or `given_up`.
    pub state: Option<String>,
    /// How often it was tried.
    pub attempts: Option<i32>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// The newest alarms, and their deliveries.
pub async fn list(pool: &PgPool) -> Result<Vec<DeliveryRow>, Error> {
    let rows = sqlx::query_as!(
        DeliveryRow,
        r#"SELECT a.alarm_id, a.kind, a.subject, a.raised_at, d.webhook AS "webhook?",
                  d.state AS "state?", d.attempts AS "attempts?", d.last_error
           FROM alarm a LEFT JOIN alarm_delivery d USING (alarm_id)
           ORDER BY a.alarm_id DESC, d.webhook LIMIT $1"#,
        LISTED_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// How many deliveries wait, and how many were given up.
pub async fn counts(pool: &PgPool) -> Result<(i64, i64), Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
                  count(*) FILTER (WHERE state = 'given_up') AS "given_up!"
           FROM alarm_delivery WHERE state <> 'sent'"#
    )
    .fetch_one(pool)
    .await?;
    Ok((row.waiting, row.given_up))
}
