//! Upstream's bill, held against the books: which calls both have, which only one of them has, and how far
//! the tokens of the others differ.
//!
//! A call belongs to the day in which it finished, and with it the charges that match it; a charge that
//! matches none belongs to the day in which it was consumed. Both are read for [`AROUND_MS`] more on either
//! side, so that a pair is found across the edge of a day.
//!
//! # Bounds
//! At most [`CALLS_MAX`] calls and [`CHARGES_MAX`] charges; of each kind of difference at most
//! [`LISTED_MAX`] are listed, while all are counted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use meter::bill::compare::{Call, Charge, Matches, compare};
use meter::entry::Ending;
use meter::journal::HOLD_LIFE_MAX_MS;
use meter::money::{Nanos, OutOfRange, Ratio};
use meter::outcome::{Reading, Source};
use meter::price::Terms;
use meter::request::{Subject, SubjectKind};
use meter::route::Operation;
use meter::wire::book::PriceDoc;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;
use crate::read::days::Days;

/// How much is read on either side: the longest life of a call.
pub const AROUND_MS: u64 = HOLD_LIFE_MAX_MS;
/// Most calls that are compared at once; about 300 bytes each.
pub const CALLS_MAX: usize = 500_000;
/// Most charges that are compared at once.
pub const CHARGES_MAX: usize = 1_000_000;
/// Most differences of a kind that are listed.
pub const LISTED_MAX: usize = 200;
/// Rows that are read at once.
pub const ROWS_MAX: i64 = 10_000;

/// The bill and the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BillReport {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The zone they are days in.
    pub tz: String,
    /// The sums of all.
    pub total: Agreement,
    /// The sums by bot and workflow, and what else a charge is booked on.
    pub subjects: Vec<SubjectAgreement>,
    /// Calls whose charges name other tokens, the largest difference first.
    pub differing: Vec<Differing>,
    /// Calls that no charge was found for, oldest first.
    pub ours_only: Vec<OursOnly>,
    /// Charges that no call was found for, oldest first.
    pub theirs_only: Vec<TheirsOnly>,
    /// How many of each are listed at most; the sums know all.
    pub listed_max: usize,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agreement {
    /// Calls that both have.
    pub matched_calls: u64,
    /// Their charges.
    pub matched_charges: u64,
    /// Those whose tokens differ and that were not corrected.
    pub differing_calls: u64,
    /// Those that a correction made whole.
    pub corrected_calls: u64,
    /// Tokens of matched calls, as the books have them.
    pub ours_tokens: u64,
    /// Tokens of matched calls, as the bill has them.
    pub theirs_tokens: u64,
    /// What matched calls would have cost by the bill's tokens and their own terms, less what they were
    /// charged and corrected by.
    pub variance_nanos: i64,
    /// Calls that should stand in the bill and do not.
    pub ours_only_calls: u64,
    /// Their tokens.
    pub ours_only_tokens: u64,
    /// Charges that no call stands for.
    pub theirs_only_charges: u64,
    /// Their tokens.
    pub theirs_only_tokens: u64,
    /// Calls that used nothing, by the books and by the bill.
    pub quiet_calls: u64,
}

/// The sums of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SubjectAgreement {
    /// `bot`, `workflow`, or what else it is.
    pub kind: String,
    /// Its id at upstream; empty where a charge names none.
    pub id: String,
    /// What was found.
    #[serde(flatten)]
    pub sums: Agreement,
}

/// A call whose charges name other tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Differing {
    /// The call.
    pub call_id: String,
    /// Who pays.
    pub account_id: String,
    /// What was called.
    pub kind: String,
    /// Its id at upstream.
    pub id: String,
    /// When it finished.
    #[serde(serialize_with = "clock::serialize")]
    pub finished_at: DateTime<Utc>,
    /// Tokens as the books have them: in, and out; null where they are not known.
    pub ours: Option<[u64; 2]>,
    /// Tokens as the bill has them: in, and out.
    pub theirs: [u64; 2],
    /// How many charges there are.
    pub charges: u64,
    /// What it would have cost by them, less what it was charged.
    pub variance_nanos: i64,
}

/// A call that no charge was found for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OursOnly {
    /// The call.
    pub call_id: String,
    /// Who pays.
    pub account_id: String,
    /// What was called.
    pub kind: String,
    /// Its id at upstream.
    pub id: String,
    /// When it finished.
    #[serde(serialize_with = "clock::serialize")]
    pub finished_at: DateTime<Utc>,
    /// Its tokens.
    pub tokens: u64,
}

/// A charge that no call was found for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TheirsOnly {
    /// The charge, as upstream calls it.
    pub charge_id: String,
    /// When it was consumed.
    #[serde(serialize_with = "clock::serialize")]
    pub consumed_at: DateTime<Utc>,
    /// What it is booked on.
    pub kind: String,
    /// Its id at upstream; empty where the charge names none.
    pub id: String,
    /// The stamp it carries, ours or not.
    pub custom_consumer: Option<String>,
    /// Tokens in, and out.
    pub tokens: [u64; 2],
}

/// A call, and what else is needed of it.
struct Ours {
    terms: Terms,
    units: u64,
    operation: Operation,
    is_settled: bool,
    amount: Nanos,
    correction: Nanos,
    is_corrected: bool,
    total: u64,
    finished_at: DateTime<Utc>,
}

/// A charge, and what else is told of it.
struct Theirs {
    charge_id: String,
    consumer: Option<String>,
    kind: String,
    id: String,
    consumed_at: DateTime<Utc>,
}

/// Compares the days.
pub async fn read(pool: &PgPool, days: &Days) -> Result<BillReport, Error> {
    let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) else {
        return Err(Error::invalid("from", "names no day"));
    };
    let around = TimeDelta::milliseconds(i64::try_from(AROUND_MS)?);
    let begin = from.checked_sub_signed(around).unwrap_or(*from);
    let end = to.checked_add_signed(around).unwrap_or(*to);
    let (calls, ours) = calls(pool, begin, end).await?;
    let (charges, theirs) = charges(pool, begin, end).await?;
    let Matches { of_call, unmatched } = compare(&calls, &charges);
    let mut found = Found::default();
    let is_in = |at: DateTime<Utc>| *from <= at && at < *to;
    for ((call, ours), matched) in calls.iter().zip(&ours).zip(&of_call) {
        if is_in(ours.finished_at) {
            found.call(call, ours, matched.iter().filter_map(|place| charges.get(*place)))?;
        }
    }
    for place in unmatched {
        let (Some(charge), Some(theirs)) = (charges.get(place), theirs.get(place)) else {
            continue;
        };
        if is_in(theirs.consumed_at) {
            found.charge(charge, theirs);
        }
    }
    Ok(found.report(days))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    total: Agreement,
    subjects: BTreeMap<(String, String), Agreement>,
    differing: Vec<Differing>,
    ours_only: Vec<OursOnly>,
    theirs_only: Vec<TheirsOnly>,
}

fn count(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

impl Found {
    fn both(&mut self, kind: &str, id: &str, mut add: impl FnMut(&mut Agreement)) {
        add(&mut self.total);
        add(self.subjects.entry((kind.to_owned(), id.to_owned())).or_default());
    }

    fn call<'a>(
        &mut self,
        call: &Call,
        ours: &Ours,
        charges: impl Iterator<Item = &'a Charge>,
    ) -> Result<(), OutOfRange> {
        let (kind, id) = (call.subject.kind.name(), call.subject.id.as_str());
        let (mut number, mut theirs) = (0_u64, [0_u64; 2]);
        for charge in charges {
            count(&mut number, 1);
            count(&mut theirs[0], charge.tokens.0);
            count(&mut theirs[1], charge.tokens.1);
        }
        if number == 0 {
            self.unmatched(call, ours);
            return Ok(());
        }
        let variance = ours.variance(theirs)?;
        let told = call.tokens.map(|(input, output)| [input, output]);
        let is_same = told.map_or(theirs == [0, 0], |told| told == theirs);
        let is_differing = !is_same && !ours.is_corrected && ours.operation.counts_tokens();
        self.both(kind, id, |sums| {
            count(&mut sums.matched_calls, 1);
            count(&mut sums.matched_charges, number);
            count(&mut sums.differing_calls, is_differing.into());
            count(&mut sums.corrected_calls, ours.is_corrected.into());
            count(&mut sums.ours_tokens, ours.total);
            count(&mut sums.theirs_tokens, theirs[0].saturating_add(theirs[1]));
            sums.variance_nanos = sums.variance_nanos.saturating_add(variance.get());
        });
        if is_differing {
            self.differing.push(Differing {
                call_id: call.call.to_string(),
                account_id: call.account.to_string(),
                kind: kind.to_owned(),
                id: id.to_owned(),
                finished_at: ours.finished_at,
                ours: told,
                theirs,
                charges: number,
                variance_nanos: variance.get(),
            });
        }
        Ok(())
    }

    fn unmatched(&mut self, call: &Call, ours: &Ours) {
        let (kind, id) = (call.subject.kind.name(), call.subject.id.as_str());
        // What counts no tokens is billed by the piece.
        let is_used = ours.total > 0 || (ours.is_settled && !ours.operation.counts_tokens());
        self.both(kind, id, |sums| {
            if is_used {
                count(&mut sums.ours_only_calls, 1);
                count(&mut sums.ours_only_tokens, ours.total);
            } else {
                count(&mut sums.quiet_calls, 1);
            }
        });
        if is_used && self.ours_only.len() < LISTED_MAX {
            self.ours_only.push(OursOnly {
                call_id: call.call.to_string(),
                account_id: call.account.to_string(),
                kind: kind.to_owned(),
                id: id.to_owned(),
                finished_at: ours.finished_at,
                tokens: ours.total,
            });
        }
    }

    fn charge(&mut self, charge: &Charge, theirs: &Theirs) {
        let (input, output) = charge.tokens;
        self.both(&theirs.kind, &theirs.id, |sums| {
            count(&mut sums.theirs_only_charges, 1);
            count(&mut sums.theirs_only_tokens, input.saturating_add(output));
        });
        if self.theirs_only.len() < LISTED_MAX {
            self.theirs_only.push(TheirsOnly {
                charge_id: theirs.charge_id.clone(),
                consumed_at: theirs.consumed_at,
                kind: theirs.kind.clone(),
                id: theirs.id.clone(),
                custom_consumer: theirs.consumer.clone(),
                tokens: [input, output],
            });
        }
    }

    fn report(mut self, days: &Days) -> BillReport {
        let distance = |call: &Differing| {
            let ours = call.ours.unwrap_or_default();
            ours.into_iter().zip(call.theirs).map(|(ours, theirs)| ours.abs_diff(theirs)).max()
        };
        self.differing.sort_by_key(|call| std::cmp::Reverse(distance(call)));
        self.differing.truncate(LISTED_MAX);
        let subjects = self.subjects.into_iter();
        BillReport {
            from: days.first.to_string(),
            to: days.last.to_string(),
            tz: days.zone.to_string(),
            total: self.total,
            subjects: subjects
                .map(|((kind, id), sums)| SubjectAgreement { kind, id, sums })
                .collect(),
            differing: self.differing,
            ours_only: self.ours_only,
            theirs_only: self.theirs_only,
            listed_max: LISTED_MAX,
        }
    }
}

impl Ours {
    /// What it would have cost by the bill, less what it was charged and corrected by.
    fn variance(&self, theirs: [u64; 2]) -> Result<Nanos, OutOfRange> {
        let usage = meter::bill::usage(theirs[0], theirs[1]);
        let usage = usage.filter(|_| self.operation.counts_tokens());
        let reading = Reading { usage, source: Source::Bill };
        let charge = self.terms.charge(self.units, &reading)?;
        charge.minus(self.amount)?.minus(self.correction)
    }
}

/// Refuses days of which there is more than fits in memory.
fn check_count(what: &str, count: usize, max: usize) -> Result<(), Error> {
    if count <= max {
        return Ok(());
    }
    let problem = format!("names days with more than {max} {what}: ask for fewer days");
    Err(Error::invalid("from", problem))
}

async fn calls(
    pool: &PgPool,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<(Vec<Call>, Vec<Ours>), Error> {
    let (mut calls, mut ours) = (Vec::new(), Vec::new());
    let mut behind = (begin, -1_i64);
    loop {
        let rows = sqlx::query!(
            r#"SELECT e.entry_id, e.finished_at, e.admitted_at, e.call_id, e.account_id, e.operation,
                      e.subject_kind, e.subject_id, e.units, e.price_book_id,
                      e.price AS "price: Json<PriceDoc>", e.ratio_ppm, e.ending, e.input_tokens,
                      e.output_tokens, e.total_tokens, e.amount_nanos,
                      c.amount_nanos AS "corrected_nanos?"
               FROM entry e
               LEFT JOIN credit c ON c.reference = 'coze-bill:' || e.call_id
               WHERE (e.finished_at, e.entry_id) > ($1, $2) AND e.finished_at >= $1
                 AND e.finished_at < $3
               ORDER BY e.finished_at, e.entry_id LIMIT $4"#,
            behind.0,
            behind.1,
            end,
            ROWS_MAX
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { return Ok((calls, ours)) };
        behind = (last.finished_at, last.entry_id);
        for row in rows {
            let impossible = |problem: &dyn std::fmt::Display| {
                Error::impossible("entry", format_args!("{}: {problem}", row.call_id))
            };
            let operation = Operation::from_name(&row.operation);
            let operation = operation.ok_or_else(|| impossible(&row.operation))?;
            let kind = SubjectKind::from_name(&row.subject_kind);
            let kind = kind.ok_or_else(|| impossible(&row.subject_kind))?;
            // Dify's calls are not in Coze's bill.
            if operation.provider() != meter::route::Provider::Coze {
                continue;
            }
            let tokens = |tokens: Option<i64>| tokens.map(u64::try_from).transpose();
            let id = row.subject_id.parse().map_err(|error| impossible(&error))?;
            calls.push(Call {
                call: row.call_id.parse().map_err(|error| impossible(&error))?,
                account: row.account_id.parse().map_err(|error| impossible(&error))?,
                subject: Subject { kind, id },
                admitted_at: clock::unix_ms(row.admitted_at),
                finished_at: clock::unix_ms(row.finished_at),
                tokens: tokens(row.input_tokens)?.zip(tokens(row.output_tokens)?),
            });
            let correction = Nanos::new(row.corrected_nanos.unwrap_or_default());
            ours.push(Ours {
                terms: Terms {
                    book: u32::try_from(row.price_book_id)?,
                    price: (&row.price.0).into(),
                    ratio: Ratio::from_ppm(u32::try_from(row.ratio_ppm)?),
                },
                units: u64::try_from(row.units)?,
                operation,
                is_settled: row.ending == Ending::Settled.name(),
                amount: Nanos::new(row.amount_nanos),
                // A correction is taken from the account, so it is a credit below zero.
                correction: Nanos::ZERO.minus(correction)?,
                is_corrected: row.corrected_nanos.is_some(),
                total: tokens(row.total_tokens)?.unwrap_or_default(),
                finished_at: row.finished_at,
            });
        }
        check_count("calls", calls.len(), CALLS_MAX)?;
    }
}

async fn charges(
    pool: &PgPool,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<(Vec<Charge>, Vec<Theirs>), Error> {
    let (mut charges, mut theirs) = (Vec::new(), Vec::new());
    let mut behind = (begin, -1_i64);
    loop {
        let rows = sqlx::query!(
            "SELECT bill_record_id, event_id, consumed_at, root_id, custom_consumer,
                    root_entity_type, root_entity_id, input_tokens, output_tokens, account_id, call_id
             FROM bill_record
             WHERE (consumed_at, bill_record_id) > ($1, $2) AND consumed_at < $3
             ORDER BY consumed_at, bill_record_id LIMIT $4",
            behind.0,
            behind.1,
            end,
            ROWS_MAX
        )
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { return Ok((charges, theirs)) };
        behind = (last.consumed_at, last.bill_record_id);
        for row in rows {
            let kind = row.root_entity_type.map(u64::try_from).transpose()?;
            let entity = row.root_entity_id;
            charges.push(Charge {
                stamp: row.custom_consumer.as_deref().and_then(|stamp| stamp.parse().ok()),
                subject: meter::bill::compare::subject(kind, entity.as_deref()),
                root: row.root_id,
                consumed_at: clock::unix_ms(row.consumed_at),
                tokens: (u64::try_from(row.input_tokens)?, u64::try_from(row.output_tokens)?),
            });
            theirs.push(Theirs {
                charge_id: row.event_id,
                consumer: row.custom_consumer,
                kind: entity_kind(kind).to_owned(),
                id: entity.unwrap_or_default(),
                consumed_at: row.consumed_at,
            });
        }
        check_count("charges", charges.len(), CHARGES_MAX)?;
    }
}

/// What a charge is booked on (contract §1.7).
const fn entity_kind(kind: Option<u64>) -> &'static str {
    match kind {
        Some(1) => "bot",
        Some(2) => "workflow",
        Some(3) => "plugin",
        Some(4) => "app",
        Some(5) => "model",
        Some(6) => "voice",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_compared_at_once_than_fits() {
        for max in [CALLS_MAX, CHARGES_MAX] {
            assert!(check_count("calls", max, max).is_ok());
            assert!(check_count("calls", max + 1, max).is_err());
        }
    }
}
