//! The calls that the bill names and the books do not know yet, for the pull to ask about.
//!
//! # Bounds
//! At most [`OPEN_UNNAMED_MAX`] in one pull: those that are looked at next. Each look at one that is still
//! nowhere puts it behind the others, so all have their turn.

use meter::ids::JournalName;
use meter::time::UnixMs;
use meter::wire::pull::OPEN_UNNAMED_MAX;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;

/// How old a call's last record is before its journal is asked about it, in milliseconds. By then nearly
/// every call's own reply has been read and pulled, and there is nothing to ask.
pub const ASKED_AFTER_MS: u64 = 5_000;

/// The calls of a journal's accounts that the bill waits for.
pub async fn calls(
    connection: &mut PgConnection,
    journal: &JournalName,
    now: UnixMs,
) -> Result<Vec<String>, Error> {
    let billed_by = UnixMs::new(now.get().saturating_sub(ASKED_AFTER_MS));
    let calls = sqlx::query_scalar!(
        "SELECT b.call_id FROM bill_call b JOIN account a ON a.account_id = b.account_id
         WHERE b.state = 'waiting' AND a.journal_id = $1 AND b.billed_at <= $2
           AND NOT EXISTS (SELECT FROM posting p WHERE p.call_id = b.call_id)
         ORDER BY b.look_at, b.call_id LIMIT $3",
        journal.as_str(),
        clock::timestamp(billed_by)?,
        i64::try_from(OPEN_UNNAMED_MAX)?
    )
    .fetch_all(connection)
    .await?;
    Ok(calls)
}
