//! Calls that were open when their journal's store was lost.
//!
//! Their holds are gone with it, so they end in no entry. They are kept by name, for whoever decides
//! about the journal: upstream may have charged for them.

use meter::ids::JournalName;
use meter::time::UnixMs;
use meter::wire::explained::OpenDoc;
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;

/// Keeps the calls that were open when the journal was last heard of and are not among those that it has
/// open now. The caller holds the lock of the journal's row.
pub(super) async fn keep(
    connection: &mut PgConnection,
    name: &JournalName,
    open_now: &[OpenDoc],
    now: UnixMs,
) -> Result<(), Error> {
    let still: Vec<String> = open_now.iter().map(|open| open.hold.call.clone()).collect();
    sqlx::query!(
        "INSERT INTO lost_call (call_id, journal_id, account_id, admitted_at, document, lost_at)
         SELECT call_id, journal_id, account_id, admitted_at, document, $3 FROM open_call
         WHERE journal_id = $1 AND call_id <> ALL($2)
         ON CONFLICT ON CONSTRAINT lost_call_pkey DO NOTHING",
        name.as_str(),
        &still,
        clock::timestamp(now)?
    )
    .execute(connection)
    .await?;
    Ok(())
}
