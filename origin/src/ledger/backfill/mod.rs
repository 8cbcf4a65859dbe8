//! Sums built again from the entries: what stands is proved, or put right.
//!
//! Path: ledger → **backfill**. Rollups of an hour are what [`meter::ledger`] makes of its entries, by the very
//! function that posting uses; those of a day are its hours together; a balance is the sum of an account's
//! entries and of its credits.
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
//! One day of sums is in memory; at most [`LISTED_MAX`] differences are kept by name. One at a time, by
//! an advisory lock.

mod balances;
mod sums;

use std::collections::BTreeSet;

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
    /// Whose; `-` for a journal's.
    pub account: String,
    /// In which hour or day, UTC; none for a balance.
    pub hour: Option<String>,
    /// Of what: an hour or a day of an operation, a subject and a key; of a journal; or the balance.
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

/// Where it is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The first hour that is not done.
    next_hour: DateTime<Utc>,
    /// The day whose hours are under way, and whose own sums come after them.
    day: Option<DateTime<Utc>>,
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

    /// Goes through one more hour or day, or at last through the balances.
    pub async fn step(&self, pool: &PgPool, actor: &Actor) -> Result<Progress, Error> {
        let mut tx = Tx::begin(pool, "backfill").await?;
        // One snapshot for all that is read: a page is in both sums or in neither.
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await?;
        let (mut progress, place) = self.read(&mut tx).await?;
        if progress.ended {
            return Ok(progress);
        }
        let hour = sums::next(&mut tx, place.next_hour).await?;
        let in_day = hour.map(sums::day).transpose()?;
        match (place.day, hour) {
            (Some(day), _) if in_day != Some(day) => {
                let place = Place { day: None, ..place };
                self.day(pool, tx, &mut progress, day, place).await?;
            }
            (_, Some(hour)) => {
                let place = Place { next_hour: sums::behind(hour)?, day: in_day };
                self.hour(pool, tx, &mut progress, hour, place).await?;
            }
            (_, None) => {
                tx.rollback().await?;
                self.balances(pool, &mut progress, place, actor).await?;
            }
        }
        Ok(progress)
    }

    async fn hour(
        &self,
        pool: &PgPool,
        mut tx: Tx,
        progress: &mut Progress,
        hour: DateTime<Utc>,
        place: Place,
    ) -> Result<(), Error> {
        let mut looked = sums::look_at_hour(&mut tx, hour).await?;
        progress.entries = progress.entries.saturating_add(looked.entries);
        if !looked.is_right() && !self.is_check {
            tx = locked_instead(pool, tx).await?;
            looked = sums::look_at_hour(&mut tx, hour).await?;
            looked.put_right(&mut tx).await?;
        }
        progress.found(looked.differences()?)?;
        self.keep(&mut tx, progress, place).await?;
        tx.commit().await
    }

    async fn day(
        &self,
        pool: &PgPool,
        mut tx: Tx,
        progress: &mut Progress,
        day: DateTime<Utc>,
        place: Place,
    ) -> Result<(), Error> {
        // Where nothing was put right, hours that were found to be wrong still are.
        let found: BTreeSet<String> =
            progress.differences.iter().filter_map(|found| found.hour.clone()).collect();
        let are_more = usize::try_from(progress.differing).is_ok_and(|count| count > LISTED_MAX);
        let is_wrong = |hour: &str| self.is_check && (are_more || found.contains(hour));
        let mut looked = sums::look_at_day(&mut tx, day, is_wrong).await?;
        if !looked.is_right() && !self.is_check {
            tx = locked_instead(pool, tx).await?;
            looked = sums::look_at_day(&mut tx, day, |_| false).await?;
            looked.put_right(&mut tx).await?;
        }
        progress.found(looked.differences()?)?;
        self.keep(&mut tx, progress, place).await?;
        tx.commit().await
    }

    async fn balances(
        &self,
        pool: &PgPool,
        progress: &mut Progress,
        place: Place,
        actor: &Actor,
    ) -> Result<(), Error> {
        let mut tx = Tx::begin(pool, "backfill_balances").await?;
        let mut differ = balances::look(&mut tx, progress).await?;
        if !differ.is_empty() && !self.is_check {
            lock_journals(&mut tx).await?;
            differ = balances::look(&mut tx, progress).await?;
            balances::put_right(&mut tx, &differ).await?;
        }
        progress.found(differ.iter().flat_map(balances::Differing::differences).collect())?;
        progress.ended = true;
        self.keep(&mut tx, progress, place).await?;
        if !self.is_check && progress.differing > 0 {
            let detail = json!({
                "differing": progress.differing, "differences": progress.differences,
            });
            let subject = self.number.to_string();
            audit::record(&mut tx, actor, Act::BackfillRun, &subject, &detail).await?;
        }
        tx.commit().await
    }

    async fn read(&self, connection: &mut PgConnection) -> Result<(Progress, Place), Error> {
        let row = sqlx::query!(
            r#"SELECT entries_total, entries, next_hour_at, day_at,
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
        Ok((progress, Place { next_hour: row.next_hour_at, day: row.day_at }))
    }

    async fn keep(
        &self,
        connection: &mut PgConnection,
        progress: &Progress,
        place: Place,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE backfill SET entries = $2, next_hour_at = $3, day_at = $4, differences = $5,
                                 differing = $6, ended_at = CASE WHEN $7 THEN now() END
             WHERE backfill_id = $1",
            self.number,
            progress.entries,
            place.next_hour,
            place.day,
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

/// A transaction in place of one that only looked, in which nothing is posted until it ends.
async fn locked_instead(pool: &PgPool, looked: Tx) -> Result<Tx, Error> {
    looked.rollback().await?;
    let mut tx = Tx::begin(pool, "backfill").await?;
    lock_journals(&mut tx).await?;
    Ok(tx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_differences_are_kept_by_name_and_all_are_counted() {
        let difference = Difference {
            account: "acc_1".to_owned(),
            hour: None,
            of: "balance".to_owned(),
            field: "spent_nanos".to_owned(),
            stands: 1,
            should: 2,
        };
        let mut progress =
            Progress { entries: 0, total: 0, differences: Vec::new(), differing: 0, ended: false };
        progress.found(vec![difference.clone(); LISTED_MAX]).unwrap();
        assert_eq!(progress.differences.len(), LISTED_MAX);
        progress.found(vec![difference]).unwrap();
        assert_eq!(progress.differences.len(), LISTED_MAX);
        assert_eq!(progress.differing, i64::try_from(LISTED_MAX).unwrap() + 1);
    }
}
