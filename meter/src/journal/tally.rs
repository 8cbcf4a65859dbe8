//! What counts against limits: of each account, and of each of its keys.
//!
//! A limit is checked where a call is let in, and nowhere else: calls that run are never stopped by one.
//! Everything counted here follows from calls that were admitted, so it is rebuilt from their rows
//! after a restart; only what was spent today before the last mark is stored, with the mark.
//!
//! # Shape
//! The limits of an account come from the origin and are kept with it. Those of a key stand in the key
//! itself and come with each of its calls, so that a key works from the moment it is issued and the
//! journal keeps no row for it. Keys that were rotated count together, by [`KeyId::line`].
//!
//! # Bounds
//! A key is forgotten once nothing of it counts any more; with a mark, at most [`KEYS_TODAY_MAX`] of an
//! account are stored.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use crate::account::{Limits, Standing};
use crate::entry::Facts;
use crate::ids::{AccountId, KeyId};
use crate::money::Nanos;
use crate::rate::{Rate, Starts};
use crate::refusal::{Reason, Refusal};
use crate::time::UnixMs;

use super::Hold;

/// Most keys of one account whose spending of the day is stored with a mark: those that spent most.
pub const KEYS_TODAY_MAX: usize = 1_000;
/// When to try again where a call has to end first, in seconds: nobody knows when one will.
const WAIT_FOR_AN_END_S: u64 = 1;

/// What was spent on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Today {
    /// Which day, where the account is.
    pub day: u64,
    /// The sum of what was charged on it.
    pub spent: Nanos,
}

/// What an account and its keys spent on one day, as it is stored with a mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpentToday {
    /// All of it.
    pub account: Today,
    /// By the keys that have a budget of their own.
    pub keys: BTreeMap<KeyId, Today>,
}

/// When it is, where the account is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    now: UnixMs,
    day: u64,
    day_ends_in_s: u64,
}

impl Clock {
    pub(super) fn at(now: UnixMs, day_offset_minutes: i16) -> Self {
        let day_ends_in_s = now.until_day_ends(day_offset_minutes).div_ceil(1_000);
        Self { now, day: now.day(day_offset_minutes), day_ends_in_s }
    }
}

impl Today {
    /// What was spent on this day. One that the account's clock went back to is not over yet.
    fn spent_on(self, day: u64) -> Nanos {
        if day > self.day { Nanos::ZERO } else { self.spent }
    }

    fn charge(&mut self, amount: Nanos, day: u64) {
        let spent = self.spent_on(day).saturating_plus(amount);
        *self = Self { day: self.day.max(day), spent };
    }
}

/// What counts against the limits of one account or one line of keys.
#[derive(Debug, Clone, Default)]
struct Tally {
    starts: Starts,
    open: u32,
    held: Nanos,
    today: Today,
    /// Whether somebody may ask for its spending of the day.
    has_budget: bool,
}

impl Tally {
    fn check(&self, limits: Limits, hold: Nanos, clock: Clock, whose: &str) -> Result<(), Refusal> {
        let Limits { requests_per_minute, concurrent_calls, daily_budget } = limits;
        if let Some(limit) = requests_per_minute
            && let Some(wait_s) = self.starts.wait_s(limit, clock.now)
        {
            let detail = format!("{whose} may begin {limit} in any one minute");
            return Err(Refusal::with_detail(Reason::RateLimited, detail).retry_after(wait_s));
        }
        if let Some(limit) = concurrent_calls.filter(|limit| self.open >= *limit) {
            let detail = format!("{whose} may run {limit}");
            let refusal = Refusal::with_detail(Reason::TooManyCalls, detail);
            return Err(refusal.retry_after(WAIT_FOR_AN_END_S));
        }
        if let Some(budget) = daily_budget {
            let spent = self.today.spent_on(clock.day);
            let needed = spent.plus(self.held).and_then(|used| used.plus(hold));
            if !needed.is_ok_and(|needed| needed <= budget) {
                let detail = format!("{whose} may spend {} quota a day", budget.in_quota());
                let refusal = Refusal::with_detail(Reason::BudgetExhausted, detail);
                return Err(refusal.retry_after(clock.day_ends_in_s));
            }
        }
        Ok(())
    }

    fn rate(&self, limits: Limits, now: UnixMs) -> Option<Rate> {
        limits.requests_per_minute.map(|limit| self.starts.rate(limit, now))
    }

    fn open(&mut self, hold: &Hold) {
        self.starts.count(hold.admitted_at);
        self.open = self.open.saturating_add(1);
        self.held = self.held.saturating_plus(hold.amount);
    }

    fn close(&mut self, hold: &Hold) {
        self.open = self.open.saturating_sub(1);
        // What was added when the hold was opened is taken away again.
        self.held = self.held.minus(hold.amount).unwrap_or_default();
    }

    fn still_counts(&self, now: UnixMs, day: u64) -> bool {
        let has_spent = self.has_budget && self.today.spent_on(day) != Nanos::ZERO;
        self.open > 0 || has_spent || !self.starts.is_empty(now)
    }
}

/// An account's tally, and those of its keys.
#[derive(Debug, Default)]
struct Account {
    own: Tally,
    keys: BTreeMap<KeyId, Tally>,
}

impl Account {
    fn key(&mut self, key: &KeyId) -> &mut Tally {
        self.keys.entry(key.line()).or_default()
    }
}

/// The tallies of a journal.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    accounts: BTreeMap<AccountId, Account>,
}

/// Who asks to be let in, and how much they may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limited<'a> {
    pub(super) account: (&'a AccountId, Limits),
    pub(super) key: (&'a KeyId, Limits),
}

impl<'a> Limited<'a> {
    pub(super) fn of(standing: &'a Standing, key: &'a KeyId, of_key: Limits) -> Self {
        let account = &standing.account;
        Self { account: (&account.id, account.settings.limits), key: (key, of_key) }
    }
}

impl Tallies {
    /// Refuses a call that sets `hold` aside when a limit is reached.
    pub(super) fn check(
        &self,
        limited: Limited<'_>,
        hold: Nanos,
        clock: Clock,
    ) -> Result<(), Refusal> {
        let Limited { account: (account, of_account), key: (key, of_key) } = limited;
        let none = Account::default();
        let known = self.accounts.get(account).unwrap_or(&none);
        let its_key = known.keys.get(&key.line()).unwrap_or(&none.own);
        let checked = known
            .own
            .check(of_account, hold, clock, "the account")
            .and_then(|()| its_key.check(of_key, hold, clock, "the key"));
        checked.map_err(|refusal| Refusal { rate: self.rate(limited, clock.now), ..refusal })
    }

    /// How a caller stands with the tighter of its two limits.
    pub(super) fn rate(&self, limited: Limited<'_>, now: UnixMs) -> Option<Rate> {
        let Limited { account: (account, of_account), key: (key, of_key) } = limited;
        let none = Account::default();
        let known = self.accounts.get(account).unwrap_or(&none);
        let its_key = known.keys.get(&key.line()).unwrap_or(&none.own);
        let rates = [known.own.rate(of_account, now), its_key.rate(of_key, now)];
        rates
            .into_iter()
            .flatten()
            .min_by_key(|rate| (rate.remaining, u64::MAX.wrapping_sub(rate.reset_s)))
    }

    /// A call is held.
    pub(super) fn open(&mut self, hold: &Hold) {
        let account = self.accounts.entry(hold.account.clone()).or_default();
        account.own.open(hold);
        account.key(&hold.key).open(hold);
    }

    /// A key with a budget of its own was used.
    pub(super) fn note_budget(&mut self, account: &AccountId, key: &KeyId) {
        self.accounts.entry(account.clone()).or_default().key(key).has_budget = true;
    }

    /// A call is held no more.
    pub(super) fn close(&mut self, hold: &Hold) {
        let account = self.accounts.entry(hold.account.clone()).or_default();
        account.own.close(hold);
        account.key(&hold.key).close(hold);
    }

    /// A call was charged.
    pub(super) fn charge(&mut self, facts: &Facts, day: u64) {
        let account = self.accounts.entry(facts.account.clone()).or_default();
        account.own.today.charge(facts.amount, day);
        account.key(&facts.key).today.charge(facts.amount, day);
    }

    /// A call that is finished began when it did: for a journal that is loaded. Whether its key has a
    /// budget is not known any more, so that it may have one.
    pub(super) fn recall(&mut self, facts: &Facts) {
        let account = self.accounts.entry(facts.account.clone()).or_default();
        account.own.starts.count(facts.admitted_at);
        let key = account.key(&facts.key);
        key.starts.count(facts.admitted_at);
        key.has_budget = true;
    }

    /// What was spent before the last mark.
    pub(super) fn restore(&mut self, account: &AccountId, spent: SpentToday) {
        let account = self.accounts.entry(account.clone()).or_default();
        account.own.today = spent.account;
        for (key, today) in spent.keys {
            let tally = account.key(&key);
            tally.today = today;
            tally.has_budget = true;
        }
    }

    /// What an account spent on this day.
    pub(super) fn spent_on(&self, account: &AccountId, day: u64) -> Nanos {
        self.accounts.get(account).map_or(Nanos::ZERO, |known| known.own.today.spent_on(day))
    }

    /// What an account and its keys spent on this day, for a mark. What counts no more is forgotten.
    pub(super) fn spent_today(&mut self, account: &AccountId, now: UnixMs, day: u64) -> SpentToday {
        let Some(known) = self.accounts.get_mut(account) else { return SpentToday::default() };
        known.keys.retain(|_, tally| tally.still_counts(now, day));
        let of_budget = known
            .keys
            .iter()
            .filter(|(_, tally)| tally.has_budget && tally.today.spent_on(day) != Nanos::ZERO);
        let mut keys: Vec<_> = of_budget.map(|(key, tally)| (key.clone(), tally.today)).collect();
        keys.sort_by_key(|(_, today)| std::cmp::Reverse(today.spent));
        keys.truncate(KEYS_TODAY_MAX);
        SpentToday { account: known.own.today, keys: keys.into_iter().collect() }
    }
}
