//! The open calls that came with a page: they replace those that the journal told before.

use chrono::{DateTime, Utc};
use meter::ids::JournalName;
use meter::time::UnixMs;
use meter::wire::explained::OpenDoc;
use meter::wire::pull::OPEN_LISTED_MAX;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::clock;
use crate::error::Error;

/// Keeps what a journal tells of its open calls, at most [`OPEN_LISTED_MAX`] of them. The caller holds
/// the lock of the journal's row.
pub(super) async fn replace(
    connection: &mut PgConnection,
    name: &JournalName,
    open: &[OpenDoc],
) -> Result<(), Error> {
    let open = open.get(..OPEN_LISTED_MAX).unwrap_or(open);
    let calls: Vec<String> = open.iter().map(|open| open.hold.call.clone()).collect();
    let accounts: Vec<String> = open.iter().map(|open| open.hold.account.clone()).collect();
    let admitted_at = open.iter().map(|open| UnixMs::new(open.hold.admitted_at_ms));
    let admitted_at: Vec<DateTime<Utc>> =
        admitted_at.map(clock::timestamp).collect::<Result<_, _>>()?;
    let documents: Vec<Json<&OpenDoc>> = open.iter().map(Json).collect();
    sqlx::query!(
        "DELETE FROM open_call WHERE journal_id = $1 AND call_id <> ALL($2)",
        name.as_str(),
        &calls
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO open_call (journal_id, call_id, account_id, admitted_at, document)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
         ON CONFLICT ON CONSTRAINT open_call_pkey DO UPDATE SET
             account_id = excluded.account_id, admitted_at = excluded.admitted_at,
             document = excluded.document
         WHERE open_call.document <> excluded.document",
        name.as_str(),
        &calls,
        &accounts,
        &admitted_at,
        &documents as &[Json<&OpenDoc>]
    )
    .execute(connection)
    .await?;
    Ok(())
}
