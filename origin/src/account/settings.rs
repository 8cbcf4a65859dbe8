//! What an operator may set for one account, besides its group and its overdraft.

use chrono_tz::Tz;
use meter::account::{Limits, Settings};
use meter::ids::CredentialName;
use meter::money::Nanos;

use crate::error::Error;

/// Most requests a minute that can be set; beyond it, it is no limit.
pub const REQUESTS_PER_MINUTE_MAX: u32 = 1_000_000;
/// Most calls at once that can be set: what a whole journal holds.
pub const CONCURRENT_CALLS_MAX: u32 = 20_000;
/// Where an account's day begins unless something else is set.
pub const TIME_ZONE_DEFAULT: Tz = chrono_tz::Asia::Shanghai;

/// What something is set to; `None` lifts a limit, and goes back to a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct To<T>(pub Option<T>);

/// Changes to an account's settings; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Billable calls that may begin in any one minute.
    pub requests_per_minute: Option<To<u32>>,
    /// Billable calls that may run at once.
    pub concurrent_calls: Option<To<u32>>,
    /// What may be charged in one day.
    pub daily_budget: Option<To<Nanos>>,
    /// Where its day begins.
    pub time_zone: Option<Tz>,
    /// The upstream credential; `To(None)` is the default one.
    pub credential: Option<To<CredentialName>>,
    /// Whether `user_id` reaches upstream as the caller wrote it.
    pub keeps_user_ids: Option<bool>,
    /// Whether every stream ends with a `balance_updated` event.
    pub balance_events: Option<bool>,
    /// Below which balance an alarm is raised. The edge is not told.
    pub low_balance: Option<To<Nanos>>,
}

impl SettingsChange {
    /// Refuses what is out of bounds, by the name of its field.
    pub fn check(&self) -> Result<(), Error> {
        check_count("requests_per_minute", self.requests_per_minute, REQUESTS_PER_MINUTE_MAX)?;
        check_count("concurrent_calls", self.concurrent_calls, CONCURRENT_CALLS_MAX)?;
        for (field, amount) in
            [("daily_budget", self.daily_budget), ("low_balance", self.low_balance)]
        {
            if let Some(To(Some(amount))) = amount
                && amount < Nanos::ZERO
            {
                return Err(Error::invalid(field, "is negative"));
            }
        }
        Ok(())
    }
}

fn check_count(field: &'static str, count: Option<To<u32>>, max: u32) -> Result<(), Error> {
    match count {
        Some(To(Some(count))) if !(1..=max).contains(&count) => {
            Err(Error::invalid(field, format_args!("is not between 1 and {max}")))
        }
        _ => Ok(()),
    }
}

/// The columns of an account's row that the edge is told as its settings.
pub struct Columns {
    /// See [`SettingsChange`].
    pub requests_per_minute: Option<i32>,
    /// See [`SettingsChange`].
    pub concurrent_calls: Option<i32>,
    /// See [`SettingsChange`].
    pub daily_budget_nanos: Option<i64>,
    /// See [`super::zone::DayOffset`].
    pub day_offset_minutes: i16,
    /// See [`SettingsChange`].
    pub credential: Option<String>,
    /// See [`SettingsChange`].
    pub keeps_user_ids: bool,
    /// See [`SettingsChange`].
    pub balance_events: bool,
}

impl Columns {
    /// As rules know them.
    pub fn settings(self) -> Result<Settings, Error> {
        let credential = self.credential.as_deref().map(str::parse).transpose();
        Ok(Settings {
            limits: Limits {
                requests_per_minute: self.requests_per_minute.map(u32::try_from).transpose()?,
                concurrent_calls: self.concurrent_calls.map(u32::try_from).transpose()?,
                daily_budget: self.daily_budget_nanos.map(Nanos::new),
            },
            day_offset_minutes: self.day_offset_minutes,
            credential: credential.map_err(|error| Error::impossible("account", error))?,
            keeps_user_ids: self.keeps_user_ids,
            balance_events: self.balance_events,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: &SettingsChange, want: Option<&str>) {
        let problem = change.check().err().map(|error| error.to_string());
        assert_eq!(problem.as_deref(), want);
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let rest = SettingsChange::default;
        let rate = |rate| SettingsChange { requests_per_minute: Some(To(Some(rate))), ..rest() };
        check(&rate(0), Some("`requests_per_minute` is not between 1 and 1000000"));
        check(
            &rate(REQUESTS_PER_MINUTE_MAX + 1),
            Some("`requests_per_minute` is not between 1 and 1000000"),
        );
        let calls = |calls| SettingsChange { concurrent_calls: Some(To(Some(calls))), ..rest() };
        check(
            &calls(CONCURRENT_CALLS_MAX + 1),
            Some("`concurrent_calls` is not between 1 and 20000"),
        );
        let budget =
            |nanos| SettingsChange { daily_budget: Some(To(Some(Nanos::new(nanos)))), ..rest() };
        check(&budget(-1), Some("`daily_budget` is negative"));
        let most = [rate(REQUESTS_PER_MINUTE_MAX), calls(CONCURRENT_CALLS_MAX)];
        for fine in most.into_iter().chain([calls(1), budget(0), rest()]) {
            check(&fine, None);
        }
        let lifted = SettingsChange { requests_per_minute: Some(To(None)), ..rest() };
        check(&lifted, None);
    }
}
