//! Why a call stands as it does, in one document.
//!
//! Everything in it is read from rows or derived from them by the rules, never remembered: what the
//! journal said (entry), what the book says (rule and terms), what the rules make of it (hold, charge,
//! hash), what the ledger did (posting), and what people noticed or decided (findings, order).

mod charge;
mod document;
pub(in crate::read) mod rule;
mod rows;
mod words;

use meter::entry::{Entry, Facts, Tail};
use meter::ids::CallId;
use meter::money::{Nanos, Ratio};
use meter::outcome::Source;
use meter::price::{PriceBook, Terms};
use meter::time::UnixMs;
use meter::wire::asked::AskedDoc;
use meter::wire::entry::{EntryDoc, WorkIdsDoc};
use sqlx::PgPool;

use crate::clock;
use crate::error::Error;
use crate::ledger::stored;
use crate::order::{self, OrderRow};
use crate::price;
use crate::read::calls::{CallCost, CallUsage};
use crate::read::open::{self, Told};

pub use charge::Charge;
pub use document::{
    Explanation, FindingTold, Finished, LetIn, Open, OrderTold, Outcome, Place, PostingTold,
    Reading, Reply,
};
pub use rule::Rule;

/// Nanos of the currency in one part per million of a ratio, for printing it as a decimal.
const NANOS_PER_PPM: i64 = 1_000;

/// Explains a call: an account's, or anybody's. One that was refused is known to the edge alone.
pub async fn read(
    pool: &PgPool,
    account: Option<&str>,
    call: &CallId,
    now: UnixMs,
) -> Result<Explanation, Error> {
    // An open call that is finished meanwhile moves from one to the other, so it is looked for among
    // the finished ones last, too.
    if let Some(finished) = finished(pool, account, call).await? {
        return Ok(Explanation::Finished(Box::new(finished)));
    }
    if let Some(told) = open::one(pool, account, call.as_str()).await? {
        return Ok(Explanation::Open(Box::new(still_open(pool, told, call, now).await?)));
    }
    match finished(pool, account, call).await? {
        Some(finished) => Ok(Explanation::Finished(Box::new(finished))),
        None => Err(Error::CallUnknown(call.to_string())),
    }
}

/// The facts of a call that is posted.
pub async fn facts(pool: &PgPool, call: &CallId) -> Result<Option<Facts>, Error> {
    Ok(stored::posted(pool, None, call).await?.map(|posted| posted.entry.facts))
}

async fn still_open(pool: &PgPool, told: Told, call: &CallId, now: UnixMs) -> Result<Open, Error> {
    let order = order_about(pool, call, &told.journal, false).await?;
    Ok(Open {
        age_ms: now.since(UnixMs::new(told.open.hold.admitted_at_ms)),
        open: told.open,
        journal: told.journal,
        told_at: told.at.map(clock::text),
        order,
    })
}

/// The order about a call, if there is one in its journal.
async fn order_about(
    pool: &PgPool,
    call: &CallId,
    journal: &str,
    carried_out: bool,
) -> Result<Option<OrderTold>, Error> {
    let mut connection = pool.acquire().await?;
    let orders = order::about(&mut connection, call.as_str()).await?;
    let order = orders.into_iter().find(|order: &OrderRow| order.journal_id == journal);
    Ok(order.map(|order| OrderTold { order, carried_out }))
}

async fn finished(
    pool: &PgPool,
    account: Option<&str>,
    call: &CallId,
) -> Result<Option<Finished>, Error> {
    let Some(posted) = stored::posted(pool, account, call).await? else { return Ok(None) };
    let entry = &posted.entry;
    let facts = &entry.facts;
    let carried_out = matches!(facts.reading.source, Source::Operator | Source::Bill);
    let version = i64::from(facts.terms.book);
    let book =
        price::books(&mut *pool.acquire().await?, &[version]).await?.remove(&facts.terms.book);
    let before = rows::tail_before(pool, &posted).await?;
    let doc = EntryDoc::from(entry);
    Ok(Some(Finished {
        call_id: facts.call.to_string(),
        let_in: let_in(facts, book.as_ref(), posted.account_name.clone(), &doc)?,
        upstream: upstream(&doc),
        reading: reading(facts)?,
        outcome: outcome(facts)?,
        charge: Charge::of(facts),
        place: place(&posted.journal, &posted.epoch, entry, before.as_ref()),
        postings: vec![PostingTold::of(
            posted.number,
            clock::text(posted.at),
            facts.account.as_str(),
            Nanos::new(posted.moved_nanos),
        )?],
        findings: rows::findings(pool, &posted).await?,
        order: order_about(pool, call, &posted.journal, carried_out).await?,
    }))
}

fn let_in(
    facts: &Facts,
    book: Option<&PriceBook>,
    account_name: Option<String>,
    doc: &EntryDoc,
) -> Result<LetIn, Error> {
    let EntryDoc { account, key, group, price, asked, .. } = doc.clone();
    let AskedDoc { operation, subject_kind, subject, units, resumes } = asked;
    let Terms { book: version, ratio, .. } = facts.terms;
    // What was set aside is not part of the entry, and follows from the terms that are.
    let hold = facts.terms.hold(facts.asked.units)?;
    Ok(LetIn {
        why: words::LET_IN,
        at: clock::text(clock::timestamp(facts.admitted_at)?),
        account,
        account_name,
        key,
        group,
        operation,
        subject_kind,
        subject,
        units,
        resumes,
        book: version,
        rule: Rule::of(facts, book),
        price,
        ratio: ratio_text(ratio),
        hold_nanos: hold.get(),
        hold_quota: hold.in_quota().to_string(),
    })
}

/// A ratio as people write it.
fn ratio_text(ratio: Ratio) -> String {
    let nanos = i64::from(ratio.ppm()).saturating_mul(NANOS_PER_PPM);
    Nanos::new(nanos).in_currency().to_string()
}

fn upstream(doc: &EntryDoc) -> Reply {
    let WorkIdsDoc { chat_id, conversation_id, execute_id, log_id } = doc.ids.clone();
    Reply { status: doc.status, code: doc.code, chat_id, conversation_id, execute_id, log_id }
}

fn reading(facts: &Facts) -> Result<Reading, Error> {
    let count = |tokens: Option<u64>| tokens.map(i64::try_from).transpose();
    let usage = match facts.reading.usage {
        None => None,
        Some(usage) => Some(CallUsage {
            input: count(usage.input)?,
            output: count(usage.output)?,
            total: i64::try_from(usage.total)?,
            cost: usage.cost.map(|cost| CallCost::of(cost.amount.get(), cost.currency.to_string())),
        }),
    };
    Ok(Reading {
        source: facts.reading.source.name(),
        text: words::source(facts.reading.source),
        usage,
        usage_fell: facts.usage_fell,
    })
}

fn outcome(facts: &Facts) -> Result<Outcome, Error> {
    Ok(Outcome {
        ending: facts.ending.name(),
        text: words::outcome(facts.ending, facts.reading.source),
        at: clock::text(clock::timestamp(facts.finished_at)?),
        duration_ms: facts.finished_at.since(facts.admitted_at),
    })
}

fn place(journal: &str, epoch: &str, entry: &Entry, before: Option<&Tail>) -> Place {
    let Tail { seq, total, hash } = entry.tail;
    Place {
        journal: journal.to_owned(),
        epoch: epoch.to_owned(),
        seq,
        total_nanos: total.get(),
        hash: hash.to_string(),
        follows: before.map(|before| entry.follows(before)),
    }
}
