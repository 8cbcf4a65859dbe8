//! What else the ledger knows of a call that is posted: what came before it, and what was noticed.

use meter::entry::Tail;
use meter::money::Nanos;
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;
use crate::ledger::stored::{Posted, hash};

use super::document::FindingTold;

/// Most findings about one call: each code once while it is open, and some that were closed.
const FINDINGS_MAX: i64 = 100;

/// The chain's tail before this entry; `None` when the entry before is not here.
pub(super) async fn tail_before(pool: &PgPool, posted: &Posted) -> Result<Option<Tail>, Error> {
    let seq = posted.entry.tail.seq.saturating_sub(1);
    if seq == 0 {
        return Ok(Some(Tail::START));
    }
    let before = sqlx::query!(
        "SELECT e.total_nanos, e.hash
         FROM posting p
         JOIN entry e ON e.entry_id = p.posting_id AND e.finished_at = p.finished_at
         WHERE p.journal_id = $1 AND p.epoch = $2 AND p.seq = $3",
        posted.journal,
        posted.epoch,
        i64::try_from(seq)?
    )
    .fetch_optional(pool)
    .await?;
    let tail =
        |total: i64, bytes: &[u8]| Ok(Tail { seq, total: Nanos::new(total), hash: hash(bytes)? });
    before.map(|row| tail(row.total_nanos, &row.hash)).transpose()
}

/// What was noticed about this call or its place, oldest first.
pub(super) async fn findings(pool: &PgPool, posted: &Posted) -> Result<Vec<FindingTold>, Error> {
    let rows = sqlx::query!(
        "SELECT finding_id, code, detail, state, found_at FROM finding
         WHERE call_id = $1 ORDER BY finding_id LIMIT $2",
        posted.entry.facts.call.as_str(),
        FINDINGS_MAX
    )
    .fetch_all(pool)
    .await?;
    let told = rows.into_iter().map(|row| FindingTold {
        finding_id: row.finding_id,
        code: row.code,
        detail: row.detail,
        state: row.state,
        found_at: clock::text(row.found_at),
    });
    Ok(told.collect())
}
