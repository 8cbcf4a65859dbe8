//! What an operator may set for one account, besides its group and its overdraft.
//!
//! Everything has a default that changes nothing, so that an account without settings is an account
//! with all of them at rest.

use crate::ids::CredentialName;
use crate::money::Nanos;

/// Minutes by which a day in China begins before one in UTC: the default time zone, Asia/Shanghai.
pub const DAY_OFFSET_DEFAULT: i16 = 8 * 60;

/// What is set for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much it may do at once and in a time.
    pub limits: Limits,
    /// Where its day begins: minutes that its clock is ahead of UTC.
    pub day_offset_minutes: i16,
    /// The upstream credential its calls are sent with; the default one when absent.
    pub credential: Option<CredentialName>,
    /// Whether `user_id` reaches upstream as the caller wrote it, without the account in front of it.
    pub keeps_user_ids: bool,
    /// Whether every stream ends with a `balance_updated` event, also where nobody asked for one.
    pub balance_events: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            day_offset_minutes: DAY_OFFSET_DEFAULT,
            credential: None,
            keeps_user_ids: false,
            balance_events: false,
        }
    }
}

/// How much an account, or one of its keys, may do. What is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Billable calls that may begin in any one minute.
    pub requests_per_minute: Option<u32>,
    /// Billable calls that may run at once.
    pub concurrent_calls: Option<u32>,
    /// What may be charged in one day.
    pub daily_budget: Option<Nanos>,
}
