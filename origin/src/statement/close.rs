//! Closing months.
//!
//! # Correctness
//! - The journal's row is locked while a month is closed, as it is for whoever posts a page or gives a
//!   credit there. So what is in the ledger then is in the statement, and the rest comes after it.
//! - Months are closed in order, each once; a second attempt finds the month closed and leaves it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use meter::entry::Hash;
use meter::money::Nanos;
use meter::statement::{STATEMENT_BYTES_MAX, Statement};
use sqlx::{PgConnection, PgPool};

use crate::database::Tx;
use crate::error::Error;

use super::gather;
use super::month::Month;

/// Most months that are closed in one go: ten years.
pub const MONTHS_MAX: u32 = 120;

/// How far a statement reaches.
pub(super) struct Reach {
    pub(super) ends_at: DateTime<Utc>,
    pub(super) posted: i64,
    pub(super) credited: i64,
}

/// What the next statement of an account begins with.
struct Before {
    number: u32,
    reach: Reach,
    closing: Nanos,
    hash: Hash,
    /// The month to be closed next.
    month: Month,
}

/// What was closed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Closed {
    /// Whose.
    pub account: String,
    /// The months, oldest first; none when all were closed before.
    pub months: Vec<String>,
}

/// The account as a statement names it.
struct Holder {
    account_id: String,
    name: String,
    journal_id: String,
    time_zone: String,
    created_at: DateTime<Utc>,
}

/// Closes an account's months up to and with the one named, or the last one that is over.
pub async fn close(
    pool: &PgPool,
    account: &str,
    upto: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Closed, Error> {
    let holder = holder(pool, account).await?;
    let zone: Tz = holder.time_zone.parse().map_err(|_| {
        Error::impossible("account", format_args!("{account}: zone {}", holder.time_zone))
    })?;
    let last = match upto {
        Some(month) => Month::read(month, zone)?,
        None => Month::of(now, zone)?.previous()?,
    };
    if last.to > now {
        return Err(Error::invalid("month", format!("{last} is not over yet in {}", last.zone())));
    }
    let mut months = Vec::new();
    for _ in 0..MONTHS_MAX {
        match close_next(pool, &holder, zone, &last).await? {
            Some(month) => months.push(month.to_string()),
            None => break,
        }
    }
    Ok(Closed { account: holder.account_id, months })
}

async fn holder(pool: &PgPool, account: &str) -> Result<Holder, Error> {
    let holder = sqlx::query_as!(
        Holder,
        "SELECT account_id, name, journal_id, time_zone, created_at FROM account
         WHERE account_id = $1",
        account
    )
    .fetch_optional(pool)
    .await?;
    holder.ok_or_else(|| Error::NotFound { what: "account", name: account.to_owned() })
}

/// Closes the oldest month that is open, unless it is later than `last`.
async fn close_next(
    pool: &PgPool,
    holder: &Holder,
    zone: Tz,
    last: &Month,
) -> Result<Option<Month>, Error> {
    let mut tx = Tx::begin(pool, "close_month").await?;
    let pulled_at = lock(&mut tx, &holder.journal_id).await?;
    let before = before(&mut tx, holder, zone).await?;
    let month = before.month;
    if month.from > last.from {
        return Ok(None);
    }
    if pulled_at.is_none_or(|at| at < month.to) {
        return Err(Error::Conflict {
            field: "month",
            problem: format!(
                "{month} cannot be closed yet: journal {} was not pulled since it ended",
                holder.journal_id
            ),
        });
    }
    let reach = gather::reach(&mut tx, &month).await?;
    let statement = statement(&mut tx, holder, &before, &reach).await?;
    store(&mut tx, &statement, &reach).await?;
    tx.commit().await?;
    Ok(Some(month))
}

/// Locks the journal's row, as for posting, and says when it was pulled last.
async fn lock(
    connection: &mut PgConnection,
    journal: &str,
) -> Result<Option<DateTime<Utc>>, Error> {
    let pulled_at = sqlx::query_scalar!(
        "SELECT last_pull_at FROM journal WHERE journal_id = $1 FOR UPDATE",
        journal
    )
    .fetch_one(connection)
    .await?;
    Ok(pulled_at)
}

async fn before(connection: &mut PgConnection, holder: &Holder, zone: Tz) -> Result<Before, Error> {
    let row = sqlx::query!(
        "SELECT number, month, ends_at, posted_upto, credited_upto, closing_nanos, hash
         FROM statement WHERE account_id = $1 ORDER BY number DESC LIMIT 1",
        holder.account_id
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        // What finished before the first month, by another clock than ours, is late for it.
        let month = Month::of(holder.created_at, zone)?;
        let reach = Reach { ends_at: month.from, posted: 0, credited: 0 };
        return Ok(Before { number: 0, reach, closing: Nanos::ZERO, hash: Hash([0; 32]), month });
    };
    let hash = <[u8; 32]>::try_from(row.hash.as_slice());
    let hash = hash.map_err(|error| Error::impossible("statement", error))?;
    Ok(Before {
        number: u32::try_from(row.number)?,
        reach: Reach { ends_at: row.ends_at, posted: row.posted_upto, credited: row.credited_upto },
        closing: Nanos::new(row.closing_nanos),
        hash: Hash(hash),
        month: Month::read(&row.month, zone)?.next()?,
    })
}

async fn statement(
    connection: &mut PgConnection,
    holder: &Holder,
    before: &Before,
    reach: &Reach,
) -> Result<Statement, Error> {
    let month = &before.month;
    let account = &holder.account_id;
    let credits = gather::credits(&mut *connection, account, month, &before.reach, reach).await?;
    let (days, subjects) =
        gather::calls(&mut *connection, account, month, &before.reach, reach).await?;
    let (from, to) = gather::edges(month);
    let mut statement = Statement {
        account: account.parse().map_err(|error| Error::impossible("account", error))?,
        name: holder.name.clone(),
        number: before.number.saturating_add(1),
        month: month.to_string(),
        zone: month.zone().to_owned(),
        from,
        to,
        previous: before.hash,
        opening: before.closing,
        credits,
        days,
        subjects,
        closing: before.closing,
    };
    statement.close().map_err(|error| Error::impossible("entry", error))?;
    Ok(statement)
}

async fn store(
    connection: &mut PgConnection,
    statement: &Statement,
    reach: &Reach,
) -> Result<(), Error> {
    let (document, hash) = statement.to_text();
    if document.len() > STATEMENT_BYTES_MAX {
        let problem = format!("{} has more lines than a statement may", statement.month);
        return Err(Error::Conflict { field: "month", problem });
    }
    sqlx::query!(
        "INSERT INTO statement (account_id, number, month, ends_at, posted_upto, credited_upto,
                                closing_nanos, hash, document)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        statement.account.as_str(),
        i32::try_from(statement.number)?,
        statement.month,
        reach.ends_at,
        reach.posted,
        reach.credited,
        statement.closing.get(),
        hash.0.as_slice(),
        document
    )
    .execute(connection)
    .await?;
    Ok(())
}
