//! Price books: read, changed into a new version, put in force now or later.
//!
//! A book is never edited: a change reads the one in force when it is to count, alters a copy and stores it
//! under the next number, and carries on into the books that are planned for later (see
//! [`meter::price::plan`]). The journals' rows are locked first, so that two changes at once become two
//! versions, one on top of the other; whoever names the version that they looked at is told instead.

pub mod act;
pub mod file;
pub mod history;
pub mod plan;
pub mod propose;
pub mod schema;
pub mod start;
pub mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use meter::price::PriceBook;
use meter::price::bound::{self, TooLarge};
use meter::price::plan::{Dated, Plan, PlanError};
use meter::wire::book::{BOOK_BYTES_MAX, BookDoc};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::text;

/// From when a change counts, what it is on top of, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    /// From then on; at once when it is `None`.
    pub starts_at: Option<DateTime<Utc>>,
    /// Only if the book in force then is still this one.
    pub if_version: Option<u32>,
    /// For the history.
    pub reason: Option<String>,
}

/// A change that was asked for.
#[derive(Debug)]
pub enum Changed {
    /// A new book.
    To(PriceBook),
    /// The book says that already.
    Nothing(PriceBook),
}

/// What came of a change, and when it counts.
#[derive(Debug)]
pub struct Made {
    /// The book.
    pub changed: Changed,
    /// From when it is in force, if it is new.
    pub starts_at: DateTime<Utc>,
    /// The books that were made of those planned for later, with their starts.
    pub carried: Vec<(u32, DateTime<Utc>)>,
}

fn read(doc: &BookDoc) -> Result<PriceBook, Error> {
    doc.try_into().map_err(Error::unreadable("price_book"))
}

/// The book in force.
pub async fn in_force(connection: &mut PgConnection) -> Result<PriceBook, Error> {
    let doc = sqlx::query_scalar!(
        r#"SELECT document AS "document: Json<BookDoc>" FROM price_book
           WHERE starts_at <= clock_timestamp()
           ORDER BY starts_at DESC, price_book_id DESC LIMIT 1"#
    )
    .fetch_one(connection)
    .await?;
    read(&doc)
}

/// One book, as it was stored.
pub async fn document(connection: &mut PgConnection, version: i32) -> Result<BookDoc, Error> {
    dated(connection, version).await.map(|(_, doc)| doc)
}

/// The same, and when it starts.
pub async fn dated(
    connection: &mut PgConnection,
    version: i32,
) -> Result<(DateTime<Utc>, BookDoc), Error> {
    let row = sqlx::query!(
        r#"SELECT starts_at, document AS "document: Json<BookDoc>" FROM price_book
           WHERE price_book_id = $1"#,
        version
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| (row.starts_at, row.document.0))
        .ok_or_else(|| Error::NotFound { what: "price book", name: version.to_string() })
}

/// One book, as the rules know it.
pub async fn one(connection: &mut PgConnection, version: i32) -> Result<PriceBook, Error> {
    read(&document(connection, version).await?)
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

/// Makes a new book out of the one in force, in force at once in every journal.
pub async fn change(
    pool: &PgPool,
    actor: &Actor,
    reason: &str,
    change: impl FnOnce(&mut PriceBook),
) -> Result<Changed, Error> {
    let change = |_: &Plan, book: &mut PriceBook| {
        change(book);
        Ok(())
    };
    revise(pool, actor, reason, &When::default(), change).await.map(|made| made.changed)
}

/// Makes a new book out of the one that is in force when the change is to count, and brings the change
/// into those planned for later.
pub async fn revise(
    pool: &PgPool,
    actor: &Actor,
    reason: &str,
    when: &When,
    change: impl FnOnce(&Plan, &mut PriceBook) -> Result<(), Error>,
) -> Result<Made, Error> {
    let mut tx = Tx::begin(pool, "change_prices").await?;
    let made = revise_in(&mut tx, actor, reason, when, change).await?;
    tx.commit().await?;
    Ok(made)
}

/// The same as [`change`], as part of a transaction.
pub async fn change_in(
    tx: &mut Tx,
    actor: &Actor,
    reason: &str,
    change: impl FnOnce(&mut PriceBook),
) -> Result<Changed, Error> {
    let change = |_: &Plan, book: &mut PriceBook| {
        change(book);
        Ok(())
    };
    revise_in(tx, actor, reason, &When::default(), change).await.map(|made| made.changed)
}

async fn revise_in(
    tx: &mut Tx,
    actor: &Actor,
    reason: &str,
    when: &When,
    change: impl FnOnce(&Plan, &mut PriceBook) -> Result<(), Error>,
) -> Result<Made, Error> {
    let reason = with_why(reason, when)?;
    journal::lock_all(tx).await?;
    let plan::Now { plan, at } = plan::load(tx).await?;
    let starts_at = when.starts_at.unwrap_or(at);
    if starts_at < at {
        return Err(Error::invalid("from", "has passed: what was charged stays charged"));
    }
    let start = when.starts_at.map(clock::unix_ms);
    let before = plan.at(start);
    check_version(before, when.if_version)?;
    let mut book = before.clone();
    change(&plan, &mut book)?;
    let made = plan.revise(start, clock::unix_ms(at), book).map_err(|error| match error {
        PlanError::Full => Error::invalid("from", error),
        PlanError::OutOfRange(error) => error.into(),
    })?;
    let [changed, carried @ ..] = made.as_slice() else {
        return Ok(Made {
            changed: Changed::Nothing(before.clone()),
            starts_at,
            carried: Vec::new(),
        });
    };
    insert(tx, &changed.book, starts_at, actor, &reason).await?;
    let mut told = Vec::new();
    for Dated { starts_at, book } in carried {
        let starts_at = clock::timestamp(*starts_at)?;
        let reason = format!("{reason}: carried into what was planned for then");
        insert(tx, book, starts_at, actor, &reason).await?;
        told.push((book.version, starts_at));
    }
    plan::tell(tx, None).await?;
    let versions: Vec<u32> = told.iter().map(|(version, _)| *version).collect();
    let detail =
        json!({ "reason": reason, "starts_at": clock::text(starts_at), "carried": versions });
    let version = changed.book.version.to_string();
    audit::record(tx, actor, Act::PriceChange, &version, &detail).await?;
    Ok(Made { changed: Changed::To(changed.book.clone()), starts_at, carried: told })
}

/// What was done, and why somebody says that it was.
fn with_why(what: &str, when: &When) -> Result<String, Error> {
    let Some(why) = &when.reason else { return Ok(what.to_owned()) };
    text::check_reason(why)?;
    Ok(format!("{what} ({why})"))
}

/// Somebody who changes what they looked at does not undo what somebody else did meanwhile.
fn check_version(book: &PriceBook, if_version: Option<u32>) -> Result<(), Error> {
    match if_version {
        Some(version) if version != book.version => Err(Error::Conflict {
            field: "if_version",
            problem: format!(
                "is {version}, but the prices are those of book {} by now: see what changed between \
                 the two, and change that one",
                book.version
            ),
        }),
        _ => Ok(()),
    }
}

async fn insert(
    connection: &mut PgConnection,
    book: &PriceBook,
    starts_at: DateTime<Utc>,
    actor: &Actor,
    reason: &str,
) -> Result<(), Error> {
    bound::check(book).map_err(|error| too_large(&error, starts_at))?;
    let doc = BookDoc::from(book);
    // What could not be read back is not stored: a book must not say one thing twice.
    PriceBook::try_from(&doc).map_err(|error| Error::invalid("price", error))?;
    let bytes = serde_json::to_string(&doc);
    let bytes = bytes.map_err(|error| Error::Unprintable(error.to_string()))?.len();
    if bytes > BOOK_BYTES_MAX {
        let problem = format!("would make a book of {bytes} bytes, {BOOK_BYTES_MAX} are allowed");
        return Err(Error::invalid("price", problem));
    }
    let inserted = sqlx::query!(
        "INSERT INTO price_book (price_book_id, starts_at, document, actor, reason)
         VALUES ($1, $2, $3, $4, $5)",
        i32::try_from(book.version)?,
        starts_at,
        Json(&doc) as _,
        actor.name(),
        reason
    )
    .execute(connection)
    .await?;
    match inserted.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::impossible("price_book", "an insert wrote no row")),
    }
}

fn too_large(error: &TooLarge, starts_at: DateTime<Utc>) -> Error {
    let from = clock::text(starts_at);
    match error {
        TooLarge::Prices | TooLarge::Groups => Error::invalid("price", error),
        TooLarge::Amount(scope) | TooLarge::Charge(scope, None) => {
            Error::invalid("price", format!("of {} from {from} on: {error}", words::scope(scope)))
        }
        TooLarge::Charge(scope, Some(_)) => {
            Error::invalid("ratio", format!("on {} from {from} on: {error}", words::scope(scope)))
        }
    }
}
