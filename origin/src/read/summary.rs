//! What was used and what it cost, by day and by subject.
//!
//! Sums come from the hourly rollups. Where the days of the asked time zone cut through hours of UTC,
//! they come from the entries themselves; the rollups are sums of the same rows, so both say the same.
//!
//! # Bounds
//! At most [`crate::read::days::DAYS_MAX`] days, and the [`SUBJECTS_MAX`] subjects that cost most.

use meter::money::Nanos;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::error::Error;
use crate::read::balance::{self, Balance};
use crate::read::days::Days;

/// Most subjects in one summary.
pub const SUBJECTS_MAX: usize = 100;

/// Sums over some calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sums {
    /// How many there were.
    pub calls: i64,
    /// How many of them were charged by their reading.
    pub settled: i64,
    /// How many were not, and were free.
    pub failed: i64,
    /// Tokens in, where known.
    pub input_tokens: i64,
    /// Tokens out, where known.
    pub output_tokens: i64,
    /// Tokens in total, where known.
    pub total_tokens: i64,
    /// What they cost.
    pub amount_nanos: i64,
    /// The same in quota.
    pub amount_quota: String,
    /// The same in points.
    pub amount_points: String,
    /// The same in units of the currency.
    pub amount_currency: String,
}

/// The sums of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DaySums {
    /// The day.
    pub day: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// The sums of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectSums {
    /// `bot` or `workflow`.
    pub subject_kind: String,
    /// Its id at upstream.
    pub subject: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: Sums,
}

/// A summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Summary {
    /// Whose; `None` for all accounts together.
    pub account: Option<String>,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The zone they are days in.
    pub tz: String,
    /// The sums of all of it.
    pub total: Sums,
    /// By day, days without calls included.
    pub days: Vec<DaySums>,
    /// By subject, the dearest first.
    pub subjects: Vec<SubjectSums>,
    /// The balance now, in whole tokens, rounded down.
    pub token_balance: i64,
    /// Whether more was spent than was credited, now.
    pub arrears: bool,
}

/// A group of the one query: a day (by its place) or a subject.
struct Row {
    day: Option<i32>,
    subject_kind: Option<String>,
    subject_id: Option<String>,
    calls: i64,
    settled: i64,
    failed: i64,
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
    amount_nanos: i64,
}

impl Row {
    fn sums(&self) -> Sums {
        let amount = Nanos::new(self.amount_nanos);
        Sums {
            calls: self.calls,
            settled: self.settled,
            failed: self.failed,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            total_tokens: self.total_tokens,
            amount_nanos: amount.get(),
            amount_quota: amount.in_quota().to_string(),
            amount_points: amount.in_points().to_string(),
            amount_currency: amount.in_currency().to_string(),
        }
    }

    const NONE: Self = Self {
        day: None,
        subject_kind: None,
        subject_id: None,
        calls: 0,
        settled: 0,
        failed: 0,
        input_tokens: 0,
        output_tokens: 0,
        total_tokens: 0,
        amount_nanos: 0,
    };
}

/// The summary of an account, or of all of them together, over these days.
pub async fn read(pool: &PgPool, account: Option<&str>, days: &Days) -> Result<Summary, Error> {
    let rows = if days.fit_hours() {
        from_rollups(pool, account, days).await?
    } else {
        from_entries(pool, account, days).await?
    };
    let mut total = Row::NONE.sums();
    let mut by_day = Vec::new();
    for (place, day) in days.dates().enumerate() {
        let place = i32::try_from(place)?.saturating_add(1);
        let row = rows.iter().find(|row| row.day == Some(place)).unwrap_or(&Row::NONE);
        by_day.push(DaySums { day: day.to_string(), sums: row.sums() });
    }
    let mut subjects = Vec::new();
    for row in rows {
        let sums = row.sums();
        match (row.subject_kind, row.subject_id) {
            (Some(subject_kind), Some(subject)) => {
                subjects.push(SubjectSums { subject_kind, subject, sums });
            }
            _ if row.day.is_none() => total = sums,
            _ => {}
        }
    }
    subjects.sort_by_key(|subject| std::cmp::Reverse(subject.sums.amount_nanos));
    subjects.truncate(SUBJECTS_MAX);
    let Balance { token_balance, arrears, .. } = balance::read(pool, account).await?;
    Ok(Summary {
        account: account.map(str::to_owned),
        from: days.first.to_string(),
        to: days.last.to_string(),
        tz: days.zone.to_string(),
        total,
        days: by_day,
        subjects,
        token_balance,
        arrears,
    })
}

async fn from_rollups(
    pool: &PgPool,
    account: Option<&str>,
    days: &Days,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT day, subject_kind AS "subject_kind?", subject_id AS "subject_id?",
                  coalesce(sum(calls), 0)::bigint AS "calls!",
                  coalesce(sum(settled), 0)::bigint AS "settled!",
                  coalesce(sum(failed), 0)::bigint AS "failed!",
                  coalesce(sum(input_tokens), 0)::bigint AS "input_tokens!",
                  coalesce(sum(output_tokens), 0)::bigint AS "output_tokens!",
                  coalesce(sum(total_tokens), 0)::bigint AS "total_tokens!",
                  coalesce(sum(amount_nanos), 0)::bigint AS "amount_nanos!"
           FROM rollup_hour, width_bucket(hour_at, $2::timestamptz[]) AS day
           WHERE ($1::text IS NULL OR account_id = $1)
             AND hour_at >= ($2::timestamptz[])[1]
             AND hour_at < ($2::timestamptz[])[array_upper($2::timestamptz[], 1)]
           GROUP BY GROUPING SETS ((), (day), (subject_kind, subject_id))"#,
        account,
        &days.edges
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

async fn from_entries(
    pool: &PgPool,
    account: Option<&str>,
    days: &Days,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT day, subject_kind AS "subject_kind?", subject_id AS "subject_id?",
                  count(*) AS "calls!",
                  count(*) FILTER (WHERE ending = 'settled') AS "settled!",
                  count(*) FILTER (WHERE ending <> 'settled') AS "failed!",
                  coalesce(sum(input_tokens), 0)::bigint AS "input_tokens!",
                  coalesce(sum(output_tokens), 0)::bigint AS "output_tokens!",
                  coalesce(sum(total_tokens), 0)::bigint AS "total_tokens!",
                  coalesce(sum(amount_nanos), 0)::bigint AS "amount_nanos!"
           FROM entry, width_bucket(finished_at, $2::timestamptz[]) AS day
           WHERE ($1::text IS NULL OR account_id = $1)
             AND finished_at >= ($2::timestamptz[])[1]
             AND finished_at < ($2::timestamptz[])[array_upper($2::timestamptz[], 1)]
           GROUP BY GROUPING SETS ((), (day), (subject_kind, subject_id))"#,
        account,
        &days.edges
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}
