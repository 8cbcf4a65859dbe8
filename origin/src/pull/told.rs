//! Waiting until the edge has been told.
//!
//! A change takes a revision of its journal; the origin that serves hears of it, pulls at once, and the
//! edge answers how far it has applied what it was told. Whoever made the change, in whichever process,
//! can wait for that answer.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::error::Error;

/// The channel on which the database says that a journal's edge has applied more.
const CHANNEL: &str = "journal_applied";

/// Waits until the edge has applied this revision of a journal. Answers whether it has.
pub async fn until_applied(
    pool: &PgPool,
    journal_id: &str,
    revision: i64,
    patience: Duration,
) -> Result<bool, Error> {
    let waiting = async {
        let mut listener = PgListener::connect_with(pool).await?;
        // First listened, then looked: what happens in between is heard.
        listener.listen(CHANNEL).await?;
        while applied(pool, journal_id).await? < revision {
            // A connection that was lost is made anew, which is a reason to look, too.
            listener.try_recv().await?;
        }
        Ok(true)
    };
    tokio::time::timeout(patience, waiting).await.unwrap_or(Ok(false))
}

async fn applied(pool: &PgPool, journal_id: &str) -> Result<i64, Error> {
    let applied =
        sqlx::query_scalar!("SELECT applied FROM journal WHERE journal_id = $1", journal_id)
            .fetch_optional(pool)
            .await?;
    applied.ok_or_else(|| Error::NotFound { what: "journal", name: journal_id.to_owned() })
}
