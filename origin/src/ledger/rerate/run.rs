//! Going through the entries, page by page.

use chrono::{DateTime, Utc};
use meter::price::PriceBook;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::ledger::stored::{self, Stretch};
use crate::price;

use super::{ByAccount, Question, rerated};

/// A re-rating under way.
pub struct Run {
    number: i64,
    book: Option<PriceBook>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Entries gone through.
    pub entries: i64,
    /// Entries there were when it began.
    pub total: i64,
    /// What was found so far.
    pub found: ByAccount,
    /// Whether that is all.
    pub ended: bool,
}

impl Run {
    /// Begins a re-rating, or goes on with one of the same question that was stopped.
    pub async fn begin(pool: &PgPool, question: &Question) -> Result<Self, Error> {
        if question.from >= question.to {
            return Err(Error::invalid("from", "is not before `to`"));
        }
        let mut tx = Tx::begin(pool, "begin_rerate").await?;
        let book = match question.book {
            None => None,
            Some(version) => Some(book(&mut tx, version).await?),
        };
        let number = match open(&mut tx, question).await? {
            Some(number) => number,
            None => insert(&mut tx, question).await?,
        };
        tx.commit().await?;
        Ok(Self { number, book })
    }

    /// Goes through one more page.
    pub async fn step(&self, pool: &PgPool) -> Result<Progress, Error> {
        let mut tx = Tx::begin(pool, "rerate").await?;
        let row = sqlx::query!(
            r#"SELECT starts_at, ends_at, account_id, posted_upto, entries_total, behind_at,
                      behind_entry, entries, sums AS "sums: Json<ByAccount>", ended_at
               FROM rerate WHERE rerate_id = $1 FOR UPDATE"#,
            self.number
        )
        .fetch_one(&mut *tx)
        .await?;
        let mut progress = Progress {
            entries: row.entries,
            total: row.entries_total,
            found: row.sums.0,
            ended: row.ended_at.is_some(),
        };
        if progress.ended {
            return Ok(progress);
        }
        let stretch = Stretch {
            from: row.starts_at,
            to: row.ends_at,
            posted_upto: row.posted_upto,
            account: row.account_id,
        };
        let page = stored::page(&mut tx, &stretch, (row.behind_at, row.behind_entry)).await?;
        for posted in &page {
            let facts = &posted.entry.facts;
            let sums = progress.found.entry(facts.account.to_string()).or_default();
            sums.add(facts.amount, rerated(facts, self.book.as_ref()))?;
        }
        progress.entries = progress.entries.saturating_add(i64::try_from(page.len())?);
        let last = match page.last() {
            None => None,
            Some(last) => Some((clock::timestamp(last.entry.facts.finished_at)?, last.number)),
        };
        progress.ended = last.is_none();
        self.keep(&mut tx, &progress, last).await?;
        tx.commit().await?;
        Ok(progress)
    }

    async fn keep(
        &self,
        connection: &mut PgConnection,
        progress: &Progress,
        last: Option<(DateTime<Utc>, i64)>,
    ) -> Result<(), Error> {
        let (behind_at, behind_entry) = last.unzip();
        sqlx::query!(
            "UPDATE rerate SET behind_at = coalesce($2, behind_at),
                 behind_entry = coalesce($3, behind_entry), entries = $4, sums = $5,
                 ended_at = CASE WHEN $6 THEN now() END
             WHERE rerate_id = $1",
            self.number,
            behind_at,
            behind_entry,
            progress.entries,
            Json(&progress.found) as _,
            progress.ended
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

async fn book(connection: &mut PgConnection, version: i32) -> Result<PriceBook, Error> {
    let mut books = price::books(connection, &[i64::from(version)]).await?;
    let found = books.pop_first().map(|(_, book)| book);
    found.ok_or_else(|| Error::NotFound { what: "price book", name: version.to_string() })
}

/// The same question, asked before and not answered to the end.
async fn open(connection: &mut PgConnection, question: &Question) -> Result<Option<i64>, Error> {
    let number = sqlx::query_scalar!(
        "SELECT rerate_id FROM rerate
         WHERE starts_at = $1 AND ends_at = $2 AND account_id IS NOT DISTINCT FROM $3
           AND price_book_id IS NOT DISTINCT FROM $4 AND ended_at IS NULL",
        question.from,
        question.to,
        question.account.as_deref(),
        question.book
    )
    .fetch_optional(connection)
    .await?;
    Ok(number)
}

async fn insert(connection: &mut PgConnection, question: &Question) -> Result<i64, Error> {
    let number = sqlx::query_scalar!(
        "WITH upto AS (SELECT coalesce(max(posting_id), 0) AS number FROM posting)
         INSERT INTO rerate (starts_at, ends_at, account_id, price_book_id, posted_upto,
                             entries_total, behind_at, behind_entry)
         SELECT $1, $2, $3, $4, upto.number,
                (SELECT count(*) FROM entry
                 WHERE finished_at >= $1 AND finished_at < $2 AND entry_id <= upto.number
                   AND ($3::text IS NULL OR account_id = $3)),
                $1, -1
         FROM upto
         RETURNING rerate_id",
        question.from,
        question.to,
        question.account.as_deref(),
        question.book
    )
    .fetch_one(connection)
    .await?;
    Ok(number)
}
