//! Those who run Weir: they top accounts up, change prices, revoke keys, suspend, copy and back up.

use meter::account::Status;
use meter::money::Nanos;

use crate::dice::Dice;
use crate::plan::{Act, Step};
use crate::shelf::Shelf;

use super::{World, book};

impl<S: Shelf> World<S> {
    /// Something is done.
    pub(super) fn step(&mut self, at: usize) {
        let Step { number, act, .. } = self.plan.steps[at];
        let mut dice = Dice::of(self.plan.seed, (1 << 42) + number);
        let account = dice.index(self.plan.shape.accounts);
        let changes = matches!(act, Act::TopUp | Act::Price | Act::Revoke | Act::Suspend);
        if changes && !self.unseen.is_empty() {
            // A ledger that was restored is pulled for before anything is changed in it.
            return;
        }
        match act {
            Act::Call => self.call(number),
            Act::TopUp => {
                let amount = Nanos::new(10_000 * i64::try_from(dice.ms(1, 4_000)).unwrap_or(1));
                let reference = format!("payment-{number}");
                let times = if dice.percent(10) { 2 } else { 1 };
                for _ in 0..times {
                    self.ledger.credit(account, amount, &reference);
                }
                self.tell(|_| format!("admin      tops account {account} up by {amount}"));
                self.wake_origins(self.journal_of(account));
            }
            Act::Price => {
                let version = self.ledger.books.keys().last().copied().unwrap_or_default() + 1;
                self.ledger.price(book(version));
                self.tell(|_| format!("admin      puts price book {version} into force"));
                (0..self.plan.shape.journals).for_each(|journal| self.wake_origins(journal));
            }
            Act::Revoke => {
                let key = format!("key_{account}_{}", self.keys[account]);
                self.tell(|_| format!("admin      revokes {key}"));
                self.ledger.revoke(key.parse().expect("a key"), self.journal_of(account));
                self.keys[account] += 1;
                self.wake_origins(self.journal_of(account));
            }
            Act::Suspend => {
                self.tell(|_| format!("admin      suspends account {account}, or lets it in"));
                self.ledger.change_account(account, |account| {
                    account.status = match account.status {
                        Status::Active if dice.percent(30) => Status::Suspended,
                        Status::Active | Status::Suspended => Status::Active,
                    };
                });
                self.wake_origins(self.journal_of(account));
            }
            Act::Copy(journal) => {
                self.tell(|_| format!("admin      copies the storage of journal {journal}"));
                let copy = self.places[journal].object.shelf().copy();
                self.places[journal].copy = Some((copy, self.court.tail(journal).seq));
            }
            Act::Backup => {
                self.tell(|_| "admin      backs the ledger up".to_owned());
                self.backup = Some(self.ledger.clone());
            }
        }
    }
}
