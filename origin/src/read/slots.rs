//! Stretches of time that sums are made for, and where they cut the hours that the rollups have.
//!
//! Rollups are sums of whole hours of UTC. Most zones are whole hours away from it, and then a day there
//! is a number of those hours. In the others, such as India's at half an hour and Nepal's at three
//! quarters, a day begins and ends inside one. Such an hour is *cut*: its calls are looked at one by one,
//! each on its side of the edge, so that a day there is exact as well and every day counts each call once.
//!
//! # Bounds
//! At most [`HOURS_DAYS_MAX`] days in hours.

use chrono::{DateTime, DurationRound as _, TimeDelta, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::error::Error;

use super::days::Days;

/// Most days that are summed up by hour.
pub const HOURS_DAYS_MAX: usize = 31;
/// Clocks are put forward and back, and zones are apart, by multiples of this.
const QUARTER: TimeDelta = TimeDelta::minutes(15);

/// Stretches of time, one behind the other, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    /// Where each begins, and where the last one ends.
    pub edges: Vec<DateTime<Utc>>,
    /// The beginnings of the hours of UTC that are cut.
    pub cut: Vec<DateTime<Utc>>,
}

impl Slots {
    /// The stretches between these edges, which are in order.
    pub fn between(edges: Vec<DateTime<Utc>>) -> Result<Self, Error> {
        let mut cut = Vec::new();
        for edge in &edges {
            let hour = edge.duration_trunc(TimeDelta::hours(1));
            let hour = hour.map_err(|error| Error::impossible("entry", error))?;
            if hour != *edge && cut.last() != Some(&hour) {
                cut.push(hour);
            }
        }
        Ok(Self { edges, cut })
    }

    /// The days themselves.
    pub fn days(days: &Days) -> Result<Self, Error> {
        Self::between(days.edges.clone())
    }

    /// The whole of the days as one.
    pub fn whole(days: &Days) -> Result<Self, Error> {
        let ends = [days.edges.first(), days.edges.last()];
        Self::between(ends.into_iter().flatten().copied().collect())
    }

    /// The hours of the days, as the clocks there showed them.
    pub fn hours(days: &Days) -> Result<Self, Error> {
        let count = days.dates().count();
        if count > HOURS_DAYS_MAX {
            let problem = format!("sums up at most {HOURS_DAYS_MAX} days by hour, not {count}");
            return Err(Error::invalid("by", problem));
        }
        Self::between(hour_edges(days))
    }

    /// Where the first one begins.
    pub fn from(&self) -> Option<DateTime<Utc>> {
        self.edges.first().copied()
    }

    /// Where the last one ends.
    pub fn to(&self) -> Option<DateTime<Utc>> {
        self.edges.last().copied()
    }
}

/// Where the hours of these days begin, and where the last one ends. An hour begins when a clock shows a
/// full hour, or another hour than a moment before; so one that comes twice is two.
fn hour_edges(days: &Days) -> Vec<DateTime<Utc>> {
    let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) else { return Vec::new() };
    let (mut edges, mut time) = (Vec::new(), *from);
    let mut shown = None;
    while time < *to {
        let clock = clock(days.zone, time);
        if shown.is_none() || clock.1 == 0 || shown != Some(clock.0) {
            edges.push(time);
        }
        shown = Some(clock.0);
        let Some(next) = time.checked_add_signed(QUARTER) else { break };
        time = next;
    }
    edges.push(*to);
    edges
}

/// The hour and the minute that a clock shows.
fn clock(zone: Tz, time: DateTime<Utc>) -> (u32, u32) {
    let local = zone.from_utc_datetime(&time.naive_utc());
    (local.hour(), local.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, to: &str, zone: &str) -> Days {
        Days::read(Some(from), Some(to), Some(zone), Utc::now()).unwrap()
    }

    #[track_caller]
    fn cut(zone: &str, want: &[&str]) {
        let slots = Slots::days(&days("2025-11-21", "2025-11-22", zone)).unwrap();
        let cut: Vec<_> =
            slots.cut.iter().map(|hour| hour.format("%dT%H:%M").to_string()).collect();
        assert_eq!(cut, want, "{zone}");
    }

    #[test]
    fn an_hour_is_cut_where_a_day_begins_inside_it() {
        cut("UTC", &[]);
        cut("Asia/Shanghai", &[]);
        cut("Asia/Kolkata", &["20T18:00", "21T18:00", "22T18:00"]);
        cut("Asia/Kathmandu", &["20T18:00", "21T18:00", "22T18:00"]);
        cut("America/St_Johns", &["21T03:00", "22T03:00", "23T03:00"]);
    }

    #[track_caller]
    fn hours(day: &str, zone: &str, count: usize, minutes: &[i64]) {
        let slots = Slots::hours(&days(day, day, zone)).unwrap();
        let lengths: Vec<_> = slots
            .edges
            .windows(2)
            .filter_map(|pair| Some((*pair.last()? - *pair.first()?).num_minutes()))
            .collect();
        assert_eq!(lengths.len(), count, "{zone}: {lengths:?}");
        let odd: Vec<_> = lengths.into_iter().filter(|length| *length != 60).collect();
        assert_eq!(odd, minutes, "{zone}");
    }

    #[test]
    fn a_day_has_as_many_hours_as_its_clocks_showed() {
        hours("2025-11-21", "Asia/Shanghai", 24, &[]);
        hours("2025-11-21", "Asia/Kolkata", 24, &[]);
        // Clocks forward, and back.
        hours("2025-03-09", "America/New_York", 23, &[]);
        hours("2025-11-02", "America/New_York", 25, &[]);
        // By half an hour: from 02:00 to 02:30, and from 02:00 to 01:30.
        hours("2025-10-05", "Australia/Lord_Howe", 24, &[30]);
        hours("2025-04-06", "Australia/Lord_Howe", 24, &[90]);
        hours("2011-12-30", "Pacific/Apia", 0, &[]);
    }

    #[test]
    fn too_many_hours_are_refused_by_name() {
        let refused = Slots::hours(&days("2025-01-01", "2025-02-01", "UTC")).unwrap_err();
        assert_eq!(refused.to_string(), "`by` sums up at most 31 days by hour, not 32");
    }

    #[test]
    fn so_many_days_are_summed_up_by_hour_and_no_more() {
        let last = chrono::NaiveDate::from_ymd_opt(2025, 11, 30).unwrap();
        let hours = |count: usize| {
            let first = last - TimeDelta::days(i64::try_from(count).unwrap() - 1);
            Slots::hours(&days(&first.to_string(), &last.to_string(), "UTC"))
        };
        assert_eq!(hours(HOURS_DAYS_MAX).unwrap().edges.len(), HOURS_DAYS_MAX * 24 + 1);
        assert!(hours(HOURS_DAYS_MAX + 1).is_err());
    }
}
