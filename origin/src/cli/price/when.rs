//! When a change of prices is to count, on what condition, and why.

use chrono_tz::Tz;
use clap::Args;

use crate::error::Error;
use crate::price::{When, start};

/// The arguments of every change.
#[derive(Args)]
#[group(skip)]
pub(super) struct WhenArguments {
    /// From when on, such as 2026-12-01T00:00 in the time zone; at once unless named
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// The time zone of --from
    #[arg(long, default_value = "Asia/Shanghai", value_name = "ZONE")]
    pub(super) tz: String,
    /// Only if this is still the book whose prices hold then, as `weir price list` shows it; anybody
    /// else's change in between is then a conflict
    #[arg(long, value_name = "NUMBER")]
    if_version: Option<u32>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl WhenArguments {
    pub(super) fn zone(&self) -> Result<Tz, Error> {
        start::zone(&self.tz)
    }

    pub(super) fn when(self) -> Result<When, Error> {
        let zone = self.zone()?;
        let starts_at = self.from.as_deref().map(|from| start::read(from, zone)).transpose()?;
        Ok(When { starts_at, if_version: self.if_version, reason: self.reason })
    }

    /// The same for a trial, which is of the prices that hold now.
    pub(super) fn of_trial(&self) -> When {
        When { starts_at: None, if_version: self.if_version, reason: None }
    }
}
