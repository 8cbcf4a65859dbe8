//! Sums built again from the entries: what stands is proved, or put right.
//!
//! Path: ledger → **backfill**. Rollups are what [`meter::ledger`] makes of an hour's entries, by the very
//! function that posting uses; a balance is the sum of an account's entries and of its credits.
//!
//! # Correctness
//! - An hour is looked at in one snapshot, so that a page that is posted meanwhile is in both sums or in
//!   neither. Nobody waits for it.
//! - Where something differs, the journals' rows are locked, as posting locks them, and the hour is built
//!   again before it is written. So it does no harm while pulls go on.
//! - An hour's correction and the place reached are one commit: stopped anywhere, it goes on from there.
//!   Doing it twice is doing it once.
//!
//! # Bounds
//! One hour of sums is in memory; at most [`LISTED_MAX`] differences are kept by name. One at a time, by
//! an advisory lock.

mod balances;
mod hours;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockGuard};
use sqlx::types::Json;
use sqlx::{Either, PgConnection, PgPool, Postgres};

use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::error::Error;

/// Most differences that are kept by name.
pub const LISTED_MAX: usize = 1_000;
/// How long after its beginning one is gone on with.
pub const RESUME_HOURS_MAX: i32 = 24;
/// Whoever has it builds.
const LOCK: &str = "weir backfill";

/// A number that is not the sum of what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Whose.
    pub account: String,
    /// In which hour, UTC; none for a balance.
    pub hour: Option<String>,
    /// Of what: operation, subject and key, or the balance.
    pub of: String,
    /// Which number.
    pub field: String,
    /// What stands.
    pub stands: i64,
    /// What its entries or credits add up to.
    pub should: i64,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Entries gone through.
    pub entries: i64,
    /// Entries there were when it began.
    pub total: i64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub differing: i64,
    /// Whether that is all.
    pub ended: bool,
}

/// A backfill that is under way.
pub struct Backfill {
    number: i64,
    is_check: bool,
    /// Its transactions take connections of their own; this one has the lock.
    _turn: PgAdvisoryLockGuard<PoolConnection<Postgres>>,
}

/// What a row says.
struct Row {
    progress: Progress,
    next_hour: Option<DateTime<Utc>>,
}

impl Backfill {
    /// Begins one, or goes on with one of the same kind that was stopped.
    pub async fn begin(pool: &PgPool, is_check: bool) -> Result<Self, Error> {
        let lock = PgAdvisoryLock::new(LOCK);
        let Either::Left(turn) = lock.try_acquire(pool.acquire().await?).await? else {
            let problem = "is under way in another process".to_owned();
            return Err(Error::Conflict { field: "backfill", problem });
        };
        let mut tx = Tx::begin(pool, "begin_backfill").await?;
        // One that was left too long ago would vouch for what it looked at then.
        sqlx::query!(
            "UPDATE backfill SET ended_at = now()
             WHERE is_check = $1 AND ended_at IS NULL
               AND began_at < now() - make_interval(hours => $2)",
            is_check,
            RESUME_HOURS_MAX
        )
        .execute(&mut *tx)
        .await?;
        let open = sqlx::query_scalar!(
            "SELECT backfill_id FROM backfill WHERE is_check = $1 AND ended_at IS NULL",
            is_check
        );
        let number = match open.fetch_optional(&mut *tx).await? {
            Some(number) => number,
            None => {
                sqlx::query_scalar!(
                    "INSERT INTO backfill (is_check, entries_total, next_hour_at)
                     VALUES ($1, (SELECT count(*) FROM posting), '1970-01-01T00:00:00Z')
                     RETURNING backfill_id",
                    is_check
                )
                .fetch_one(&mut *tx)
                .await?
            }
        };
        tx.commit().await?;
        Ok(Self { number, is_check, _turn: turn })
    }

    /// Goes through one more hour, or at last through the balances.
    pub async fn step(&self, pool: &PgPool, actor: &Actor) -> Result<Progress, Error> {
        let mut tx = Tx::begin(pool, "backfill").await?;
        // One snapshot for all that is read: a page is in both sums or in neither.
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        let Row { mut progress, next_hour } = self.read(&mut tx).await?;
        if progress.ended {
            return Ok(progress);
        }
        let hour = match next_hour {
            Some(at) => hours::next(&mut tx, at).await?,
            None => None,
        };
        let Some(hour) = hour else {
            tx.rollback().await?;
            return self.end(pool, progress, actor).await;
        };
        let looked = hours::look(&mut tx, hour).await?;
        progress.entries = progress.entries.saturating_add(looked.entries);
        if !looked.differ.is_empty() && !self.is_check {
            tx.rollback().await?;
            tx = Tx::begin(pool, "backfill").await?;
            lock_journals(&mut tx).await?;
            let again = hours::look(&mut tx, hour).await?;
            hours::put_right(&mut tx, &again.differ).await?;
            progress.found(again.differences()?)?;
        } else {
            progress.found(looked.differences()?)?;
        }
        self.keep(&mut tx, &progress, Some(hours::behind(hour)?)).await?;
        tx.commit().await?;
        Ok(progress)
    }

    /// The balances, and whether all of it is done.
    async fn end(
        &self,
        pool: &PgPool,
        mut progress: Progress,
        actor: &Actor,
    ) -> Result<Progress, Error> {
        let mut tx = Tx::begin(pool, "backfill_balances").await?;
        let mut differ = balances::look(&mut tx, &progress).await?;
        if !differ.is_empty() && !self.is_check {
            lock_journals(&mut tx).await?;
            differ = balances::look(&mut tx, &progress).await?;
            balances::put_right(&mut tx, &differ).await?;
        }
        progress.found(differ.iter().flat_map(balances::Differing::differences).collect())?;
        progress.ended = true;
        self.keep(&mut tx, &progress, None).await?;
        if !self.is_check && progress.differing > 0 {
            let detail = json!({
                "differing": progress.differing, "differences": progress.differences,
            });
            let subject = self.number.to_string();
            audit::record(&mut tx, actor, Act::BackfillRun, &subject, &detail).await?;
        }
        tx.commit().await?;
        Ok(progress)
    }

    async fn read(&self, connection: &mut PgConnection) -> Result<Row, Error> {
        let row = sqlx::query!(
            r#"SELECT entries_total, entries, next_hour_at,
                      differences AS "differences: Json<Vec<Difference>>", differing, ended_at
               FROM backfill WHERE backfill_id = $1"#,
            self.number
        )
        .fetch_one(connection)
        .await?;
        let progress = Progress {
            entries: row.entries,
            total: row.entries_total,
            differences: row.differences.0,
            differing: row.differing,
            ended: row.ended_at.is_some(),
        };
        Ok(Row { progress, next_hour: row.next_hour_at })
    }

    async fn keep(
        &self,
        connection: &mut PgConnection,
        progress: &Progress,
        next_hour: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE backfill SET entries = $2, next_hour_at = $3, differences = $4, differing = $5,
                                 ended_at = CASE WHEN $6 THEN now() END
             WHERE backfill_id = $1",
            self.number,
            progress.entries,
            next_hour,
            Json(&progress.differences) as _,
            progress.differing,
            progress.ended
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

impl Progress {
    fn found(&mut self, differences: Vec<Difference>) -> Result<(), Error> {
        let count = i64::try_from(differences.len())?;
        self.differing = self.differing.saturating_add(count);
        let room = LISTED_MAX.saturating_sub(self.differences.len());
        self.differences.extend(differences.into_iter().take(room));
        Ok(())
    }
}

/// As posting does, in the order of their names: until this commits, nothing is posted.
async fn lock_journals(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT journal_id FROM journal ORDER BY journal_id FOR UPDATE")
        .fetch_all(connection)
        .await?;
    Ok(())
}
