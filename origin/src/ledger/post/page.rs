//! A page: looked at under the lock of its journal's row, then posted or stopped.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::Datelike as _;
use meter::entry::Entry;
use meter::ids::{AccountId, Epoch, JournalName};
use meter::price::PriceBook;
use meter::reconcile::{self, Code, Cursor, Finding, Known, Page, Verified};
use meter::time::UnixMs;
use meter::wire::explained::OpenDoc;
use sqlx::{PgConnection, PgPool};

use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::ledger::finding;
use crate::price;

use super::write::write_entries;
use super::{again, lost, one_row, open};

/// What a journal said of itself along with a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The revision of the last changes it applied.
    pub applied: u64,
    /// Calls admitted and not finished.
    pub open_holds: u64,
    /// When the oldest of them was admitted.
    pub oldest_hold_at: Option<UnixMs>,
    /// The oldest of them, as far as they were listed. Each call stands there once.
    pub open: Vec<OpenDoc>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// Its new entries stand in the ledger, and so do its findings.
    Entries {
        /// How many.
        count: usize,
        /// Whether the journal has more behind them.
        more: bool,
    },
    /// Nothing of it was posted, because of this.
    Stopped(Finding),
    /// Another page was posted meanwhile; nothing of this one was looked at.
    Overtaken,
}

/// Price books and accounts, as far as a page names them.
struct Looked {
    books: BTreeMap<u32, PriceBook>,
    accounts: HashSet<String>,
}

impl Known for Looked {
    fn book(&self, version: u32) -> Option<&PriceBook> {
        self.books.get(&version)
    }
    fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.contains(account.as_str())
    }
}

/// Posts a page that was asked for with the cursor `asked`.
pub async fn page(
    pool: &PgPool,
    name: &JournalName,
    asked: &Cursor,
    page: Page,
    said: &Said,
    now: UnixMs,
) -> Result<Posted, Error> {
    make_months(pool, &page.entries).await?;
    let mut tx = Tx::begin(pool, "post_page").await?;
    let posted = page_in(&mut tx, name, asked, page, said, now).await?;
    if posted != Posted::Overtaken {
        tx.commit().await?;
    }
    Ok(posted)
}

/// The same in a transaction of the caller's, for months that are there.
pub(crate) async fn page_in(
    tx: &mut Tx,
    name: &JournalName,
    asked: &Cursor,
    page: Page,
    said: &Said,
    now: UnixMs,
) -> Result<Posted, Error> {
    let journal = journal::lock(tx, name).await?;
    if journal.cursor != *asked {
        return Ok(Posted::Overtaken);
    }
    let (epoch, head) = (page.epoch.clone(), page.head);
    let posted_as = journal.posted_as(&epoch);
    note_said(tx, name, &page, said, now).await?;
    if let Some(finding) = ledger_behind(&journal, &epoch, said) {
        raise_revision(tx, name, said).await?;
        finding::record(tx, name, epoch.as_str(), &[finding]).await?;
    }
    let looked = look_up(tx, &page.entries).await?;
    let checked = match reconcile::check(&journal.cursor, page, &looked) {
        Ok((verified, mut findings)) => {
            match again::sort_out(tx, name, &posted_as, verified.entries()).await? {
                Ok(sorted) => {
                    findings.extend(sorted.findings.iter().cloned());
                    Ok((verified, sorted, findings))
                }
                Err(finding) => Err(finding),
            }
        }
        Err(finding) => Err(finding),
    };
    let posted = match checked {
        Ok((verified, sorted, findings)) => {
            write_entries(tx, name, &posted_as, &sorted.new).await?;
            again::keep(tx, name, &posted_as, &sorted.again).await?;
            move_cursor(tx, name, &epoch, &verified).await?;
            finding::record(tx, name, posted_as.as_str(), &findings).await?;
            let more = head.seq > verified.tail().seq;
            Posted::Entries { count: verified.entries().len(), more }
        }
        Err(finding) => {
            if journal.stopped_by.is_none() && finding.code.is_of_another_store() {
                lost::keep(tx, name, &said.open, now).await?;
            }
            stop(tx, name, &finding).await?;
            let findings = [finding];
            finding::record(tx, name, posted_as.as_str(), &findings).await?;
            let [finding] = findings;
            Posted::Stopped(finding)
        }
    };
    open::replace(tx, name, &said.open).await?;
    Ok(posted)
}

/// The partitions that the page's entries go to.
async fn make_months(pool: &PgPool, entries: &[Entry]) -> Result<(), Error> {
    let mut months = BTreeMap::new();
    for entry in entries {
        let finished_at = clock::timestamp(entry.facts.finished_at)?;
        months.insert((finished_at.year(), finished_at.month()), finished_at);
    }
    for moment in months.values() {
        sqlx::query!("SELECT entry_month_make($1)", moment).execute(pool).await?;
    }
    Ok(())
}

/// The partition of the month of a time.
pub(crate) async fn make_month(pool: &PgPool, time: UnixMs) -> Result<(), Error> {
    let month = clock::timestamp(time)?.format("%Y-%m-01T00:00:00Z").to_string();
    sqlx::query!("SELECT entry_month_make($1::text::timestamptz)", month).execute(pool).await?;
    Ok(())
}

/// Keeps what the journal said of itself, whatever becomes of its page.
async fn note_said(
    connection: &mut PgConnection,
    name: &JournalName,
    page: &Page,
    said: &Said,
    now: UnixMs,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET seen_epoch = $2, head_seq = $3, head_total_nanos = $4, applied = $5,
                            open_holds = $6, oldest_hold_at = $7, last_pull_at = $8,
                            last_error = NULL, last_error_at = NULL
         WHERE journal_id = $1",
        name.as_str(),
        page.epoch.as_str(),
        i64::try_from(page.head.seq)?,
        page.head.total.get(),
        i64::try_from(said.applied)?,
        i64::try_from(said.open_holds)?,
        said.oldest_hold_at.map(clock::timestamp).transpose()?,
        clock::timestamp(now)?
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

/// The edge may not know more changes than were made here.
fn ledger_behind(journal: &journal::Journal, epoch: &Epoch, said: &Said) -> Option<Finding> {
    let same_store = journal.cursor.epoch.as_ref().is_none_or(|known| known == epoch);
    let revision = u64::try_from(journal.revision).unwrap_or_default();
    (same_store && said.applied > revision).then(|| {
        let detail = format!("{revision} changes were made, the edge has {}", said.applied);
        Finding::at(journal.cursor.tail.seq, Code::LedgerBehind, detail)
    })
}

/// Goes on counting where the edge is, so that coming changes are not taken for old ones.
async fn raise_revision(
    connection: &mut PgConnection,
    name: &JournalName,
    said: &Said,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET revision = greatest(revision, $2) WHERE journal_id = $1",
        name.as_str(),
        i64::try_from(said.applied)?
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

async fn look_up(connection: &mut PgConnection, entries: &[Entry]) -> Result<Looked, Error> {
    let versions: BTreeSet<i64> =
        entries.iter().map(|entry| entry.facts.terms.book.into()).collect();
    let versions: Vec<i64> = versions.into_iter().collect();
    let books = price::books(connection, &versions).await?;
    let accounts: BTreeSet<String> =
        entries.iter().map(|entry| entry.facts.account.to_string()).collect();
    let accounts: Vec<String> = accounts.into_iter().collect();
    let accounts =
        sqlx::query_scalar!("SELECT account_id FROM account WHERE account_id = ANY($1)", &accounts)
            .fetch_all(connection)
            .await?;
    Ok(Looked { books, accounts: accounts.into_iter().collect() })
}

async fn move_cursor(
    connection: &mut PgConnection,
    name: &JournalName,
    epoch: &Epoch,
    verified: &Verified,
) -> Result<(), Error> {
    let tail = verified.tail();
    let updated = sqlx::query!(
        "UPDATE journal SET epoch = $2, cursor_seq = $3, cursor_total_nanos = $4,
                            cursor_hash = $5, stopped_by = NULL
         WHERE journal_id = $1",
        name.as_str(),
        epoch.as_str(),
        i64::try_from(tail.seq)?,
        tail.total.get(),
        &tail.hash.0[..]
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}

async fn stop(
    connection: &mut PgConnection,
    name: &JournalName,
    finding: &Finding,
) -> Result<(), Error> {
    let updated = sqlx::query!(
        "UPDATE journal SET stopped_by = $2 WHERE journal_id = $1",
        name.as_str(),
        finding.code.name()
    )
    .execute(connection)
    .await?;
    one_row("journal", updated.rows_affected())
}
