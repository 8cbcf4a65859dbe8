//! The options of `weir account` that set what is no group and no overdraft.

use chrono_tz::Tz;
use clap::Args;
use meter::ids::CredentialName;
use meter::money::Nanos;

use crate::account::AccountRow;
use crate::account::settings::{SettingsChange, To};

use super::amount;

/// The names of the options, for commands that need one of them.
pub(super) const OPTIONS: [&str; 8] = [
    "requests_per_minute",
    "concurrent_calls",
    "daily_budget",
    "time_zone",
    "credential",
    "keep_user_ids",
    "balance_events",
    "low_balance",
];

/// What is set; what is not named stays.
#[derive(Args)]
#[group(skip)]
pub(super) struct Settings {
    /// Billable calls that may begin in any one minute, or `none`
    #[arg(long, value_name = "N|none", value_parser = amount::count)]
    requests_per_minute: Option<To<u32>>,
    /// Billable calls that may run at once, or `none`
    #[arg(long, value_name = "N|none", value_parser = amount::count)]
    concurrent_calls: Option<To<u32>>,
    /// What may be charged in one day, in quota, or `none`
    #[arg(long, value_name = "QUOTA|none", value_parser = amount::budget)]
    daily_budget: Option<To<Nanos>>,
    /// Where its day begins, such as `Asia/Shanghai`, which is where a new account's does
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<Tz>,
    /// The upstream credential its calls are sent with, as the edge calls it, or `default`
    #[arg(long, value_name = "NAME", value_parser = credential)]
    credential: Option<To<CredentialName>>,
    /// Whether `user_id` goes upstream as the caller wrote it, without the account in front of it
    #[arg(long, value_name = "BOOL")]
    keep_user_ids: Option<bool>,
    /// Whether every stream ends with a `balance_updated` event
    #[arg(long, value_name = "BOOL")]
    balance_events: Option<bool>,
    /// Below which balance an alarm is raised, in quota, or `none`
    #[arg(long, value_name = "QUOTA|none", value_parser = amount::budget)]
    low_balance: Option<To<Nanos>>,
}

fn zone(text: &str) -> Result<Tz, &'static str> {
    text.parse().map_err(|_| "is not a time zone such as Asia/Shanghai")
}

fn credential(text: &str) -> Result<To<CredentialName>, String> {
    if text == "default" {
        return Ok(To(None));
    }
    text.parse().map(|name| To(Some(name))).map_err(|error: meter::ids::IdError| error.to_string())
}

impl From<Settings> for SettingsChange {
    fn from(settings: Settings) -> Self {
        let Settings {
            requests_per_minute,
            concurrent_calls,
            daily_budget,
            time_zone,
            credential,
            keep_user_ids: keeps_user_ids,
            balance_events,
            low_balance,
        } = settings;
        Self {
            requests_per_minute,
            concurrent_calls,
            daily_budget,
            time_zone,
            credential,
            keeps_user_ids,
            balance_events,
            low_balance,
        }
    }
}

/// What is set for an account, a line each.
pub(super) fn lines(account: &AccountRow) -> String {
    let count =
        |count: Option<i32>| count.map_or_else(|| "unlimited".to_owned(), |n| n.to_string());
    let budget = account.daily_budget_nanos.map(|budget| Nanos::new(budget).in_quota());
    let budget = budget.map_or_else(|| "unlimited".to_owned(), |quota| format!("{quota} quota"));
    let user_ids =
        if account.keeps_user_ids { "as they come" } else { "with the account in front" };
    let alarm = account.low_balance_nanos.map(|low| Nanos::new(low).in_quota());
    let alarm = alarm.map_or_else(|| "none".to_owned(), |low| format!("below {low} quota"));
    let events = if account.balance_events { "always" } else { "when asked for" };
    format!(
        "  calls      {} a minute, {} at once\n  \
         a day      {budget}, in {}\n  \
         credential {}\n  \
         user ids   {user_ids}\n  \
         events     {events}\n  \
         alarm      {alarm}",
        count(account.requests_per_minute),
        count(account.concurrent_calls),
        account.time_zone,
        account.credential.as_deref().unwrap_or("default"),
    )
}
