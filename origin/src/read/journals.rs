//! The journals, one by one: what is posted of each, and what the edge says.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;
use crate::page::{Page, Span};

/// A journal, as both sides have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalTold {
    /// Its name.
    pub journal: String,
    /// The epoch whose entries are posted; null until the first page.
    pub epoch: Option<String>,
    /// Under which name they are posted, where that is not the epoch itself.
    pub posted_as: Option<String>,
    /// The last entry posted.
    pub cursor_seq: i64,
    /// The sum of all amounts up to there.
    pub cursor_total_nanos: i64,
    /// The epoch that the edge named last.
    pub seen_epoch: Option<String>,
    /// The newest entry that the edge named.
    pub head_seq: i64,
    /// The code of the finding that keeps its pages from being posted.
    pub stopped_by: Option<String>,
    /// Calls admitted and not finished.
    pub open_calls: i64,
    /// How many accounts live in it.
    pub accounts: i64,
    /// Calls that an old copy of it brought a second time.
    pub calls_again: i64,
    /// Calls that were open when its store was lost, and stand in no book.
    pub calls_lost: i64,
    /// When it was last pulled.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub last_pull_at: Option<DateTime<Utc>>,
    /// Why the last pull failed; null when it did not.
    pub last_error: Option<String>,
}

/// A page of journals, in the order of their names.
pub async fn list(pool: &PgPool, span: &Span) -> Result<Page<JournalTold>, Error> {
    let rows = sqlx::query_as!(
        JournalTold,
        r#"SELECT journal_id AS journal, epoch, posted_as, cursor_seq, cursor_total_nanos,
                  seen_epoch, head_seq, stopped_by, open_holds AS open_calls,
                  (SELECT count(*) FROM account a
                   WHERE a.journal_id = j.journal_id) AS "accounts!",
                  (SELECT count(*) FROM entry_again g
                   WHERE g.journal_id = j.journal_id) AS "calls_again!",
                  (SELECT count(*) FROM lost_call l WHERE l.journal_id = j.journal_id
                     AND NOT EXISTS (SELECT 1 FROM posting p WHERE p.call_id = l.call_id)
                     AND NOT EXISTS (SELECT 1 FROM open_call o WHERE o.call_id = l.call_id)
                  ) AS "calls_lost!",
                  last_pull_at, last_error
           FROM journal j
           WHERE NOT scratch AND ($1::text IS NULL OR journal_id > $1)
           ORDER BY journal_id LIMIT $2"#,
        span.behind(),
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.journal.clone()))
}
