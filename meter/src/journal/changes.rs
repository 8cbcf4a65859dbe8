//! What the origin says: accounts, revoked keys, prices.

use crate::account::{Account, Standing};
use crate::ids::KeyId;
use crate::price::PriceBook;
use crate::price::plan::Dated;
use crate::time::UnixMs;

use super::{Decision, Effect, Journal};

/// Whole states of what changed up to a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The revision they lead to.
    pub upto: u64,
    /// Accounts, in full.
    pub accounts: Vec<Account>,
    /// Keys that are no longer good.
    pub revoked_keys: Vec<KeyId>,
    /// The price book now in force.
    pub book: Option<PriceBook>,
    /// The one that follows it, when there is one. Without a `book` it says nothing.
    pub next_book: Option<Dated>,
}

impl Journal {
    /// Applies changes, unless they are older than what was applied already.
    ///
    /// Calls that are running keep the terms they were admitted under.
    pub fn apply(&mut self, change: Change) -> Decision<()> {
        if change.upto <= self.applied {
            return Decision::unchanged(());
        }
        let Change { upto, accounts, revoked_keys, book, next_book } = change;
        let mut effects = Vec::new();
        for account in accounts {
            if self.standings.get(&account.id).is_some_and(|known| known.account == account) {
                continue;
            }
            effects.push(Effect::SaveAccount(account.clone()));
            self.standings
                .entry(account.id.clone())
                .and_modify(|standing| standing.account = account.clone())
                .or_insert_with(|| Standing::new(account));
        }
        for key in revoked_keys {
            if self.revoked.insert(key.clone()) {
                effects.push(Effect::SaveRevoked(key));
            }
        }
        if let Some(book) = book {
            if book != self.book {
                self.book = book.clone();
                effects.push(Effect::SaveBook(book));
            }
            if next_book != self.next_book {
                self.next_book.clone_from(&next_book);
                effects.push(Effect::SaveNextBook(next_book));
            }
        }
        self.applied = upto;
        effects.push(Effect::SaveApplied(upto));
        Decision { reply: (), effects }
    }

    /// The price book for a call that is admitted now. The next one comes into force by the clock and
    /// not by a pull, so that it does so while the origin is away, too.
    pub(super) fn book_at(&self, now: UnixMs) -> &PriceBook {
        match &self.next_book {
            Some(next) if next.starts_at <= now => &next.book,
            _ => &self.book,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Limits, Overdraft, Settings, Status};
    use crate::ids::Group;
    use crate::journal::{Admission, Entrance, Stored};
    use crate::money::Nanos;
    use crate::request::{Asked, SubjectKind};
    use crate::route::Operation;

    const DECEMBER: UnixMs = UnixMs::new(1_796_054_400_000);

    fn book(version: u32) -> PriceBook {
        PriceBook { version, ..PriceBook::initial() }
    }

    fn told(upto: u64, now: u32, next: Option<(UnixMs, u32)>) -> Change {
        let account = Account {
            id: "acc_1".parse().unwrap(),
            status: Status::Active,
            group: Group::standard(),
            overdraft: Overdraft::Unlimited,
            credits: Nanos::ZERO,
            settings: Settings::default(),
        };
        let dated = |(starts_at, version)| Dated { starts_at, book: book(version) };
        Change {
            upto,
            accounts: vec![account],
            book: Some(book(now)),
            next_book: next.map(dated),
            ..Change::default()
        }
    }

    /// The book that a call which is admitted then is charged by.
    #[track_caller]
    fn check(journal: &mut Journal, now: UnixMs, want: u32) {
        let asked =
            Asked::new(Operation::WorkflowRun, SubjectKind::Workflow, "7480".parse().unwrap());
        let asks = Admission {
            call: format!("c{}", journal.open.len()).parse().unwrap(),
            account: "acc_1".parse().unwrap(),
            key: "key_1".parse().unwrap(),
            limits: Limits::default(),
            asked,
            attempt: None,
            session: None,
        };
        let admitted = journal.admit(asks, None, now).reply;
        assert!(matches!(admitted, Entrance::Admitted(_)), "{admitted:?}");
        assert_eq!(journal.holds().last().unwrap().terms.book, want);
    }

    #[test]
    fn the_next_book_is_in_force_from_its_first_millisecond_and_not_before() {
        let mut journal = Journal::load(Stored::nothing(), 1, DECEMBER);
        let _ = journal.apply(told(1, 5, Some((DECEMBER, 6))));
        check(&mut journal, UnixMs::new(DECEMBER.get() - 1), 5);
        check(&mut journal, DECEMBER, 6);
        // Once the origin says so too, nothing changes.
        let _ = journal.apply(told(2, 6, None));
        check(&mut journal, DECEMBER, 6);
    }

    #[test]
    fn a_next_book_that_was_put_off_or_taken_back_does_not_come() {
        let mut journal = Journal::load(Stored::nothing(), 1, DECEMBER);
        let _ = journal.apply(told(1, 5, Some((DECEMBER, 6))));
        let put_off = journal.apply(told(2, 5, Some((DECEMBER.plus_ms(9), 7))));
        assert!(put_off.effects.iter().any(|it| matches!(it, Effect::SaveNextBook(Some(_)))));
        check(&mut journal, DECEMBER.plus_ms(8), 5);
        let taken_back = journal.apply(told(3, 5, None));
        assert!(taken_back.effects.contains(&Effect::SaveNextBook(None)));
        check(&mut journal, DECEMBER.plus_ms(9), 5);
        let without = Change { book: None, ..told(4, 5, Some((DECEMBER, 8))) };
        let _ = journal.apply(without);
        check(&mut journal, DECEMBER.plus_ms(9), 5);
    }
}
