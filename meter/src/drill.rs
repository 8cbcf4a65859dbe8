//! A page that is wrong by one nano, to see whether that is noticed.
//!
//! Path: reconcile → **drill**. What proves the books has to be proved itself: a check that has silently
//! stopped checking looks the same as books without a fault. The calls here are nobody's, priced by the
//! book that every journal knows from birth.

use crate::entry::{Ending, Entry, Facts, Tail};
use crate::ids::{AccountId, CallId, Epoch, Group, KeyId, UpstreamId};
use crate::money::{Nanos, OutOfRange};
use crate::outcome::{Reading, Source};
use crate::price::PriceBook;
use crate::reconcile::{Cursor, Page};
use crate::request::{Asked, SubjectKind};
use crate::route::Operation;
use crate::time::UnixMs;
use crate::usage::{Usage, WorkIds};

/// The smallest difference there is.
pub const DRIFT: Nanos = Nanos::new(1);
/// What each call uses.
const TOKENS: (u64, u64) = (300, 65);

/// Whose calls they are, and when.
#[derive(Debug, Clone)]
pub struct Drill {
    /// The account.
    pub account: AccountId,
    /// The key that was used.
    pub key: KeyId,
    /// The bot that was called.
    pub bot: UpstreamId,
    /// Ids of two calls.
    pub calls: [CallId; 2],
    /// When they ended.
    pub at: UnixMs,
}

/// Which number of the page is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// What the second call costs: its terms give less. It is to be posted, and found.
    Charge,
    /// The running total behind the second call. Nothing of the page may be posted.
    Total,
}

/// No price applies, or an amount does not fit; neither can be, with these calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the calls of the self-test cannot be charged")]
pub struct Unchargeable;

impl From<OutOfRange> for Unchargeable {
    fn from(_: OutOfRange) -> Self {
        Self
    }
}

impl Drill {
    /// A page behind this cursor: one call that is right, and one where this is wrong by [`DRIFT`].
    pub fn page(&self, cursor: &Cursor, epoch: Epoch, wrong: Wrong) -> Result<Page, Unchargeable> {
        let [first, second] = &self.calls;
        let first = Entry::chain(self.facts(first)?, &cursor.tail)?;
        let mut facts = self.facts(second)?;
        let mut before = first.tail;
        match wrong {
            Wrong::Charge => facts.amount = facts.amount.plus(DRIFT)?,
            // Chained onto a total that nobody said.
            Wrong::Total => before = Tail { total: before.total.plus(DRIFT)?, ..before },
        }
        let second = Entry::chain(facts, &before)?;
        let head = second.tail;
        Ok(Page { epoch, entries: vec![first, second], head })
    }

    fn facts(&self, call: &CallId) -> Result<Facts, Unchargeable> {
        let asked = Asked::new(Operation::Chat, SubjectKind::Bot, self.bot.clone());
        let group = Group::standard();
        let terms = PriceBook::initial().terms(&self.account, &group, &asked);
        let terms = terms.map_err(|_| Unchargeable)?;
        let usage = Usage::from_counts(Some(TOKENS.0), Some(TOKENS.1), None);
        let reading = Reading { usage, source: Source::Reported };
        let amount = terms.charge(asked.units, &reading)?;
        Ok(Facts {
            call: call.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
            asked,
            group,
            terms,
            admitted_at: self.at,
            finished_at: self.at,
            ending: Ending::Settled,
            status: Some(200),
            code: Some(0),
            reading,
            usage_fell: false,
            ids: WorkIds::default(),
            amount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::{Code, Finding, Known, Verified, check};

    struct Books(PriceBook);

    impl Known for Books {
        fn book(&self, version: u32) -> Option<&PriceBook> {
            Some(&self.0).filter(|book| book.version == version)
        }
        fn has_account(&self, _: &AccountId) -> bool {
            true
        }
    }

    fn checked(wrong: Wrong) -> Result<(Verified, Vec<Finding>), Finding> {
        let drill = Drill {
            account: "acc_1".parse().unwrap(),
            key: "key_1".parse().unwrap(),
            bot: "7490".parse().unwrap(),
            calls: ["c1".parse().unwrap(), "c2".parse().unwrap()],
            at: UnixMs::new(1_763_700_000_000),
        };
        let epoch: Epoch = "e1".parse().unwrap();
        let cursor = Cursor { epoch: None, tail: Tail::START };
        let page = drill.page(&cursor, epoch, wrong).unwrap();
        check(&cursor, page, &Books(PriceBook::initial()))
    }

    #[test]
    fn one_nano_in_a_charge_is_the_only_thing_that_is_found() {
        let (verified, findings) = checked(Wrong::Charge).unwrap();
        assert_eq!(verified.entries().len(), 2);
        let codes: Vec<_> = findings.iter().map(|finding| (finding.code, finding.seq)).collect();
        assert_eq!(codes, [(Code::ChargeDiffers, 2)]);
    }

    #[test]
    fn one_nano_in_a_total_stops_the_page() {
        let finding = checked(Wrong::Total).unwrap_err();
        assert_eq!((finding.code, finding.seq), (Code::TotalMismatch, 2));
    }
}
