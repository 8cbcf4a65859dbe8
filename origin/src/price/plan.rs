//! Which book is in force when, as the database has it, and what each journal is to be told of it.
//!
//! # Correctness
//! Whoever adds a book holds every journal's row, and reads the clock once it does; so books are added one
//! after the other, each knows all before it, and one that starts at once starts after them.

use chrono::{DateTime, Utc};
use meter::price::plan::{Dated, PLANNED_MAX, Plan};
use meter::wire::book::BookDoc;
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};

use crate::clock;
use crate::error::Error;

use super::read;

/// The plan, and the time it is of.
pub struct Now {
    /// The book in force, and those to come.
    pub plan: Plan,
    /// The database's time.
    pub at: DateTime<Utc>,
}

/// The plan as it stands.
pub async fn load(connection: &mut PgConnection) -> Result<Now, Error> {
    let row = sqlx::query!(
        r#"SELECT clock_timestamp() AS "at!", coalesce(max(price_book_id), 0) AS "newest!"
           FROM price_book"#
    )
    .fetch_one(&mut *connection)
    .await?;
    let in_force = sqlx::query_scalar!(
        r#"SELECT document AS "document: Json<BookDoc>" FROM price_book WHERE starts_at <= $1
           ORDER BY starts_at DESC, price_book_id DESC LIMIT 1"#,
        row.at
    )
    .fetch_one(&mut *connection)
    .await?;
    let ahead = sqlx::query!(
        r#"SELECT DISTINCT ON (starts_at) starts_at, document AS "document: Json<BookDoc>"
           FROM price_book WHERE starts_at > $1
           ORDER BY starts_at, price_book_id DESC LIMIT $2"#,
        row.at,
        i64::try_from(PLANNED_MAX)?.saturating_add(1)
    )
    .fetch_all(connection)
    .await?;
    let dated = |starts_at, doc: &BookDoc| -> Result<Dated, Error> {
        Ok(Dated { starts_at: clock::unix_ms(starts_at), book: read(doc)? })
    };
    let ahead = ahead.iter().map(|row| dated(row.starts_at, &row.document));
    let ahead = ahead.collect::<Result<Vec<_>, _>>()?;
    let plan = Plan::new(read(&in_force)?, ahead, u32::try_from(row.newest)?);
    Ok(Now { plan, at: row.at })
}

/// Gives a journal the book in force and the next one, unless it has them already.
pub async fn put_in_force(connection: &mut PgConnection, journal: &str) -> Result<(), Error> {
    // Almost every pull ends here, without a lock.
    let is_behind = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM journal,
                   (SELECT (SELECT price_book_id FROM price_book WHERE starts_at <= now()
                            ORDER BY starts_at DESC, price_book_id DESC LIMIT 1) AS version,
                           (SELECT price_book_id FROM price_book WHERE starts_at > now()
                            ORDER BY starts_at, price_book_id DESC LIMIT 1) AS next) AS due
               WHERE journal_id = $1
                 AND (journal.price_book_id, next_book_id)
                     IS DISTINCT FROM (due.version, due.next)) AS "is_behind!""#,
        journal
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_behind {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    // Only what is read once the row is locked sees the books that were added before.
    sqlx::query!("SELECT journal_id FROM journal WHERE journal_id = $1 FOR UPDATE", journal)
        .fetch_optional(&mut *tx)
        .await?;
    tell(&mut tx, Some(journal)).await?;
    tx.commit().await?;
    Ok(())
}

/// The same for a journal whose row is locked, or for all of them.
pub(super) async fn tell(
    connection: &mut PgConnection,
    journal: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        "WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at),
              due AS (SELECT (SELECT price_book_id FROM price_book, now WHERE starts_at <= at
                              ORDER BY starts_at DESC, price_book_id DESC LIMIT 1) AS version,
                             (SELECT price_book_id FROM price_book, now WHERE starts_at > at
                              ORDER BY starts_at, price_book_id DESC LIMIT 1) AS next)
         UPDATE journal SET revision = revision + 1, book_revision = revision + 1,
                            price_book_id = due.version, next_book_id = due.next
         FROM due
         WHERE (price_book_id, next_book_id) IS DISTINCT FROM (due.version, due.next)
           AND ($1::text IS NULL OR journal_id = $1)",
        journal
    )
    .execute(connection)
    .await?;
    Ok(())
}
