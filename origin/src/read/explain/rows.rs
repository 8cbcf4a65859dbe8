//! What else the ledger knows of a call that is posted: what came before it, and what was noticed.

use meter::entry::Tail;
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;
use crate::ledger::chain::Chain;
use crate::ledger::stored::Posted;

use super::document::FindingTold;

/// Most findings about one call: each code once while it is open, and some that were closed.
const FINDINGS_MAX: i64 = 100;

/// The chain's tail before this entry; `None` when the entry before is not here.
pub(super) async fn tail_before(pool: &PgPool, posted: &Posted) -> Result<Option<Tail>, Error> {
    let seq = posted.entry.tail.seq;
    let journal = posted.journal.parse().map_err(|error| Error::impossible("posting", error))?;
    let mut connection = pool.acquire().await?;
    let chain = Chain::read(&mut connection, &journal, &posted.epoch, seq).await?;
    chain.tail_at(&mut connection, seq.saturating_sub(1)).await
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
