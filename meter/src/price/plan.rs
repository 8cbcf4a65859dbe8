//! Which book is in force when.
//!
//! A book has a start, and is in force from then until the next one starts. Of several with the same
//! start the newest counts: it took the place of those before it. So nothing is ever edited, and what
//! is planned is changed by a newer book with the same start.
//!
//! # A change while others are planned
//! What is changed from a point in time on holds from then on, in the books planned for later too,
//! except for what such a book itself decides. Somebody who plans a price for December and sets another
//! today sees today's until December, and the planned one from then on; whoever sets something that the
//! planned book says nothing about sees it in December as well. [`carry`] is that rule.
//!
//! # Bounds
//! At most [`PLANNED_MAX`] starts lie ahead.

use std::collections::BTreeMap;

use crate::money::OutOfRange;
use crate::time::UnixMs;

use super::PriceBook;

/// Most starts that may lie ahead.
pub const PLANNED_MAX: usize = 50;

/// A book, and when it comes into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// The first instant.
    pub starts_at: UnixMs,
    /// The book.
    pub book: PriceBook,
}

/// The book in force, and those that are to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    in_force: PriceBook,
    /// By start; each start once.
    ahead: BTreeMap<UnixMs, PriceBook>,
    /// The highest number that was ever given.
    newest: u32,
}

/// Why a change cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// [`PLANNED_MAX`] starts lie ahead already.
    #[error("at most {PLANNED_MAX} books can be planned")]
    Full,
    /// No more numbers.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Plan {
    /// The book in force and, in any order, those ahead of it. `newest` is the highest number there is.
    pub fn new(in_force: PriceBook, ahead: Vec<Dated>, newest: u32) -> Self {
        let mut by_start = BTreeMap::new();
        for Dated { starts_at, book } in ahead {
            let known: &mut PriceBook = by_start.entry(starts_at).or_insert_with(|| book.clone());
            if known.version < book.version {
                *known = book;
            }
        }
        Self { in_force, ahead: by_start, newest }
    }

    /// The book in force now.
    pub fn in_force(&self) -> &PriceBook {
        &self.in_force
    }

    /// The books to come, by their start.
    pub fn ahead(&self) -> impl Iterator<Item = (UnixMs, &PriceBook)> {
        self.ahead.iter().map(|(starts_at, book)| (*starts_at, book))
    }

    /// The book in force at that time; now where it is `None`.
    pub fn at(&self, time: Option<UnixMs>) -> &PriceBook {
        let last = time.and_then(|time| self.ahead.range(..=time).next_back());
        last.map_or(&self.in_force, |(_, book)| book)
    }

    /// The book that is followed by the one that starts then.
    pub fn before(&self, start: UnixMs) -> &PriceBook {
        self.ahead.range(..start).next_back().map_or(&self.in_force, |(_, book)| book)
    }

    /// The books that a change from `start` on leads to, numbered and by their start; the first one is
    /// the changed book itself. None when the book in force then says so already.
    ///
    /// `now` is the start of what is changed at once.
    pub fn revise(
        &self,
        start: Option<UnixMs>,
        now: UnixMs,
        changed: PriceBook,
    ) -> Result<Vec<Dated>, PlanError> {
        let mut before = self.at(start).clone();
        let mut after = PriceBook { version: before.version, ..changed };
        if before == after {
            return Ok(Vec::new());
        }
        let start = start.unwrap_or(now);
        if start > now && !self.ahead.contains_key(&start) && self.ahead.len() >= PLANNED_MAX {
            return Err(PlanError::Full);
        }
        let mut version = self.newest;
        let mut made = Vec::new();
        let mut later = self.ahead.range(start..).filter(|(then, _)| **then > start);
        let mut starts_at = start;
        loop {
            version = version.checked_add(1).ok_or(OutOfRange)?;
            made.push(Dated { starts_at, book: PriceBook { version, ..after.clone() } });
            let Some((then, planned)) = later.next() else { break };
            let mut carried = planned.clone();
            carry(&before, &after, &mut carried);
            if carried == *planned {
                break;
            }
            (before, after, starts_at) = (planned.clone(), carried, *then);
        }
        Ok(made)
    }
}

/// Brings what differs from `before` to `after` into a later book, except where that book had decided
/// otherwise than `before`.
pub fn carry(before: &PriceBook, after: &PriceBook, later: &mut PriceBook) {
    if later.deny_unpriced == before.deny_unpriced {
        later.deny_unpriced = after.deny_unpriced;
    }
    carry_map(&before.groups, &after.groups, &mut later.groups);
    carry_map(&before.prices, &after.prices, &mut later.prices);
}

fn carry_map<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    later: &mut BTreeMap<K, V>,
) {
    for key in before.keys().chain(after.keys()) {
        let (was, is) = (before.get(key), after.get(key));
        if was == is || later.get(key) != was {
            continue;
        }
        match is {
            Some(value) => later.insert(key.clone(), value.clone()),
            None => later.remove(key),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::{Nanos, Ratio};
    use crate::price::{Price, Scope};

    const NOW: UnixMs = UnixMs::new(1_000);
    const DECEMBER: UnixMs = UnixMs::new(2_000);
    const JANUARY: UnixMs = UnixMs::new(3_000);

    fn scope(subject: u8) -> Scope {
        Scope::Subject(subject.to_string().parse().unwrap())
    }

    fn per_call(nanos: i64) -> Price {
        Price::PerCall { amount: Nanos::new(nanos) }
    }

    fn start() -> Plan {
        let book = PriceBook { version: 5, ..PriceBook::initial() };
        Plan::new(book, Vec::new(), 5)
    }

    /// The plan once the new books stand beside the old ones.
    fn with(plan: &Plan, made: Vec<Dated>) -> Plan {
        let newest = made.last().map_or(plan.newest, |last| last.book.version);
        let (now, ahead): (Vec<_>, Vec<_>) =
            made.into_iter().partition(|dated| dated.starts_at <= NOW);
        let now = now.into_iter().next().map(|dated| dated.book);
        let in_force = now.unwrap_or_else(|| plan.in_force.clone());
        let known = plan.ahead().map(|(starts_at, book)| Dated { starts_at, book: book.clone() });
        Plan::new(in_force, known.chain(ahead).collect(), newest)
    }

    fn set(plan: &Plan, from: Option<UnixMs>, subject: u8, price: Option<Price>) -> Plan {
        let mut book = plan.at(from).clone();
        match price {
            Some(price) => book.prices.insert(scope(subject), price),
            None => book.prices.remove(&scope(subject)),
        };
        let made = plan.revise(from, NOW, book).unwrap();
        with(plan, made)
    }

    fn price(plan: &Plan, at: UnixMs, subject: u8) -> Option<Price> {
        plan.at(Some(at)).prices.get(&scope(subject)).copied()
    }

    #[test]
    fn what_is_said_already_makes_no_book() {
        let plan = start();
        let same = PriceBook { version: 99, ..plan.in_force().clone() };
        assert_eq!(plan.revise(None, NOW, same.clone()), Ok(Vec::new()));
        assert_eq!(plan.revise(Some(DECEMBER), NOW, same), Ok(Vec::new()));
        let planned = set(&plan, Some(DECEMBER), 1, Some(per_call(7)));
        assert_eq!(set(&planned, Some(DECEMBER), 1, Some(per_call(7))), planned, "twice is once");
    }

    #[test]
    fn a_planned_price_is_not_in_force_before_its_start() {
        let plan = set(&start(), Some(DECEMBER), 1, Some(per_call(7)));
        assert_eq!(plan.in_force().version, 5);
        assert_eq!(price(&plan, UnixMs::new(DECEMBER.get() - 1), 1), None);
        assert_eq!(price(&plan, DECEMBER, 1), Some(per_call(7)));
        assert_eq!((plan.at(Some(DECEMBER)).version, plan.before(DECEMBER).version), (6, 5));
    }

    #[test]
    fn a_change_now_holds_later_too_except_for_what_is_planned_otherwise() {
        let plan = set(&start(), Some(DECEMBER), 1, Some(per_call(7)));
        let plan = set(&plan, None, 2, Some(per_call(8)));
        assert_eq!(
            (price(&plan, NOW, 2), price(&plan, DECEMBER, 2)),
            (Some(per_call(8)), Some(per_call(8)))
        );
        assert_eq!((price(&plan, NOW, 1), price(&plan, DECEMBER, 1)), (None, Some(per_call(7))));
        let versions: Vec<_> = plan.ahead().map(|(_, book)| book.version).collect();
        assert_eq!((plan.in_force().version, versions), (7, vec![8]));
        // The planned book decided about 1 itself.
        let plan = set(&plan, None, 1, Some(per_call(9)));
        assert_eq!(
            (price(&plan, NOW, 1), price(&plan, DECEMBER, 1)),
            (Some(per_call(9)), Some(per_call(7)))
        );
        assert_eq!(plan.ahead().count(), 1);
    }

    #[test]
    fn a_change_between_two_planned_books_leaves_the_earlier_one_alone() {
        let plan = set(&start(), Some(JANUARY), 1, Some(per_call(7)));
        let plan = set(&plan, Some(DECEMBER), 2, Some(per_call(8)));
        assert_eq!(price(&plan, NOW, 2), None);
        assert_eq!(
            (price(&plan, DECEMBER, 2), price(&plan, JANUARY, 2)),
            (Some(per_call(8)), Some(per_call(8)))
        );
        let plan = set(&plan, Some(JANUARY), 2, None);
        assert_eq!(
            (price(&plan, DECEMBER, 2), price(&plan, JANUARY, 2)),
            (Some(per_call(8)), None)
        );
    }

    #[test]
    fn of_books_with_the_same_start_the_newest_counts() {
        let plan = set(&start(), Some(DECEMBER), 1, Some(per_call(7)));
        let plan = set(&plan, Some(DECEMBER), 1, Some(per_call(8)));
        assert_eq!(price(&plan, DECEMBER, 1), Some(per_call(8)));
        assert_eq!(plan.ahead().count(), 1);
    }

    #[test]
    fn no_more_books_are_planned_than_the_bound() {
        let mut plan = start();
        for number in 0..PLANNED_MAX as u64 {
            let nanos = i64::try_from(number).unwrap();
            plan = set(&plan, Some(DECEMBER.plus_ms(number)), 1, Some(per_call(nanos)));
        }
        let mut book = plan.at(Some(JANUARY)).clone();
        book.groups.insert("vip".parse().unwrap(), Ratio::from_ppm(2));
        let full = plan.revise(Some(JANUARY), NOW, book.clone());
        assert_eq!(full, Err(PlanError::Full));
        assert!(plan.revise(None, NOW, book.clone()).is_ok(), "what is changed now is not planned");
        assert!(plan.revise(Some(DECEMBER), NOW, book).is_ok(), "this start is planned already");
    }

    #[derive(Debug, Clone)]
    struct Step {
        from: Option<u64>,
        subject: u8,
        nanos: Option<i64>,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        (prop::option::of(1_001..1_006_u64), 0..3_u8, prop::option::of(0..4_i64))
            .prop_map(|(from, subject, nanos)| Step { from, subject, nanos })
    }

    proptest! {
        /// For each subject: from when a change was asked for, what was asked last for each of these
        /// times, is what the subject costs from then until the next time at which it changes.
        #[test]
        fn no_change_is_lost_whatever_is_planned(steps in prop::collection::vec(any_step(), 0..20)) {
            let mut plan = start();
            let mut said: BTreeMap<u8, BTreeMap<u64, Option<Price>>> = BTreeMap::new();
            for Step { from, subject, nanos } in steps {
                let price = nanos.map(per_call);
                plan = set(&plan, from.map(UnixMs::new), subject, price);
                let said = said.entry(subject).or_default();
                let at = from.unwrap_or(NOW.get());
                // What a later time says only because an earlier one did goes with the earlier one.
                let is = |at: u64| said.range(..=at).next_back().and_then(|(_, price)| *price);
                let was = is(at);
                let after: Vec<u64> = said.range(at..).map(|(at, _)| *at).filter(|then| *then > at).collect();
                if was != price {
                    let decided = after.into_iter().find(|then| is(*then) != is(then.saturating_sub(1)));
                    let last = decided.unwrap_or(u64::MAX);
                    let gone: Vec<u64> = said.range(at..last).map(|(at, _)| *at).collect();
                    said.retain(|at, _| !gone.contains(at));
                    said.insert(at, price);
                }
            }
            for (subject, said) in said {
                for at in 1_000..1_007 {
                    let want = said.range(..=at).next_back().and_then(|(_, price)| *price);
                    prop_assert_eq!(price(&plan, UnixMs::new(at), subject), want, "{} at {}", subject, at);
                }
            }
        }
    }
}
