//! What is set for an account, as part of the document that describes it.

use serde::{Deserialize, Serialize};

use crate::account::{DAY_OFFSET_DEFAULT, Limits, Settings};
use crate::money::Nanos;

use super::{WireError, parse_optional};

/// Most minutes that a clock on Earth is ahead of UTC or behind it, with room to spare.
const DAY_OFFSET_MAX: i16 = 18 * 60;

/// What is set for an account; what is at rest is not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of `Settings`, spelled out")]
pub struct SettingsDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_calls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_budget_nanos: Option<i64>,
    pub day_offset_minutes: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_user_ids: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub balance_events: bool,
}

impl Default for SettingsDoc {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            concurrent_calls: None,
            daily_budget_nanos: None,
            day_offset_minutes: DAY_OFFSET_DEFAULT,
            credential: None,
            keeps_user_ids: false,
            balance_events: false,
        }
    }
}

/// How much may be done; what is not limited is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of `Limits`, spelled out")]
pub struct LimitsDoc {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_calls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_budget_nanos: Option<i64>,
}

impl LimitsDoc {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Limits> for LimitsDoc {
    fn from(limits: Limits) -> Self {
        let Limits { requests_per_minute, concurrent_calls, daily_budget } = limits;
        let daily_budget_nanos = daily_budget.map(Nanos::get);
        Self { requests_per_minute, concurrent_calls, daily_budget_nanos }
    }
}

impl From<LimitsDoc> for Limits {
    fn from(doc: LimitsDoc) -> Self {
        let LimitsDoc { requests_per_minute, concurrent_calls, daily_budget_nanos } = doc;
        let daily_budget = daily_budget_nanos.map(Nanos::new);
        Self { requests_per_minute, concurrent_calls, daily_budget }
    }
}

impl SettingsDoc {
    /// Whether nothing is set.
    pub fn is_at_rest(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&Settings> for SettingsDoc {
    fn from(settings: &Settings) -> Self {
        let Settings { limits, day_offset_minutes, credential, keeps_user_ids, balance_events } =
            settings;
        let Limits { requests_per_minute, concurrent_calls, daily_budget } = limits;
        Self {
            requests_per_minute: *requests_per_minute,
            concurrent_calls: *concurrent_calls,
            daily_budget_nanos: daily_budget.map(Nanos::get),
            day_offset_minutes: *day_offset_minutes,
            credential: credential.as_ref().map(ToString::to_string),
            keeps_user_ids: *keeps_user_ids,
            balance_events: *balance_events,
        }
    }
}

impl TryFrom<&SettingsDoc> for Settings {
    type Error = WireError;

    fn try_from(doc: &SettingsDoc) -> Result<Self, WireError> {
        if doc.day_offset_minutes.unsigned_abs() > DAY_OFFSET_MAX.unsigned_abs() {
            return Err(WireError::new("day_offset_minutes", "is not an offset from UTC"));
        }
        Ok(Self {
            limits: Limits {
                requests_per_minute: doc.requests_per_minute,
                concurrent_calls: doc.concurrent_calls,
                daily_budget: doc.daily_budget_nanos.map(Nanos::new),
            },
            day_offset_minutes: doc.day_offset_minutes,
            credential: parse_optional("credential", doc.credential.as_deref())?,
            keeps_user_ids: doc.keeps_user_ids,
            balance_events: doc.balance_events,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_day_is_further_from_utc_than_its_bound() {
        let read = |day_offset_minutes: i16| {
            Settings::try_from(&SettingsDoc { day_offset_minutes, ..SettingsDoc::default() })
        };
        for minutes in [DAY_OFFSET_MAX, -DAY_OFFSET_MAX] {
            assert_eq!(read(minutes).unwrap().day_offset_minutes, minutes);
        }
        for minutes in [DAY_OFFSET_MAX + 1, -DAY_OFFSET_MAX - 1, i16::MIN] {
            assert_eq!(read(minutes).unwrap_err().field, "day_offset_minutes");
        }
    }
}
