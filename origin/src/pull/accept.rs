//! Going on with a journal as it is now: what an operator decides when its store was lost, or was put
//! back from an old copy.
//!
//! # What it does
//! 1. Asks the edge which epoch the journal is in. It has to be the one that was decided about.
//! 2. Finds the last entry that journal and ledger have in common: none for a new store.
//! 3. Moves the cursor there, in one transaction. What was posted behind it stands: those calls were made.
//!    What the journal has behind it is posted by the pulls that follow, except calls that stand already.
//! 4. Has the accounts carry what the journal does not know that they spent, so that the credits it is
//!    told are what is left.
//!
//! # Bounds
//! At most [`meter::fork::LOOKS_MAX`] entries are asked for, and two more.

use chrono::{DateTime, Utc};
use meter::entry::{Entry, Tail};
use meter::fork::{Looked, Search};
use meter::ids::{Epoch, JournalName};
use meter::time::UnixMs;
use meter::wire::pull::{PULL_VERSION, PullRequest};
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal::{self, Journal};
use crate::ledger::chain::Chain;
use crate::ledger::finding;
use crate::text;

use super::edge::{Edge, PullError, Pulled};

/// Most calls that are listed as lost: what a journal lists as open.
pub const LOST_LISTED_MAX: i64 = 500;

/// What was decided.
pub struct Decision<'a> {
    /// About which journal.
    pub journal: &'a JournalName,
    /// The epoch that is to be gone on with.
    pub epoch: &'a Epoch,
    /// Why, in a sentence.
    pub reason: &'a str,
    /// By whom.
    pub actor: &'a Actor,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accepted {
    /// The journal.
    pub journal: String,
    /// Its epoch, as the edge names it.
    pub epoch: String,
    /// Under which name its entries are posted from here on.
    pub posted_as: String,
    /// The last entry that journal and ledger have in common; 0 for none.
    pub common_seq: u64,
    /// The last entry that was posted before.
    pub left_seq: u64,
    /// The journal's newest entry.
    pub head_seq: u64,
    /// Accounts that carry charges which the journal does not know of.
    pub accounts_carrying: usize,
    /// The findings that are explained by it.
    pub findings: Vec<i64>,
    /// Calls that were open when the store was lost, and stand in no book.
    pub lost_calls: Vec<LostCall>,
}

/// A call that was open when its journal's store was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LostCall {
    /// The call.
    pub call_id: String,
    /// Who would have paid.
    pub account_id: String,
    /// When it was let in.
    #[serde(serialize_with = "clock::serialize")]
    pub admitted_at: DateTime<Utc>,
}

/// The journal, as both sides have it.
struct Place {
    /// What the ledger has of the epoch.
    chain: Chain,
    /// The newest name of that epoch, and its last posted entry.
    newest: Epoch,
    newest_seq: u64,
    /// The last common entry.
    common: Tail,
    head: Tail,
}

/// Goes on with a journal as it is now.
pub async fn accept(
    pool: &PgPool,
    edge: &Edge,
    decision: &Decision<'_>,
) -> Result<Accepted, PullError> {
    text::check_reason(decision.reason)?;
    let now = clock::now();
    let mut connection = pool.acquire().await.map_err(Error::from)?;
    let before = journal::read(&mut connection, decision.journal).await?;
    if before.stopped_by.is_none() {
        let problem = "is not stopped: what the edge has continues what is posted";
        return Err(conflict("journal", problem).into());
    }
    let place = find_place(&mut connection, edge, decision, now).await?;
    drop(connection);
    Ok(decide(pool, decision, &before, &place).await?)
}

fn conflict(field: &'static str, problem: impl Into<String>) -> Error {
    Error::Conflict { field, problem: problem.into() }
}

async fn find_place(
    connection: &mut PgConnection,
    edge: &Edge,
    decision: &Decision<'_>,
    now: UnixMs,
) -> Result<Place, PullError> {
    let Decision { journal, epoch, .. } = decision;
    let asked = look(edge, journal, 1, now).await?;
    if asked.page.epoch != **epoch {
        let problem = format!("is not what the edge says: the journal is in {}", asked.page.epoch);
        return Err(conflict("epoch", problem).into());
    }
    let head = asked.page.head;
    let (newest, newest_seq) = newest(connection, journal, epoch).await?;
    let chain = Chain::read(connection, journal, newest.as_str(), newest_seq).await?;
    let mut search = Search::new(newest_seq, head.seq);
    while let Some(seq) = search.next_seq() {
        let looked = match entry_at(edge, decision, seq, now).await? {
            None => Looked::Gone,
            Some(entry) => match chain.tail_at(connection, seq).await? {
                Some(tail) if tail == entry.tail => Looked::Same,
                _ => Looked::Other,
            },
        };
        search = search.looked(seq, looked);
    }
    let common = chain.tail_at(connection, search.common()).await?;
    let common = common.ok_or_else(|| Error::impossible("posting", "a link is missing"))?;
    let follows = if head.seq == common.seq {
        head == common
    } else {
        let next = entry_at(edge, decision, common.seq.saturating_add(1), now).await?;
        next.is_some_and(|entry| entry.follows(&common))
    };
    if !follows {
        let problem = format!(
            "keeps nothing that shows where it continues entry {} of what is posted",
            common.seq
        );
        return Err(conflict("journal", problem).into());
    }
    Ok(Place { chain, newest, newest_seq, common, head })
}

/// Asks for one entry, acknowledging nothing and telling nothing.
async fn look(
    edge: &Edge,
    journal: &JournalName,
    seq: u64,
    now: UnixMs,
) -> Result<Pulled, PullError> {
    let ack = seq.saturating_sub(1);
    let request = PullRequest {
        v: PULL_VERSION,
        epoch: None,
        ack,
        limit: 1,
        changes: None,
        billed: Vec::new(),
    };
    edge.pull_page(journal, &request, now).await
}

/// One entry of the journal; `None` when it does not keep it any more.
async fn entry_at(
    edge: &Edge,
    decision: &Decision<'_>,
    seq: u64,
    now: UnixMs,
) -> Result<Option<Entry>, PullError> {
    let Pulled { page, .. } = look(edge, decision.journal, seq, now).await?;
    if page.epoch != *decision.epoch {
        return Err(conflict("epoch", "changed while the journal was looked at").into());
    }
    Ok(page.entries.into_iter().find(|entry| entry.tail.seq == seq))
}

/// The name under which an epoch was posted last, and its last posted entry.
async fn newest(
    connection: &mut PgConnection,
    journal: &JournalName,
    epoch: &Epoch,
) -> Result<(Epoch, u64), Error> {
    let row = sqlx::query!(
        "SELECT posted_as, behind_seq FROM journal_epoch WHERE journal_id = $1 AND epoch = $2
         ORDER BY journal_epoch_id DESC LIMIT 1",
        journal.as_str(),
        epoch.as_str()
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (name, behind) = match row {
        None => (epoch.clone(), 0),
        Some(row) => {
            let name = row.posted_as.parse();
            (name.map_err(|error| Error::impossible("journal_epoch", error))?, row.behind_seq)
        }
    };
    let last = sqlx::query_scalar!(
        r#"SELECT greatest($3, (SELECT max(seq) FROM posting WHERE journal_id = $1 AND epoch = $2),
                  (SELECT max(seq) FROM entry_again WHERE journal_id = $1 AND epoch = $2))
               AS "last!""#,
        journal.as_str(),
        name.as_str(),
        behind
    )
    .fetch_one(connection)
    .await?;
    Ok((name, u64::try_from(last)?))
}

/// Moves the cursor, if all is still as it was when the place was looked for.
async fn decide(
    pool: &PgPool,
    decision: &Decision<'_>,
    before: &Journal,
    place: &Place,
) -> Result<Accepted, Error> {
    let Decision { journal: name, epoch, reason, actor } = decision;
    let Place { chain, newest, newest_seq, common, head } = place;
    let goes_on = common.seq == *newest_seq;
    let was_posted_as = before.cursor.epoch.as_ref().map(|known| before.posted_as(known));
    if goes_on && was_posted_as.as_ref() == Some(newest) {
        let by = before.stopped_by.as_deref().unwrap_or_default();
        let problem =
            format!("continues what is posted, and is stopped by {by}: no copy mends that");
        return Err(conflict("journal", problem));
    }
    let mut tx = Tx::begin(pool, "accept_journal").await?;
    let locked = journal::lock(&mut tx, name).await?;
    // What stops it may be another difference by now, as the journal goes on; where it stands may not.
    let Some(stopped_by) = locked.stopped_by.clone() else {
        return Err(conflict("journal", "is not stopped any more"));
    };
    if locked.cursor != before.cursor || locked.posted_as != before.posted_as {
        return Err(conflict("journal", "changed meanwhile: look at it again"));
    }
    let posted_as = if goes_on { newest.clone() } else { new_name(&mut tx, name, epoch).await? };
    let behind = if goes_on { None } else { chain.posted_as(common.seq) };
    let behind_seq = if goes_on { 0 } else { common.seq };
    insert(&mut tx, decision, before, &posted_as, (behind, behind_seq), common.seq).await?;
    let (cursor, total) = (i64::try_from(common.seq)?, common.total.get());
    sqlx::query!(
        "UPDATE journal SET epoch = $2, posted_as = nullif($3, $2), cursor_seq = $4,
                            cursor_total_nanos = $5, cursor_hash = $6, stopped_by = NULL
         WHERE journal_id = $1",
        name.as_str(),
        epoch.as_str(),
        posted_as.as_str(),
        cursor,
        total,
        &common.hash.0[..]
    )
    .execute(&mut *tx)
    .await?;
    let accounts_carrying = chain.cut(common.seq)?.carry(&mut tx).await?;
    // Whoever pulls is woken, also when no account carries anything.
    journal::bump(&mut tx, name.as_str()).await?;
    let findings =
        finding::explain_stop(&mut tx, name.as_str(), &stopped_by, reason, actor).await?;
    let lost_calls = lost(&mut tx, name.as_str()).await?;
    let accepted = Accepted {
        journal: name.to_string(),
        epoch: epoch.to_string(),
        posted_as: posted_as.to_string(),
        common_seq: common.seq,
        left_seq: before.cursor.tail.seq,
        head_seq: head.seq,
        accounts_carrying,
        findings,
        lost_calls,
    };
    let detail = json!({
        "epoch": accepted.epoch,
        "posted_as": accepted.posted_as,
        "common_seq": accepted.common_seq,
        "left": { "posted_as": was_posted_as.map(|name| name.to_string()), "seq": accepted.left_seq },
        "findings": accepted.findings,
        "lost_calls": accepted.lost_calls.len(),
        "reason": reason,
    });
    audit::record(&mut tx, actor, Act::JournalAccept, name.as_str(), &detail).await?;
    tx.commit().await?;
    Ok(accepted)
}

/// A name for what goes on behind an earlier entry of an epoch that is posted further.
async fn new_name(
    connection: &mut PgConnection,
    journal: &JournalName,
    epoch: &Epoch,
) -> Result<Epoch, Error> {
    let decided = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM journal_epoch WHERE journal_id = $1 AND epoch = $2"#,
        journal.as_str(),
        epoch.as_str()
    )
    .fetch_one(connection)
    .await?;
    let name = format!("{epoch}-{}", decided.saturating_add(2)).parse();
    name.map_err(|error| Error::invalid("epoch", format!("{error} with a number behind it")))
}

async fn insert(
    connection: &mut PgConnection,
    decision: &Decision<'_>,
    before: &Journal,
    posted_as: &Epoch,
    (behind, behind_seq): (Option<&str>, u64),
    cursor_seq: u64,
) -> Result<(), Error> {
    let Decision { journal, epoch, reason, actor } = decision;
    let left = before.cursor.epoch.as_ref().map(|known| before.posted_as(known).to_string());
    // A name that is gone on with keeps what its first entry continues.
    sqlx::query!(
        "INSERT INTO journal_epoch
             (journal_id, epoch, posted_as, behind_seq, behind_posted_as, left_posted_as, left_seq,
              cursor_seq, actor, reason)
         SELECT $1, $2, $3, coalesce(first.behind_seq, $4), coalesce(first.behind_posted_as, $5),
                $6, $7, $8, $9, $10
         FROM (VALUES (1)) AS one (row) LEFT JOIN LATERAL (
             SELECT behind_seq, behind_posted_as FROM journal_epoch
             WHERE journal_id = $1 AND posted_as = $3 ORDER BY journal_epoch_id LIMIT 1
         ) AS first ON true",
        journal.as_str(),
        epoch.as_str(),
        posted_as.as_str(),
        i64::try_from(behind_seq)?,
        behind,
        left,
        i64::try_from(before.cursor.tail.seq)?,
        i64::try_from(cursor_seq)?,
        actor.name(),
        reason
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The calls that were open when the journal's store was lost and stand in no book, oldest first.
pub async fn lost(connection: &mut PgConnection, journal: &str) -> Result<Vec<LostCall>, Error> {
    let rows = sqlx::query_as!(
        LostCall,
        "SELECT call_id, account_id, admitted_at FROM lost_call l
         WHERE journal_id = $1
           AND NOT EXISTS (SELECT 1 FROM posting p WHERE p.call_id = l.call_id)
           AND NOT EXISTS (SELECT 1 FROM open_call o WHERE o.call_id = l.call_id)
         ORDER BY admitted_at, call_id LIMIT $2",
        journal,
        LOST_LISTED_MAX
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
