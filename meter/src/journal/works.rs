//! Which chats and runs were made by which account, for as long as their calls are kept.
//!
//! No row is written for it. What ran since the last mark is remembered as it is; what ran before is found in
//! its call's row, and which rows to look through is told by the *prints* that each mark carries: 32 bits of
//! a hash for each chat and run of the entries that it closes. A print that is found says where to look and
//! nothing more; one that is not found says that there is nothing, at the cost of a search in memory.
//!
//! # Bounds
//! A mark closes [`MARK_EVERY`](super::MARK_EVERY) entries of at most two ids, and has a print of four bytes
//! for each. Of a million calls that are kept, that is 4 to 8 MB, and an id that nobody made makes one
//! thousand rows be read once in some 4,000 questions.

use std::collections::{BTreeSet, VecDeque};

use crate::entry::{Facts, Hash};
use crate::ids::{AccountId, UpstreamId};

use super::{CallNo, Mark};

/// Rows, from the first of them up to and without the last: where a mark's entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// The first.
    pub low: CallNo,
    /// Behind the last.
    pub high: CallNo,
}

/// The prints of what a mark closes, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prints(Box<[u32]>);

impl Prints {
    /// The prints, as they are stored: eight hexadecimal digits each.
    pub fn to_text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(self.0.len().saturating_mul(8));
        for print in &self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{print:08x}");
        }
        text
    }

    /// The prints in a stored text; `None` when it holds anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks(8).map(|chunk| {
            let chunk = str::from_utf8(chunk).ok().filter(|chunk| chunk.len() == 8)?;
            u32::from_str_radix(chunk, 16).ok()
        });
        let mut prints: Vec<u32> = digits.collect::<Option<_>>()?;
        prints.sort_unstable();
        Some(Self(prints.into()))
    }

    fn of<'a>(made: impl Iterator<Item = &'a (AccountId, UpstreamId)>) -> Self {
        let mut prints: Vec<u32> = made.map(|(account, id)| print(account, id)).collect();
        prints.sort_unstable();
        prints.dedup();
        Self(prints.into())
    }
}

fn print(account: &AccountId, id: &UpstreamId) -> u32 {
    let Hash([a, b, c, d, ..]) =
        Hash::of_parts(&[account.as_str().as_bytes(), id.as_str().as_bytes()]);
    u32::from_be_bytes([a, b, c, d])
}

/// A mark, as far as it says what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The last entry that it closes.
    pub seq: u64,
    /// Where these entries are.
    pub rows: Rows,
    /// What they made; `None` for a mark that was written without, which may have made anything.
    pub prints: Option<Prints>,
}

/// What was made by the calls that are finished and kept.
#[derive(Debug, Default)]
pub(super) struct Works {
    /// Since the last mark.
    fresh: BTreeSet<(AccountId, UpstreamId)>,
    /// Before it, oldest first.
    closed: VecDeque<Closed>,
}

impl Works {
    pub(super) fn load(closed: Vec<Closed>) -> Self {
        Self { fresh: BTreeSet::new(), closed: closed.into() }
    }

    pub(super) fn remember(&mut self, facts: &Facts) {
        let Facts { account, ids, .. } = facts;
        let made = [&ids.chat, &ids.execution].into_iter().flatten();
        self.fresh.extend(made.map(|id| (account.clone(), id.clone())));
    }

    /// Closes what was made since the last mark.
    pub(super) fn close(&mut self, mark: &Mark, before: &Mark) -> Prints {
        let prints = Prints::of(self.fresh.iter());
        self.fresh.clear();
        let rows = Rows { low: before.low, high: mark.high };
        let closed = Closed { seq: mark.tail.seq, rows, prints: Some(prints.clone()) };
        self.closed.push_back(closed);
        prints
    }

    /// Forgets the marks before this one, whose rows are not kept any more.
    pub(super) fn forget_before(&mut self, seq: u64) {
        while self.closed.front().is_some_and(|closed| closed.seq < seq) {
            self.closed.pop_front();
        }
    }

    pub(super) fn is_fresh(&self, account: &AccountId, id: &UpstreamId) -> bool {
        self.fresh.contains(&(account.clone(), id.clone()))
    }

    /// Where the call that made this may be, newest first.
    pub(super) fn rows(&self, account: &AccountId, id: &UpstreamId) -> Vec<Rows> {
        let print = print(account, id);
        let may_hold = |closed: &&Closed| match &closed.prints {
            Some(Prints(prints)) => prints.binary_search(&print).is_ok(),
            None => true,
        };
        self.closed.iter().rev().filter(may_hold).map(|closed| closed.rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_come_back_as_they_were_stored() {
        let made: Vec<_> = (0..1_000)
            .map(|id| ("acc_1".parse().unwrap(), format!("75{id}").parse().unwrap()))
            .collect();
        let prints = Prints::of(made.iter());
        assert!((990..=1_000).contains(&prints.0.len()), "{} prints", prints.0.len());
        assert_eq!(Prints::from_text(&prints.to_text()), Some(prints));
        assert_eq!(Prints::from_text(""), Some(Prints::default()));
        for bad in ["0", "0123456x", "012345678", "éééé"] {
            assert_eq!(Prints::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_made_is_looked_for_in_its_rows_and_nothing_else_anywhere() {
        let (account, other) = ("acc_1".parse().unwrap(), "acc_2".parse().unwrap());
        let id = |number: u64| -> UpstreamId { format!("75{number}").parse().unwrap() };
        let mut works = Works::default();
        let mut before = Mark::START;
        for number in 0..3 {
            works.fresh.insert((AccountId::clone(&account), id(number)));
            assert!(works.is_fresh(&account, &id(number)) && !works.is_fresh(&other, &id(number)));
            let tail = crate::entry::Tail { seq: number * 1_000 + 1_000, ..before.tail };
            let mark = Mark { tail, low: number * 1_000 + 901, high: number * 1_000 + 1_001 };
            works.close(&mark, &before);
            before = mark;
        }
        assert!(!works.is_fresh(&account, &id(0)));
        assert_eq!(works.rows(&account, &id(0)), [Rows { low: 1, high: 1_001 }]);
        assert_eq!(works.rows(&account, &id(2)), [Rows { low: 1_901, high: 3_001 }]);
        assert_eq!(works.rows(&other, &id(2)), []);
        assert_eq!(works.rows(&account, &id(3)), []);
        works.forget_before(3_000);
        assert_eq!(works.rows(&account, &id(0)), []);
        assert_eq!(works.rows(&account, &id(2)).len(), 1);
        let closed = Closed { seq: 1, rows: Rows { low: 1, high: 9 }, prints: None };
        let works = Works::load(vec![closed]);
        assert_eq!(works.rows(&other, &id(7)), [Rows { low: 1, high: 9 }]);
    }
}
