//! The pull: entries come up, changes go down.
//!
//! Path: the edge's journal → **pull** → ledger. One [`attempt`] asks a journal for one page behind the
//! cursor, tells it what changed, and posts what came. It can be cut off anywhere: what was not
//! committed did not happen, and the next attempt asks for the same page again.
//!
//! # Correctness
//! An advisory lock decides which of several origins pulls a journal, so that they do not do the same
//! work twice. Nothing rests on it: two that did pull at once would meet at the journal's row.

pub mod accept;
pub mod changes;
pub mod edge;
pub mod run;
pub mod to_end;
pub mod told;

use meter::ids::JournalName;
use meter::reconcile::Finding;
use meter::time::UnixMs;
use meter::wire::pull::{PAGE_ENTRIES_MAX, PULL_VERSION, PullRequest};
use sqlx::postgres::PgAdvisoryLock;
use sqlx::{Either, PgPool};
use tracing::{error, info};

use crate::account::zone;
use crate::bill::waiting;
use crate::clock;
use crate::error::Error;
use crate::journal::{self, Journal};
use crate::key::rotate;
use crate::ledger::post::{self, Posted};
use crate::price::plan;

use edge::{Edge, PullError, Pulled};

/// Characters of an error that are kept for health to show.
const ERROR_CHARS_MAX: usize = 500;

/// What one attempt came to.
#[derive(Debug)]
pub enum Attempt {
    /// Everything there is was posted and told.
    UpToDate,
    /// A page was posted or changes were told, and more is waiting.
    More,
    /// The journal's page may not be posted.
    Stopped(Finding),
    /// Another origin is pulling this journal.
    Elsewhere,
}

/// Pulls one page of a journal and posts it. A failure is also kept in the journal's row.
pub async fn attempt(pool: &PgPool, edge: &Edge, name: &JournalName) -> Result<Attempt, PullError> {
    let tried = attempt_locked(pool, edge, name).await;
    if let Err(error) = &tried {
        error!(journal = name.as_str(), %error, "a pull failed");
        note_error(pool, name, &error.to_string()).await;
    }
    tried
}

async fn attempt_locked(
    pool: &PgPool,
    edge: &Edge,
    name: &JournalName,
) -> Result<Attempt, PullError> {
    let lock = PgAdvisoryLock::new(format!("weir pull {name}"));
    let connection = pool.acquire().await.map_err(Error::from)?;
    // Dropped at any point, the guard gives the lock back before its connection is used again.
    let guard = match lock.try_acquire(connection).await.map_err(Error::from)? {
        Either::Left(guard) => guard,
        Either::Right(_) => return Ok(Attempt::Elsewhere),
    };
    let outcome = pull_and_post(pool, edge, name).await;
    guard.release_now().await.map_err(Error::from)?;
    outcome
}

async fn pull_and_post(
    pool: &PgPool,
    edge: &Edge,
    name: &JournalName,
) -> Result<Attempt, PullError> {
    let now = clock::now();
    let (journal, request) = prepare(pool, name, now).await?;
    let Pulled { page, said } = edge.pull_page(name, &request, now).await?;
    let applied = said.applied;
    let posted = post::page(pool, name, &journal.cursor, page, &said, now).await?;
    Ok(match posted {
        Posted::Stopped(finding) => Attempt::Stopped(finding),
        Posted::Overtaken => Attempt::More,
        Posted::Entries { count, more } => {
            if count > 0 {
                info!(journal = name.as_str(), entries = count, "posted a page");
            }
            // Only what moved something is followed up at once, so that a journal which stands still
            // is not asked without pause.
            let go_on = (more && count > 0) || told_in_part(&journal, &request, applied);
            if go_on { Attempt::More } else { Attempt::UpToDate }
        }
    })
}

/// Whether the changes sent were applied, and there are others behind them.
fn told_in_part(journal: &Journal, request: &PullRequest, applied: u64) -> bool {
    let revision = u64::try_from(journal.revision).unwrap_or_default();
    let Some(changes) = &request.changes else { return false };
    changes.upto < revision && applied >= changes.upto
}

/// Where the journal stands, and what to ask and tell it.
async fn prepare(
    pool: &PgPool,
    name: &JournalName,
    now: UnixMs,
) -> Result<(Journal, PullRequest), Error> {
    let mut connection = pool.acquire().await?;
    plan::put_in_force(&mut connection, name.as_str()).await?;
    zone::look_again(&mut connection, name, clock::timestamp(now)?).await?;
    rotate::end_replaced(&mut connection, name, clock::timestamp(now)?).await?;
    let journal = journal::read(&mut connection, name).await?;
    let changes = changes::read(&mut connection, &journal).await?;
    // While it is stopped nothing is acknowledged: its entries may be others than those that were posted
    // under the same numbers, and are not to be cleared up before somebody has decided.
    let acknowledged = journal.cursor.epoch.as_ref().filter(|_| journal.stopped_by.is_none());
    let request = PullRequest {
        v: PULL_VERSION,
        epoch: acknowledged.map(ToString::to_string),
        ack: journal.cursor.tail.seq,
        limit: PAGE_ENTRIES_MAX,
        changes,
        billed: waiting::calls(&mut connection, name, now).await?,
    };
    Ok((journal, request))
}

/// As much of an error as is kept.
fn cut(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}

/// Keeps the error where health looks for it. When the database itself is away, the log has it.
async fn note_error(pool: &PgPool, name: &JournalName, error: &str) {
    let text = cut(error);
    let noted = sqlx::query!(
        "UPDATE journal SET last_error = $2, last_error_at = now() WHERE journal_id = $1",
        name.as_str(),
        text
    )
    .execute(pool)
    .await;
    if let Err(error) = noted {
        error!(journal = name.as_str(), %error, "the failed pull could not be noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_up_to_its_bound() {
        let kept = |chars: usize| cut(&"错".repeat(chars)).chars().count();
        assert_eq!(
            (kept(ERROR_CHARS_MAX), kept(ERROR_CHARS_MAX + 1)),
            (ERROR_CHARS_MAX, ERROR_CHARS_MAX)
        );
    }
}
