//! Completing the books by the bill: what is open is ended by an order, what was given up is corrected.
//!
//! # Correctness
//! - An open call is ended by its journal, as any other order ends it, so a reading that comes later by
//!   the wire finds it ended and changes nothing.
//! - A correction is a credit whose reference names the call, so it is given once, whoever looks.
//! - Looking twice, or from two origins at once, does no harm: both ways are given once.
//!
//! # Bounds
//! At most [`CALLS_MAX`] calls in one look; one that has to wait is looked at again after the quiet time,
//! and no more once its last record is [`WAIT_MS_MAX`] old.

use chrono::{DateTime, Utc};
use meter::bill::complete::{Waiting, correction};
use meter::bill::{self};
use meter::ids::{CallId, JournalName};
use meter::journal::HOLD_LIFE_MAX_MS;
use meter::money::Nanos;
use meter::time::{DAY_MS, UnixMs};
use meter::usage::{Usage, WorkIds};
use meter::wire::pull::ActionDoc;
use sqlx::PgPool;
use tracing::{info, warn};

use crate::audit::{Actor, Via};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::ledger::credit::{CreditKind, NewCredit};
use crate::ledger::{finding, post};
use crate::order::{self, By, NewOrder};
use crate::read::{explain, open};

use super::ACTOR;

/// Most calls in one look.
pub const CALLS_MAX: i64 = 500;
/// How long a call that is nowhere is waited for: the longest life of a hold, and a week for the pull. For
/// so long a journal can be out of reach and nothing of it is lost.
pub const WAIT_MS_MAX: u64 = HOLD_LIFE_MAX_MS + 7 * DAY_MS;

/// What one look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Completed {
    /// Calls that stand in the books by a word of their own.
    pub known: u64,
    /// Open calls that were ordered to end.
    pub ordered: u64,
    /// Calls that were given up earlier and are charged now.
    pub corrected: u64,
}

/// What the bill says of one call.
struct Billed {
    call: CallId,
    account: String,
    records: i64,
    usage: Usage,
    last_at: UnixMs,
}

/// What comes next for a call.
enum Next {
    /// Nothing more.
    Done,
    /// A look after the quiet time.
    Wait,
}

/// Looks at the calls that are due.
pub async fn look(pool: &PgPool, quiet_ms: u64, now: UnixMs) -> Result<Completed, Error> {
    let mut completed = Completed { known: settle_known(pool, now).await?, ..Completed::default() };
    for billed in due(pool, now).await? {
        let next = match complete(pool, &billed, quiet_ms, now, &mut completed).await {
            Ok(next) => next,
            // One call that cannot be completed keeps no other one waiting.
            Err(error) if !error.is_database_away() => {
                warn!(call.id = billed.call.as_str(), %error, "the bill could not complete a call");
                Next::Wait
            }
            Err(error) => return Err(error),
        };
        let waited_for = now.since(billed.last_at) < WAIT_MS_MAX;
        let is_done = matches!(next, Next::Done) || !waited_for;
        note(pool, &billed, is_done, now.plus_ms(quiet_ms)).await?;
    }
    Ok(completed)
}

/// Most calls stand in the books by what their replies said; they need no look of their own.
async fn settle_known(pool: &PgPool, now: UnixMs) -> Result<u64, Error> {
    let known = sqlx::query!(
        "UPDATE bill_call b SET state = 'done'
         FROM posting p JOIN entry e ON e.entry_id = p.posting_id AND e.finished_at = p.finished_at
         WHERE b.state = 'waiting' AND b.look_at <= $1 AND p.call_id = b.call_id
           AND (e.ending = 'released' OR (e.ending = 'settled' AND e.source <> 'missing'))",
        clock::timestamp(now)?
    )
    .execute(pool)
    .await?;
    Ok(known.rows_affected())
}

async fn due(pool: &PgPool, now: UnixMs) -> Result<Vec<Billed>, Error> {
    let rows = sqlx::query!(
        "SELECT call_id, account_id, records, input_tokens, output_tokens, billed_at
         FROM bill_call WHERE state = 'waiting' AND look_at <= $1
         ORDER BY look_at, call_id LIMIT $2",
        clock::timestamp(now)?,
        CALLS_MAX
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = |problem: &dyn std::fmt::Display| {
                Error::impossible("bill_call", format_args!("{}: {problem}", row.call_id))
            };
            let (input, output) =
                (u64::try_from(row.input_tokens)?, u64::try_from(row.output_tokens)?);
            let usage = bill::usage(input, output);
            Ok(Billed {
                call: row.call_id.parse().map_err(|error| impossible(&error))?,
                account: row.account_id.clone(),
                records: row.records,
                usage: usage.ok_or_else(|| impossible(&"more tokens than anybody uses"))?,
                last_at: clock::unix_ms(row.billed_at),
            })
        })
        .collect()
}

async fn note(pool: &PgPool, billed: &Billed, done: bool, look_at: UnixMs) -> Result<(), Error> {
    // A record that came meanwhile has made it wait again, and is not to be overlooked.
    sqlx::query!(
        "UPDATE bill_call SET state = CASE WHEN $3 THEN 'done' ELSE 'waiting' END, look_at = $4
         WHERE call_id = $1 AND records = $2",
        billed.call.as_str(),
        billed.records,
        done,
        clock::timestamp(look_at)?
    )
    .execute(pool)
    .await?;
    Ok(())
}

async fn complete(
    pool: &PgPool,
    billed: &Billed,
    quiet_ms: u64,
    now: UnixMs,
    completed: &mut Completed,
) -> Result<Next, Error> {
    if let Some(facts) = explain::facts(pool, &billed.call).await? {
        let is_quiet = now.since(billed.last_at) >= quiet_ms;
        return match correction(&facts, billed.usage)? {
            // The stamp names another account than the call's: it is not our stamp.
            _ if facts.account.as_str() != billed.account => Ok(Next::Done),
            None | Some(Nanos::ZERO) => Ok(Next::Done),
            Some(_) if !is_quiet => Ok(Next::Wait),
            Some(amount) => {
                completed.corrected += u64::from(correct(pool, billed, amount).await?);
                Ok(Next::Done)
            }
        };
    }
    if let Some(told) = open::one(pool, Some(&billed.account), billed.call.as_str()).await? {
        let ids = WorkIds::try_from(&told.open.hold.ids)
            .map_err(|error| Error::impossible("open_call", error))?;
        let seen_at = told.open.seen_at_ms.map(UnixMs::new);
        let waiting = Waiting { ids: &ids, seen_at, billed_at: billed.last_at };
        if waiting.is_for_the_bill(now, quiet_ms) {
            let counts_tokens = told.counts_tokens()?;
            completed.ordered +=
                u64::from(order(pool, billed, counts_tokens, &told.journal).await?);
        }
    }
    // Until the order's entry is posted, the call is looked at again.
    Ok(Next::Wait)
}

/// Orders an open call to be settled; says whether the order is new.
async fn order(
    pool: &PgPool,
    billed: &Billed,
    counts_tokens: bool,
    journal: &str,
) -> Result<bool, Error> {
    let usage = counts_tokens.then(|| billed.usage.into());
    let journal: JournalName =
        journal.parse().map_err(|error| Error::impossible("open_call", error))?;
    let new = NewOrder {
        call: billed.call.clone(),
        action: ActionDoc::Settle { usage },
        journal: Some(journal),
        reason: billed.reason(),
        actor: Actor::new(ACTOR, Via::Origin),
    };
    match order::give_as(pool, &new, By::Bill).await {
        Ok(given) => {
            if !given.was_there {
                info!(call.id = billed.call.as_str(), "the bill ends a call that has no name");
            }
            Ok(!given.was_there)
        }
        // It has ended meanwhile, or an operator decided otherwise.
        Err(Error::Conflict { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes from the account what a call that was given up should have cost; says whether it was taken now.
async fn correct(pool: &PgPool, billed: &Billed, amount: Nanos) -> Result<bool, Error> {
    let new = NewCredit {
        account: billed.account.clone(),
        kind: CreditKind::Adjustment,
        amount: Nanos::ZERO.minus(amount)?,
        reason: format!("call {}: {}", billed.call, billed.reason()),
        actor: Actor::new(ACTOR, Via::Origin),
        reference: Some(reference(&billed.call)),
    };
    let mut tx = Tx::begin(pool, "correct_by_bill").await?;
    let given = match post::credit(&mut tx, &new).await {
        // It was corrected before, when the bill knew of fewer records; what came since is variance.
        Err(Error::Conflict { .. }) => return Ok(false),
        given => given?,
    };
    if given.was_there {
        return Ok(false);
    }
    finding::explain_call(&mut tx, billed.call.as_str()).await?;
    tx.commit().await?;
    info!(call.id = billed.call.as_str(), amount_nanos = amount.get(), "corrected by the bill");
    Ok(true)
}

/// The reference of a call's correction.
pub fn reference(call: &CallId) -> String {
    format!("coze-bill:{call}")
}

impl Billed {
    fn reason(&self) -> String {
        let Self { records, usage, .. } = self;
        let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
        let at: DateTime<Utc> = clock::timestamp(self.last_at).unwrap_or_default();
        let at = clock::text(at);
        format!(
            "{records} records of Coze's bill name it, {input} tokens in and {output} out, the last at {at}"
        )
    }
}
