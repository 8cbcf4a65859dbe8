//! One day of the books: what there was, what came, what went, what is left.

use chrono::{DateTime, Utc};
use meter::money::Nanos;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::database;
use crate::error::Error;

use super::days::Days;
use super::summary::{self, Grouping, Question, Summary};

/// Credits of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditSums {
    /// `grant`, `top_up`, `refund` or `adjustment`.
    pub kind: String,
    /// How many there were.
    pub credits: i64,
    /// Their sum.
    pub amount_nanos: i64,
}

/// What reconciling noticed that day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Found {
    /// The finding's code.
    pub code: String,
    /// How many there were.
    pub findings: i64,
    /// How many of them are still open.
    pub open: i64,
}

/// A day of the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Daily {
    /// The day.
    pub date: String,
    /// Whether every journal was pulled since the day ended. Until then calls of that day may still come.
    pub complete: bool,
    /// What all had when it began.
    pub opening_nanos: i64,
    /// What was credited.
    pub credits_nanos: i64,
    /// What calls cost.
    pub spent_nanos: i64,
    /// What is left: the opening with credits and without calls.
    pub closing_nanos: i64,
    /// The same in quota.
    pub opening_quota: String,
    /// The same in quota.
    pub credits_quota: String,
    /// The same in quota.
    pub spent_quota: String,
    /// The same in quota.
    pub closing_quota: String,
    /// The credits, by kind.
    pub credits: Vec<CreditSums>,
    /// What reconciling noticed.
    pub findings: Vec<Found>,
    /// The calls: in total, by account, subject and operation.
    pub summary: Summary,
}

/// The report of the one day that `days` are, about an account or about all.
pub async fn read(
    pool: &PgPool,
    account: Option<&str>,
    days: &Days,
    top: i64,
) -> Result<Daily, Error> {
    let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) else {
        return Err(Error::invalid("date", "is not a day"));
    };
    let (from, to) = (*from, *to);
    let mut tx = database::snapshot(pool).await?;
    let by = vec![Grouping::Account, Grouping::Subject, Grouping::Operation];
    let question = Question { by, top, ..Question::of(account.map(str::to_owned)) };
    let summary = summary::read_from(&mut tx, &question, days).await?;
    let credited = credited_before(&mut tx, account, from).await?;
    let spent = summary::spent_before(&mut tx, &question.filter, from).await?;
    let credits = credits(&mut tx, account, from, to).await?;
    let findings = findings(&mut tx, account, from, to).await?;
    let complete = is_complete(&mut tx, account, to).await?;
    tx.commit().await?;
    let opening = credited.minus(spent)?;
    let given = credits
        .iter()
        .try_fold(Nanos::ZERO, |sum, credit| sum.plus(Nanos::new(credit.amount_nanos)))?;
    let spent = Nanos::new(summary.total.amount_nanos);
    let closing = opening.plus(given)?.minus(spent)?;
    let quota = |nanos: Nanos| nanos.in_quota().to_string();
    Ok(Daily {
        date: days.first.to_string(),
        complete,
        opening_nanos: opening.get(),
        credits_nanos: given.get(),
        spent_nanos: spent.get(),
        closing_nanos: closing.get(),
        opening_quota: quota(opening),
        credits_quota: quota(given),
        spent_quota: quota(spent),
        closing_quota: quota(closing),
        credits,
        findings,
        summary,
    })
}

async fn credited_before(
    connection: &mut PgConnection,
    account: Option<&str>,
    time: DateTime<Utc>,
) -> Result<Nanos, Error> {
    let sum = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_nanos), 0)::bigint AS "sum!" FROM credit
           WHERE created_at < $2 AND ($1::text IS NULL OR account_id = $1)"#,
        account,
        time
    )
    .fetch_one(connection)
    .await?;
    Ok(Nanos::new(sum))
}

async fn credits(
    connection: &mut PgConnection,
    account: Option<&str>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<CreditSums>, Error> {
    let rows = sqlx::query_as!(
        CreditSums,
        r#"SELECT kind, count(*) AS "credits!", sum(amount_nanos)::bigint AS "amount_nanos!"
           FROM credit
           WHERE created_at >= $2 AND created_at < $3 AND ($1::text IS NULL OR account_id = $1)
           GROUP BY kind ORDER BY kind"#,
        account,
        from,
        to
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// The findings of the day; of an account those about its calls.
async fn findings(
    connection: &mut PgConnection,
    account: Option<&str>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Found>, Error> {
    let rows = sqlx::query_as!(
        Found,
        r#"SELECT code, count(*) AS "findings!", count(*) FILTER (WHERE state = 'open') AS "open!"
           FROM finding
           WHERE found_at >= $2 AND found_at < $3 AND ($1::text IS NULL OR EXISTS (
               SELECT FROM posting p WHERE p.call_id = finding.call_id AND p.account_id = $1))
           GROUP BY code ORDER BY code"#,
        account,
        from,
        to
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

async fn is_complete(
    connection: &mut PgConnection,
    account: Option<&str>,
    end: DateTime<Utc>,
) -> Result<bool, Error> {
    let complete = sqlx::query_scalar!(
        r#"SELECT coalesce(bool_and(last_pull_at >= $2 AND head_seq <= cursor_seq), true) AS "complete!"
           FROM (SELECT coalesce(last_pull_at, '-infinity') AS last_pull_at, head_seq, cursor_seq
                 FROM journal
                 WHERE $1::text IS NULL
                    OR journal_id = (SELECT a.journal_id FROM account a WHERE a.account_id = $1)
           ) AS its"#,
        account,
        end
    )
    .fetch_one(connection)
    .await?;
    Ok(complete)
}
