//! What the origin says: accounts, revoked keys, prices.

use crate::account::{Account, Standing};
use crate::ids::KeyId;
use crate::price::PriceBook;

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
}

impl Journal {
    /// Applies changes, unless they are older than what was applied already.
    ///
    /// Calls that are running keep the terms they were admitted under.
    pub fn apply(&mut self, change: Change) -> Decision<()> {
        if change.upto <= self.applied {
            return Decision::unchanged(());
        }
        let Change { upto, accounts, revoked_keys, book } = change;
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
        if let Some(book) = book.filter(|book| *book != self.book) {
            self.book = book.clone();
            effects.push(Effect::SaveBook(book));
        }
        self.applied = upto;
        effects.push(Effect::SaveApplied(upto));
        Decision { reply: (), effects }
    }
}
