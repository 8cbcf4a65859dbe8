//! What posting a page means, in rows.
//!
//! Path: reconcile → **ledger** → Postgres. Verified entries become postings, one each; what they add
//! to each account's balance; and what they add to the sums of hours and days. The shell writes exactly
//! this in one transaction, so that balance, rollups and postings cannot disagree.
//!
//! # Invariants
//! - The sum of the postings, of the balances' changes and of each kind of rollups is the same number.
//! - However entries are cut into pages, the sums over all pages are the same.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use crate::entry::{Ending, Entry};
use crate::ids::{AccountId, CallId, KeyId};
use crate::money::{Nanos, OutOfRange};
use crate::request::Subject;
use crate::route::Operation;
use crate::time::UnixMs;

/// Milliseconds in an hour, the width of the finest rollup.
pub const HOUR_MS: u64 = 3_600_000;
/// Milliseconds in a day of UTC: 24 hours, always.
pub const DAY_MS: u64 = 86_400_000;

/// The movement of money that one entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Who pays.
    pub account: AccountId,
    /// For which call.
    pub call: CallId,
    /// How much.
    pub amount: Nanos,
}

/// What entries add to an account's balance row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spending {
    /// The sum of the amounts.
    pub spent: Nanos,
    /// How many entries there are.
    pub entries: u64,
}

/// What a rollup sums over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupKey {
    /// Who pays.
    pub account: AccountId,
    /// The start of the hour or of the day, UTC, in which the calls finished.
    pub since: UnixMs,
    /// What was called.
    pub operation: Operation,
    /// What it was priced by.
    pub subject: Subject,
    /// Which key was used.
    pub key: KeyId,
}

/// The sums of some calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rollup {
    /// How many there were.
    pub calls: u64,
    /// How many of them were charged by their reading.
    pub settled: u64,
    /// How many were not: released or expired.
    pub failed: u64,
    /// Tokens in, where known.
    pub input_tokens: u64,
    /// Tokens out, where known.
    pub output_tokens: u64,
    /// Tokens in total, where known.
    pub total_tokens: u64,
    /// What they cost.
    pub amount: Nanos,
}

/// Everything that posting some entries adds to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Movements {
    /// One per entry, in order.
    pub postings: Vec<Posting>,
    /// By account.
    pub spending: BTreeMap<AccountId, Spending>,
    /// By hour and what was called.
    pub hours: BTreeMap<RollupKey, Rollup>,
    /// By day and what was called.
    pub days: BTreeMap<RollupKey, Rollup>,
    /// By hour alone.
    pub course: BTreeMap<UnixMs, Rollup>,
}

impl Movements {
    /// What these entries move.
    pub fn of(entries: &[Entry]) -> Result<Self, OutOfRange> {
        let mut movements = Self::default();
        for entry in entries {
            let facts = &entry.facts;
            movements.postings.push(Posting {
                account: facts.account.clone(),
                call: facts.call.clone(),
                amount: facts.amount,
            });
            let spending = movements.spending.entry(facts.account.clone()).or_default();
            *spending = spending.plus(Spending { spent: facts.amount, entries: 1 })?;
            let (hour, day) = (hour_of(facts.finished_at), day_of(facts.finished_at));
            let rollup = Rollup::of(entry);
            add(&mut movements.hours, RollupKey::of(entry, hour), rollup)?;
            add(&mut movements.days, RollupKey::of(entry, day), rollup)?;
            add(&mut movements.course, hour, rollup)?;
        }
        Ok(movements)
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Rollup>, key: K, more: Rollup) -> Result<(), OutOfRange> {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(more)?;
    Ok(())
}

impl Spending {
    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            spent: self.spent.plus(other.spent)?,
            entries: plus(self.entries, other.entries)?,
        })
    }
}

impl RollupKey {
    /// Where an entry belongs, among the sums of the time that began then.
    fn of(entry: &Entry, since: UnixMs) -> Self {
        let facts = &entry.facts;
        Self {
            account: facts.account.clone(),
            since,
            operation: facts.asked.operation,
            subject: facts.asked.subject.clone(),
            key: facts.key.clone(),
        }
    }
}

impl Rollup {
    /// The sums of a single entry.
    fn of(entry: &Entry) -> Self {
        let facts = &entry.facts;
        let settled = facts.ending == Ending::Settled;
        let usage = facts.reading.usage;
        Self {
            calls: 1,
            settled: settled.into(),
            failed: (!settled).into(),
            input_tokens: usage.and_then(|usage| usage.input).unwrap_or_default(),
            output_tokens: usage.and_then(|usage| usage.output).unwrap_or_default(),
            total_tokens: usage.map(|usage| usage.total).unwrap_or_default(),
            amount: facts.amount,
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Ok(Self {
            calls: plus(self.calls, other.calls)?,
            settled: plus(self.settled, other.settled)?,
            failed: plus(self.failed, other.failed)?,
            input_tokens: plus(self.input_tokens, other.input_tokens)?,
            output_tokens: plus(self.output_tokens, other.output_tokens)?,
            total_tokens: plus(self.total_tokens, other.total_tokens)?,
            amount: self.amount.plus(other.amount)?,
        })
    }
}

/// Sums that differ, by what they sum over: what stands, and what should; `None` where there is no row.
pub type Differing<K> = BTreeMap<K, (Option<Rollup>, Option<Rollup>)>;

/// Where sums differ.
pub fn differing<K: Ord + Clone>(
    stand: &BTreeMap<K, Rollup>,
    should: &BTreeMap<K, Rollup>,
) -> Differing<K> {
    let keys = stand.keys().chain(should.keys());
    let pairs = keys.map(|key| (key, (stand.get(key).copied(), should.get(key).copied())));
    let differ = pairs.filter(|(_, (stands, should))| stands != should);
    differ.map(|(key, pair)| (key.clone(), pair)).collect()
}

/// The start of the hour, UTC. 1970 began on a full hour and UTC days have 24 of them.
pub fn hour_of(time: UnixMs) -> UnixMs {
    start_of(time, HOUR_MS)
}

/// The start of the day, UTC.
pub fn day_of(time: UnixMs) -> UnixMs {
    start_of(time, DAY_MS)
}

fn start_of(time: UnixMs, width_ms: u64) -> UnixMs {
    let into_it = time.get().checked_rem(width_ms).unwrap_or_default();
    UnixMs::new(time.get().saturating_sub(into_it))
}

fn plus(left: u64, right: u64) -> Result<u64, OutOfRange> {
    left.checked_add(right).ok_or(OutOfRange)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests use small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Tail;
    use crate::reconcile::Cursor;
    use crate::reconcile::tests::{any_chain, any_cuts, chain, cut, facts, verify};

    /// Adds up the movements of several pages.
    fn add_page(sum: &mut Movements, more: Movements) {
        sum.postings.extend(more.postings);
        for (account, spending) in more.spending {
            let row = sum.spending.entry(account).or_default();
            *row = row.plus(spending).unwrap();
        }
        for (key, rollup) in more.hours {
            add(&mut sum.hours, key, rollup).unwrap();
        }
        for (key, rollup) in more.days {
            add(&mut sum.days, key, rollup).unwrap();
        }
        for (hour, rollup) in more.course {
            add(&mut sum.course, hour, rollup).unwrap();
        }
    }

    #[test]
    fn a_call_that_was_not_settled_counts_as_failed() {
        let released = crate::entry::Facts {
            ending: Ending::Released,
            amount: Nanos::ZERO,
            ..facts(2, 0, 20)
        };
        let movements = Movements::of(&chain([facts(1, 0, 10), released])).unwrap();
        let rollups: Vec<_> = movements.hours.into_values().collect();
        let want = Rollup {
            calls: 2,
            settled: 1,
            failed: 1,
            input_tokens: 0,
            output_tokens: 0,
            total_tokens: 30,
            amount: Nanos::from_quota(10).unwrap(),
        };
        assert_eq!(rollups, [want]);
    }

    #[test]
    fn only_sums_that_differ_are_given_with_what_stands_and_what_should() {
        let should = Movements::of(&chain([facts(1, 0, 10), facts(2, 1, 20)])).unwrap().hours;
        assert!(differing(&should, &should).is_empty());
        let (first, second) = (should.keys().next().unwrap(), should.keys().nth(1).unwrap());
        let mut stand = should.clone();
        stand.remove(first);
        let more = stand.get_mut(second).unwrap();
        more.amount = more.amount.plus(Nanos::new(1)).unwrap();
        let extra = RollupKey { since: UnixMs::new(0), ..first.clone() };
        stand.insert(extra.clone(), Rollup::default());
        let found = differing(&stand, &should);
        assert_eq!(found.len(), 3);
        assert_eq!(found[first], (None, Some(should[first])));
        assert_eq!(found[second], (Some(stand[second]), Some(should[second])));
        assert_eq!(found[&extra], (Some(Rollup::default()), None));
    }

    #[test]
    fn an_hour_and_a_day_begin_with_their_first_millisecond() {
        assert_eq!(hour_of(UnixMs::new(HOUR_MS - 1)), UnixMs::new(0));
        assert_eq!(hour_of(UnixMs::new(HOUR_MS)), UnixMs::new(HOUR_MS));
        assert_eq!(hour_of(UnixMs::new(u64::MAX)).get() % HOUR_MS, 0);
        assert_eq!(day_of(UnixMs::new(DAY_MS - 1)), UnixMs::new(0));
        assert_eq!(day_of(UnixMs::new(DAY_MS)), UnixMs::new(DAY_MS));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let most = Rollup { amount: Nanos::MAX, ..Rollup::default() };
        assert_eq!(most.plus(Rollup { amount: Nanos::new(1), ..most }), Err(OutOfRange));
        let most = Rollup { total_tokens: u64::MAX, ..Rollup::default() };
        assert_eq!(most.plus(most), Err(OutOfRange));
    }

    proptest! {
        #[test]
        fn all_sums_are_the_chains_total(entries in any_chain()) {
            let total = i128::from(entries.last().unwrap().tail.total.get());
            let movements = Movements::of(&entries).unwrap();
            let sum = |amounts: Vec<Nanos>| -> i128 {
                amounts.into_iter().map(|amount| i128::from(amount.get())).sum()
            };
            let Movements { postings, spending, hours, days, course } = movements;
            prop_assert_eq!(sum(postings.iter().map(|posting| posting.amount).collect()), total);
            prop_assert_eq!(sum(spending.values().map(|row| row.spent).collect()), total);
            let calls = u64::try_from(entries.len()).unwrap();
            prop_assert_eq!(spending.values().map(|row| row.entries).sum::<u64>(), calls);
            let rollups: [Vec<Rollup>; 3] = [
                hours.values().copied().collect(),
                days.values().copied().collect(),
                course.values().copied().collect(),
            ];
            for rollups in rollups {
                prop_assert_eq!(sum(rollups.iter().map(|row| row.amount).collect()), total);
                prop_assert_eq!(rollups.iter().map(|row| row.calls).sum::<u64>(), calls);
                prop_assert!(rollups.iter().all(|row| row.settled + row.failed == row.calls));
            }
            prop_assert!(hours.keys().all(|key| key.since == hour_of(key.since)));
            prop_assert!(days.keys().all(|key| key.since == day_of(key.since)));
        }

        #[test]
        fn however_entries_are_cut_into_pages_the_same_is_posted(
            entries in any_chain(),
            cuts in any_cuts(),
        ) {
            let mut cursor = Cursor { epoch: None, tail: Tail::START };
            let mut sum = Movements::default();
            for page in cut(&entries, &cuts) {
                let verified = verify(&cursor, page).unwrap();
                cursor.tail = *verified.tail();
                add_page(&mut sum, Movements::of(verified.entries()).unwrap());
            }
            prop_assert_eq!(sum, Movements::of(&entries).unwrap());
        }
    }
}
