//! A journal's row: where its cursor stands, and its count of changes.
//!
//! # Order of locks
//! Whoever writes money or changes what the edge must know locks the journal's row before anything
//! else; whoever needs several takes them in the order of their names. So no two writers wait for
//! each other, and within one journal revisions are committed in the order of their numbers.

use meter::entry::{Hash, Tail};
use meter::ids::{Epoch, JournalName};
use meter::money::Nanos;
use meter::reconcile::Cursor;
use sqlx::{PgConnection, PgPool};

use crate::error::Error;

/// Most journals of one installation.
pub const JOURNALS_MAX: i64 = 1_000;

/// How far a journal is posted and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// Its name.
    pub name: JournalName,
    /// The last entry posted.
    pub cursor: Cursor,
    /// How many changes were made here.
    pub revision: i64,
    /// How many of them the edge has.
    pub applied: i64,
    /// The price book it is to use, and the revision at which that was decided.
    pub book: i32,
    /// See `book`.
    pub book_revision: i64,
    /// The price book that follows, and was told of together with it.
    pub next_book: Option<i32>,
    /// The epoch that the edge named last.
    pub seen_epoch: Option<String>,
    /// Under which name its entries are posted; `None` while that is the epoch itself.
    pub posted_as: Option<Epoch>,
    /// The code of the finding that keeps its pages from being posted.
    pub stopped_by: Option<String>,
}

impl Journal {
    /// Under which name entries of this epoch are posted.
    pub fn posted_as(&self, epoch: &Epoch) -> Epoch {
        let is_ours = self.cursor.epoch.as_ref() == Some(epoch);
        let named = self.posted_as.as_ref().filter(|_| is_ours);
        named.unwrap_or(epoch).clone()
    }
}

/// A row as it stands, before it is believed.
struct Row {
    journal_id: String,
    epoch: Option<String>,
    cursor_seq: i64,
    cursor_total_nanos: i64,
    cursor_hash: Vec<u8>,
    revision: i64,
    applied: i64,
    price_book_id: i32,
    book_revision: i64,
    next_book_id: Option<i32>,
    seen_epoch: Option<String>,
    posted_as: Option<String>,
    stopped_by: Option<String>,
}

impl TryFrom<Row> for Journal {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let impossible = |problem: &dyn std::fmt::Display| {
            Error::impossible("journal", format_args!("{}: {problem}", row.journal_id))
        };
        let hash = <[u8; 32]>::try_from(row.cursor_hash.as_slice());
        let tail = Tail {
            seq: u64::try_from(row.cursor_seq).map_err(|error| impossible(&error))?,
            total: Nanos::new(row.cursor_total_nanos),
            hash: Hash(hash.map_err(|error| impossible(&error))?),
        };
        let epoch = row.epoch.as_deref().map(str::parse).transpose();
        let posted_as = row.posted_as.as_deref().map(str::parse).transpose();
        Ok(Self {
            name: row.journal_id.parse().map_err(|error| impossible(&error))?,
            cursor: Cursor { epoch: epoch.map_err(|error| impossible(&error))?, tail },
            revision: row.revision,
            applied: row.applied,
            book: row.price_book_id,
            book_revision: row.book_revision,
            next_book: row.next_book_id,
            seen_epoch: row.seen_epoch,
            posted_as: posted_as.map_err(|error| impossible(&error))?,
            stopped_by: row.stopped_by,
        })
    }
}

fn missing(name: &str) -> Error {
    Error::NotFound { what: "journal", name: name.to_owned() }
}

/// The names of all journals that are at an edge.
pub async fn names(pool: &PgPool) -> Result<Vec<JournalName>, Error> {
    let rows = sqlx::query_scalar!(
        "SELECT journal_id FROM journal WHERE NOT scratch ORDER BY journal_id LIMIT $1",
        JOURNALS_MAX
    )
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|name| name.parse().map_err(|error| Error::impossible("journal", error)))
        .collect()
}

/// The row, unlocked.
pub async fn read(connection: &mut PgConnection, name: &JournalName) -> Result<Journal, Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT journal_id, epoch, cursor_seq, cursor_total_nanos, cursor_hash, revision, applied,
                price_book_id, book_revision, next_book_id, seen_epoch, posted_as, stopped_by
         FROM journal WHERE journal_id = $1",
        name.as_str()
    )
    .fetch_optional(connection)
    .await?;
    row.ok_or_else(|| missing(name.as_str()))?.try_into()
}

/// The row, locked until the transaction ends.
pub async fn lock(connection: &mut PgConnection, name: &JournalName) -> Result<Journal, Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT journal_id, epoch, cursor_seq, cursor_total_nanos, cursor_hash, revision, applied,
                price_book_id, book_revision, next_book_id, seen_epoch, posted_as, stopped_by
         FROM journal WHERE journal_id = $1 FOR UPDATE",
        name.as_str()
    )
    .fetch_optional(connection)
    .await?;
    row.ok_or_else(|| missing(name.as_str()))?.try_into()
}

/// Locks every journal's row until the transaction ends, in the order of their names.
pub async fn lock_all(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT journal_id FROM journal ORDER BY journal_id FOR UPDATE")
        .fetch_all(connection)
        .await?;
    Ok(())
}

/// How many accounts each journal has.
pub async fn loads(connection: &mut PgConnection) -> Result<Vec<(String, i64)>, Error> {
    let rows = sqlx::query!(
        r#"SELECT j.journal_id, count(a.account_id) AS "accounts!"
           FROM journal j LEFT JOIN account a USING (journal_id)
           GROUP BY j.journal_id ORDER BY j.journal_id LIMIT $1"#,
        JOURNALS_MAX
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.journal_id, row.accounts)).collect())
}

/// Counts one more change and gives its number, which the changed row then carries.
pub async fn bump(connection: &mut PgConnection, name: &str) -> Result<i64, Error> {
    let revision = sqlx::query_scalar!(
        "UPDATE journal SET revision = revision + 1 WHERE journal_id = $1 RETURNING revision",
        name
    )
    .fetch_optional(connection)
    .await?;
    revision.ok_or_else(|| missing(name))
}

/// The journal with the fewest accounts.
///
/// Two accounts made at the same moment may meet in one journal; the next one evens it out.
pub async fn least_loaded(connection: &mut PgConnection) -> Result<String, Error> {
    let name = sqlx::query_scalar!(
        "SELECT j.journal_id FROM journal j LEFT JOIN account a USING (journal_id)
         WHERE NOT j.scratch GROUP BY j.journal_id ORDER BY count(a.account_id), j.journal_id LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    name.ok_or_else(|| missing("any"))
}
