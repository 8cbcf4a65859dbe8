//! A month of one account, closed.
//!
//! Path: ledger → **statement** → its reader. A [`Statement`] is what was credited and charged in one
//! month of the account's calendar, between an opening and a closing balance. Its one written form
//! ([`Statement::to_text`]) ends in a hash over all of it and names the hash of the statement before, so
//! that neither a figure nor a whole month can be changed or left out unnoticed.
//!
//! # Invariants
//! - closing = opening + credits − charges; the days sum to the charges, and so do the subjects.
//! - A text that [`read`] accepts is, to the byte, what [`Statement::to_text`] writes: any other byte
//!   anywhere is refused.
//! - What is late for a month that was closed belongs to the next one, once ([`Cut::takes`]).
//!
//! # Out of scope
//! Time zones: days come as the dates they are. Pages for people are made of the same text by the shell.

#![deny(clippy::arithmetic_side_effects)]

mod sums;
mod text;

use crate::entry::Hash;
use crate::ids::AccountId;
use crate::money::Nanos;
use crate::time::UnixMs;

pub use sums::{Disagreement, Sums};
pub use text::{NotAStatement, STATEMENT_BYTES_MAX, read};

/// The version of the written form.
pub const STATEMENT_VERSION: u32 = 1;

/// What a statement covers: everything that finished before its end and was posted by its closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where the month ends.
    pub end: UnixMs,
    /// The last posting that was there when it was closed.
    pub posted: i64,
}

impl Cut {
    /// Before the first statement.
    pub const START: Self = Self { end: UnixMs::new(0), posted: 0 };

    /// Whether the statement with this cut, behind the one with the cut `before`, takes in a posting.
    ///
    /// Of any number of statements that follow each other exactly one takes it, the first one that is
    /// closed after the posting was there and ends after it finished.
    pub fn takes(&self, before: &Self, finished_at: UnixMs, posting: i64) -> bool {
        let covers = |cut: &Self| finished_at < cut.end && posting <= cut.posted;
        covers(self) && !covers(before)
    }
}

/// A closed month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whose.
    pub account: AccountId,
    /// The account's name when it was closed.
    pub name: String,
    /// The first is number one.
    pub number: u32,
    /// The month, as `2026-10`.
    pub month: String,
    /// The IANA name of the zone whose calendar it is.
    pub zone: String,
    /// Where it begins.
    pub from: UnixMs,
    /// Where it ends, not included.
    pub to: UnixMs,
    /// The hash of the statement before; zeros for the first.
    pub previous: Hash,
    /// The balance that the statement before closed with.
    pub opening: Nanos,
    /// Money given and taken back, in the order in which that was done.
    pub credits: Vec<CreditLine>,
    /// Calls by the day on which they finished; late ones on a day of an earlier month.
    pub days: Vec<DayLine>,
    /// The same calls by what was called.
    pub subjects: Vec<SubjectLine>,
    /// The balance it closes with.
    pub closing: Nanos,
}

/// Money given or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditLine {
    /// The day, as `2026-10-31`.
    pub day: String,
    /// `grant`, `top_up`, `refund` or `adjustment`.
    pub kind: String,
    /// How much; negative when taken back.
    pub amount: Nanos,
    /// The payment's own reference, or nothing.
    pub reference: String,
    /// Why.
    pub reason: String,
}

/// The calls of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLine {
    /// The day, as `2026-10-31`.
    pub day: String,
    /// Their sums.
    pub sums: Sums,
}

/// The calls of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectLine {
    /// What was called.
    pub operation: String,
    /// What kind of thing it is.
    pub kind: String,
    /// Its id.
    pub subject: String,
    /// Their sums.
    pub sums: Sums,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(end: u64, posted: i64) -> Cut {
        Cut { end: UnixMs::new(end), posted }
    }

    /// Which of three statements take the posting in.
    fn takers(finished_at: u64, posting: i64) -> Vec<usize> {
        let cuts = [Cut::START, cut(100, 7), cut(200, 9), cut(300, 20)];
        let pairs = cuts.windows(2).enumerate();
        let takers =
            pairs.filter(|(_, pair)| pair[1].takes(&pair[0], UnixMs::new(finished_at), posting));
        takers.map(|(at, _)| at).collect()
    }

    #[test]
    fn a_late_posting_belongs_to_the_next_statement_and_to_no_other() {
        assert_eq!(takers(99, 7), [0]);
        assert_eq!(takers(99, 8), [1]);
        assert_eq!(takers(99, 10), [2]);
        assert_eq!(takers(100, 7), [1]);
        assert_eq!(takers(250, 3), [2]);
        assert_eq!(takers(300, 3), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn every_posting_that_is_covered_at_all_is_taken_in_once(
            steps in proptest::collection::vec((1..50u64, 0..9i64), 1..12),
            finished_at in 0..400u64,
            posting in 1..60i64,
        ) {
            let mut last = Cut::START;
            let mut cuts = vec![last];
            for (months, postings) in steps {
                let posted = last.posted.saturating_add(postings);
                last = Cut { end: last.end.plus_ms(months), posted };
                cuts.push(last);
            }
            let at = UnixMs::new(finished_at);
            let taken = cuts.windows(2).filter(|pair| pair[1].takes(&pair[0], at, posting)).count();
            let is_covered = at < last.end && posting <= last.posted;
            proptest::prop_assert_eq!(taken, usize::from(is_covered));
        }
    }
}
