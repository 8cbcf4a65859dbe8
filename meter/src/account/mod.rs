//! Who pays, and how the account stands in its journal.
//!
//! Credits have one writer, the origin; charges have one writer, the account's journal. The balance is
//! their difference and nothing else moves it.

#![deny(clippy::arithmetic_side_effects)]

pub mod low;
mod settings;

use crate::ids::{AccountId, Group};
use crate::money::{Nanos, OutOfRange};
use crate::refusal::Reason;

pub use settings::{DAY_OFFSET_DEFAULT, Limits, Settings};

/// How far below zero an account may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdraft {
    /// As far as it happens to: a running workflow always finishes, and the balance shows arrears.
    Unlimited,
    /// This far and no further, when a call is admitted. Zero allows none.
    Limit(Nanos),
}

/// Whether an account may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Active,
    /// It may not.
    Suspended,
}

impl Status {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The status with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.name() == name)
    }
}

/// An account as the origin describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Whether it may call.
    pub status: Status,
    /// The group whose ratio applies.
    pub group: Group,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// Everything it was ever credited, refunds and corrections included.
    pub credits: Nanos,
    /// What else was set for it.
    pub settings: Settings,
}

/// An account in its journal: what the origin says, what was spent, what is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What the origin says.
    pub account: Account,
    /// The sum of the account's entries.
    pub spent: Nanos,
    /// The sum of the account's open holds.
    pub held: Nanos,
}

impl Standing {
    /// An account that has not called yet.
    pub fn new(account: Account) -> Self {
        Self { account, spent: Nanos::ZERO, held: Nanos::ZERO }
    }

    /// Credits less charges. Negative means arrears.
    pub fn balance(&self) -> Result<Nanos, OutOfRange> {
        self.account.credits.minus(self.spent)
    }

    /// Refuses when the account may not begin a call that sets `hold` aside.
    ///
    /// Open holds count, so that of many simultaneous calls only as many pass as the balance covers.
    pub fn check(&self, hold: Nanos) -> Result<(), Reason> {
        if self.account.status == Status::Suspended {
            return Err(Reason::AccountSuspended);
        }
        let Overdraft::Limit(limit) = self.account.overdraft else { return Ok(()) };
        let needed = self.spent.plus(self.held).and_then(|used| used.plus(hold));
        match needed {
            Ok(needed) if needed <= self.account.credits.saturating_plus(limit) => Ok(()),
            _ => Err(Reason::BalanceExhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(credits: i64, overdraft: Overdraft) -> Standing {
        Standing::new(Account {
            id: "acc_1".parse().unwrap(),
            status: Status::Active,
            group: Group::standard(),
            overdraft,
            credits: Nanos::new(credits),
            settings: Settings::default(),
        })
    }

    #[test]
    fn holds_count_against_the_balance() {
        let mut standing = standing(100, Overdraft::Limit(Nanos::ZERO));
        standing.spent = Nanos::new(40);
        standing.held = Nanos::new(50);
        assert_eq!(standing.check(Nanos::new(11)), Err(Reason::BalanceExhausted));
        assert_eq!(standing.check(Nanos::new(10)), Ok(()));
        assert_eq!(standing.check(Nanos::MAX), Err(Reason::BalanceExhausted));
    }

    #[test]
    fn an_overdraft_widens_the_balance_or_lifts_the_bound() {
        let limited = standing(100, Overdraft::Limit(Nanos::new(5)));
        assert_eq!(limited.check(Nanos::new(106)), Err(Reason::BalanceExhausted));
        assert_eq!(limited.check(Nanos::new(105)), Ok(()));
        let unlimited = standing(0, Overdraft::Unlimited);
        assert_eq!(unlimited.check(Nanos::MAX), Ok(()));
    }

    #[test]
    fn a_suspended_account_may_not_call_whatever_it_owns() {
        let mut standing = standing(100, Overdraft::Unlimited);
        standing.account.status = Status::Suspended;
        assert_eq!(standing.check(Nanos::ZERO), Err(Reason::AccountSuspended));
    }
}
