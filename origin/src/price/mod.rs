//! Price books: read, changed into a new version, put in force.
//!
//! A book is never edited: a change reads the newest one, alters a copy and stores it under the next
//! number. The journals' rows are locked first, so that two changes at once become two versions, one
//! on top of the other.

pub mod act;
pub mod history;
pub mod schema;
pub mod words;

use std::collections::BTreeMap;

use meter::price::PriceBook;
use meter::wire::book::BookDoc;
use serde_json::json;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::error::Error;
use crate::journal;

/// A change that was asked for.
pub enum Changed {
    /// A new book, in force from now on.
    To(PriceBook),
    /// The newest book says that already.
    Nothing(PriceBook),
}

fn read(doc: &BookDoc) -> Result<PriceBook, Error> {
    doc.try_into().map_err(Error::unreadable("price_book"))
}

/// The newest book.
pub async fn newest(connection: &mut PgConnection) -> Result<PriceBook, Error> {
    let doc = sqlx::query_scalar!(
        r#"SELECT document AS "document: Json<BookDoc>" FROM price_book
           ORDER BY price_book_id DESC LIMIT 1"#
    )
    .fetch_one(connection)
    .await?;
    read(&doc)
}

/// One book, as it was stored.
pub async fn document(connection: &mut PgConnection, version: i32) -> Result<BookDoc, Error> {
    let doc = sqlx::query_scalar!(
        r#"SELECT document AS "document: Json<BookDoc>" FROM price_book WHERE price_book_id = $1"#,
        version
    )
    .fetch_optional(connection)
    .await?;
    doc.map(|doc| doc.0)
        .ok_or_else(|| Error::NotFound { what: "price book", name: version.to_string() })
}

/// The books with these versions, as far as they are known.
pub async fn books(
    connection: &mut PgConnection,
    versions: &[i64],
) -> Result<BTreeMap<u32, PriceBook>, Error> {
    let docs = sqlx::query_scalar!(
        r#"SELECT document AS "document: Json<BookDoc>" FROM price_book
           WHERE price_book_id = ANY($1)"#,
        versions as &[i64]
    )
    .fetch_all(connection)
    .await?;
    docs.iter().map(|doc| read(doc).map(|book| (book.version, book))).collect()
}

/// Makes a new book out of the newest one, in force at once in every journal.
pub async fn change(
    pool: &PgPool,
    actor: &Actor,
    reason: &str,
    change: impl FnOnce(&mut PriceBook),
) -> Result<Changed, Error> {
    let mut tx = Tx::begin(pool, "change_prices").await?;
    let changed = change_in(&mut tx, actor, reason, change).await?;
    tx.commit().await?;
    Ok(changed)
}

/// The same as part of a transaction.
pub async fn change_in(
    tx: &mut Tx,
    actor: &Actor,
    reason: &str,
    change: impl FnOnce(&mut PriceBook),
) -> Result<Changed, Error> {
    journal::lock_all(tx).await?;
    let before = newest(tx).await?;
    let mut book = before.clone();
    change(&mut book);
    if book == before {
        return Ok(Changed::Nothing(before));
    }
    book.version = before.version.checked_add(1).ok_or(meter::money::OutOfRange)?;
    let doc = BookDoc::from(&book);
    // What could not be read back is not stored: a book must not be too large or say one thing twice.
    PriceBook::try_from(&doc).map_err(|error| Error::invalid("price", error))?;
    sqlx::query!(
        "INSERT INTO price_book (price_book_id, document, actor, reason) VALUES ($1, $2, $3, $4)",
        i32::try_from(book.version)?,
        Json(&doc) as _,
        actor.name(),
        reason
    )
    .execute(&mut **tx)
    .await?;
    put_in_force(tx, None).await?;
    let version = book.version.to_string();
    audit::record(tx, actor, Act::PriceChange, &version, &json!({ "reason": reason })).await?;
    Ok(Changed::To(book))
}

/// Gives a journal, or each of them, the newest book that has started, unless it has it already.
pub async fn put_in_force(
    connection: &mut PgConnection,
    journal: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE journal SET revision = revision + 1, book_revision = revision + 1,
                            price_book_id = due.version
         FROM (SELECT max(price_book_id) AS version FROM price_book WHERE starts_at <= now()) AS due
         WHERE price_book_id < due.version AND ($1::text IS NULL OR journal_id = $1)",
        journal
    )
    .execute(connection)
    .await?;
    Ok(())
}
