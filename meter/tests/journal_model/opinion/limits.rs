//! How much an account and a key may do, counted anew over all calls there ever were.

use meter::account::{DAY_OFFSET_DEFAULT, Limits};
use meter::ids::AccountId;
use meter::journal::Admission;
use meter::money::Nanos;
use meter::rate::Rate;
use meter::refusal::Reason;
use meter::time::UnixMs;

use super::{Call, Opinion};

/// Seconds in which a start counts after the second that it fell into.
const WINDOW_S: u64 = 60;

impl Opinion {
    pub(super) fn check_limits(
        &self,
        asks: &Admission,
        hold: Nanos,
        now: UnixMs,
    ) -> Result<(), Reason> {
        let of_account = self.accounts[&asks.account].settings.limits;
        check(of_account, || self.of_account(&asks.account), hold, now)?;
        check(asks.limits, || self.of_key(asks), hold, now)
    }

    /// What the tighter of the two limits leaves.
    pub(super) fn rate(&self, asks: &Admission, now: UnixMs) -> Option<Rate> {
        let of_account = self.accounts[&asks.account].settings.limits;
        let account = rate(of_account, || self.of_account(&asks.account), now);
        let key = rate(asks.limits, || self.of_key(asks), now);
        match (account, key) {
            (Some(account), Some(key)) => {
                // The one that leaves less, and of two that leave the same the one that leaves it longer.
                let is_tighter =
                    (key.remaining, account.reset_s) < (account.remaining, key.reset_s);
                Some(if is_tighter { key } else { account })
            }
            (account, key) => account.or(key),
        }
    }

    /// What was charged to an account today.
    pub(crate) fn spent_today(&self, account: &AccountId, now: UnixMs) -> i128 {
        spent_today(self.of_account(account), now)
    }

    fn of_account(&self, account: &AccountId) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(move |call| call.account == *account)
    }

    fn of_key(&self, asks: &Admission) -> impl Iterator<Item = &Call> {
        self.of_account(&asks.account).filter(move |call| call.made_with == asks.key)
    }
}

fn check<'a, Calls: Iterator<Item = &'a Call>>(
    limits: Limits,
    calls: impl Fn() -> Calls,
    hold: Nanos,
    now: UnixMs,
) -> Result<(), Reason> {
    let open = || calls().filter(|call| call.ended.is_none());
    if limits.requests_per_minute.is_some_and(|limit| began(calls(), now).len() >= limit as usize) {
        return Err(Reason::RateLimited);
    }
    if limits.concurrent_calls.is_some_and(|limit| open().count() >= limit as usize) {
        return Err(Reason::TooManyCalls);
    }
    let set_aside: i128 = open().map(|call| i128::from(call.hold.get())).sum();
    let needed = spent_today(calls(), now) + set_aside + i128::from(hold.get());
    if limits.daily_budget.is_some_and(|budget| needed > i128::from(budget.get())) {
        return Err(Reason::BudgetExhausted);
    }
    Ok(())
}

fn rate<'a, Calls: Iterator<Item = &'a Call>>(
    limits: Limits,
    calls: impl Fn() -> Calls,
    now: UnixMs,
) -> Option<Rate> {
    let limit = limits.requests_per_minute?;
    let began = began(calls(), now);
    let remaining = limit.saturating_sub(u32::try_from(began.len()).unwrap());
    let reset_s = began.into_iter().max().map_or(0, |last| last + WINDOW_S + 1 - now.get() / 1_000);
    Some(Rate { limit, remaining, reset_s })
}

/// The seconds in which calls of the last minute began, as far as the journal can know.
fn began<'a>(calls: impl Iterator<Item = &'a Call>, now: UnixMs) -> Vec<u64> {
    let seconds =
        calls.filter(|call| call.began_is_known).map(|call| call.admitted_at.get() / 1_000);
    seconds.filter(|second| second + WINDOW_S >= now.get() / 1_000).collect()
}

fn spent_today<'a>(calls: impl Iterator<Item = &'a Call>, now: UnixMs) -> i128 {
    let today = now.day(DAY_OFFSET_DEFAULT);
    let ended = calls.filter(|call| call.ended_at.day(DAY_OFFSET_DEFAULT) == today);
    ended.filter_map(|call| call.ended).map(|(_, amount)| i128::from(amount.get())).sum()
}
