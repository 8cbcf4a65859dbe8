//! A stretch of days in somebody's time zone, as points in time.
//!
//! # Bounds
//! At most [`DAYS_MAX`] days, from [`YEAR_FIRST`] to [`YEAR_LAST`].

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::error::Error;

/// Most days in one summary: a leap year.
pub const DAYS_MAX: i64 = 366;
/// Days in a summary that names none.
pub const DAYS_DEFAULT: i64 = 30;
/// The first year that can be named: nothing was metered before.
pub const YEAR_FIRST: i32 = 1970;
/// The last one: beyond it a day is written in more than ten characters.
pub const YEAR_LAST: i32 = 9999;
/// Quarters of an hour by which a day may begin late: an hour where clocks were put forward at midnight,
/// a whole day and more where a place crossed the date line and had no such day at all.
const LATE_QUARTERS_MAX: i32 = 4 * 27;

/// Whole days, and the instants at which they begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// The zone they are days in.
    pub zone: Tz,
    /// The first one.
    pub first: NaiveDate,
    /// The last one.
    pub last: NaiveDate,
    /// Where each day begins, and where the last one ends.
    pub edges: Vec<DateTime<Utc>>,
}

/// Reads a day.
pub fn day(field: &'static str, text: &str) -> Result<NaiveDate, Error> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let day = day.filter(|day| (YEAR_FIRST..=YEAR_LAST).contains(&day.year()));
    day.ok_or_else(|| Error::invalid(field, "is not a day such as 2025-11-21"))
}

/// Reads a time zone; without a name it is UTC.
pub fn zone(name: Option<&str>) -> Result<Tz, Error> {
    let Some(name) = name else { return Ok(Tz::UTC) };
    name.parse().map_err(|_| Error::invalid("tz", "is not a time zone such as Asia/Shanghai"))
}

impl Days {
    /// The days from `from` to `to`, both included; the last thirty when neither is named.
    pub fn read(
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let zone = self::zone(zone)?;
        let last = match to {
            Some(text) => day("to", text)?,
            None => now.with_timezone(&zone).date_naive(),
        };
        let first = match from {
            Some(text) => day("from", text)?,
            None => last
                .checked_sub_signed(Duration::days(DAYS_DEFAULT - 1))
                .ok_or_else(|| Error::invalid("to", "is too early"))?,
        };
        let count = last.signed_duration_since(first).num_days().saturating_add(1);
        if count < 1 {
            return Err(Error::invalid("from", format!("is after `to`, which is {last}")));
        }
        if count > DAYS_MAX {
            return Err(Error::invalid(
                "from",
                format!("is more than {DAYS_MAX} days before `to`"),
            ));
        }
        let edges = (0..=count)
            .map(|number| {
                let day = first.checked_add_signed(Duration::days(number));
                day.and_then(|day| beginning(day, zone))
                    .ok_or_else(|| Error::invalid("to", "is too late"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { zone, first, last, edges })
    }

    /// The same, where one that is named alone is all, and yesterday is when none is.
    pub fn read_or_yesterday(
        from: Option<&str>,
        to: Option<&str>,
        zone: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        if from.is_none() && to.is_none() {
            return Self::one(None, zone, now);
        }
        Self::read(from.or(to), to.or(from), zone, now)
    }

    /// One day; yesterday when it is not named.
    pub fn one(date: Option<&str>, zone: Option<&str>, now: DateTime<Utc>) -> Result<Self, Error> {
        let date = if let Some(date) = date {
            day("date", date)?
        } else {
            let today = now.with_timezone(&self::zone(zone)?).date_naive();
            today.pred_opt().unwrap_or(today)
        };
        let date = date.to_string();
        Self::read(Some(&date), Some(&date), zone, now)
    }

    /// The days themselves.
    pub fn dates(&self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take_while(move |day| *day <= self.last)
    }
}

/// The first instant of a day, or where it would have been. Midnight itself may be skipped or repeated
/// by a change of clocks.
pub fn beginning(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_hms_opt(0, 0, 0)?;
    (0..=LATE_QUARTERS_MAX).find_map(|quarter| {
        let local = midnight.checked_add_signed(Duration::minutes(i64::from(quarter) * 15))?;
        zone.from_local_datetime(&local).earliest().map(|time| time.with_timezone(&Utc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2025, 11, 21, 20, 0, 0).unwrap()
    }

    #[track_caller]
    fn refuses(from: &str, to: &str, zone: &str, want: &str) {
        match Days::read(Some(from), Some(to), Some(zone), now()) {
            Err(Error::Invalid { field, .. }) => assert_eq!(field, want),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_a_stretch_of_days_is_refused_by_its_field() {
        refuses("2025-02-30", "2025-03-01", "UTC", "from");
        refuses("2025-03-01", "yesterday", "UTC", "to");
        refuses("2025-03-02", "2025-03-01", "UTC", "from");
        refuses("2024-01-01", "2025-01-01", "UTC", "from");
        refuses("2025-03-01", "2025-03-01", "Mars/Olympus", "tz");
        refuses("+262142-12-31", "+262142-12-31", "UTC", "to");
        refuses("-0044-03-15", "2025-03-01", "UTC", "from");
        refuses("1969-12-31", "1970-01-01", "UTC", "from");
        refuses("9999-12-31", "10000-01-01", "UTC", "to");
    }

    #[track_caller]
    fn check(day: &str, zone: &str, want: [&str; 2]) {
        let days = Days::read(Some(day), Some(day), Some(zone), now()).unwrap();
        let edges: Vec<_> = days.edges.iter().map(DateTime::to_rfc3339).collect();
        assert_eq!(edges, want);
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_in_its_zone() {
        let utc = |time: &'static str| time;
        check(
            "2025-11-21",
            "Asia/Shanghai",
            [utc("2025-11-20T16:00:00+00:00"), utc("2025-11-21T16:00:00+00:00")],
        );
        check(
            "2025-11-21",
            "Asia/Kolkata",
            [utc("2025-11-20T18:30:00+00:00"), utc("2025-11-21T18:30:00+00:00")],
        );
        // Clocks went forward at midnight: the day began at one.
        check(
            "2018-11-04",
            "America/Sao_Paulo",
            [utc("2018-11-04T03:00:00+00:00"), utc("2018-11-05T02:00:00+00:00")],
        );
        // Samoa crossed the date line and had no such day: it is over when it begins.
        check(
            "2011-12-30",
            "Pacific/Apia",
            [utc("2011-12-30T10:00:00+00:00"), utc("2011-12-30T10:00:00+00:00")],
        );
    }

    #[test]
    fn a_report_is_about_yesterday_unless_a_day_is_named() {
        let shown = |days: Days| (days.first.to_string(), days.last.to_string());
        let one = |date| Days::one(date, Some("Asia/Shanghai"), now()).map(shown);
        assert_eq!(one(None).unwrap(), ("2025-11-21".to_owned(), "2025-11-21".to_owned()));
        assert_eq!(one(Some("2025-03-01")).unwrap().0, "2025-03-01");
        assert_eq!(
            one(Some("2026-02-30")).unwrap_err().to_string(),
            "`date` is not a day such as 2025-11-21"
        );
        let some = |from, to| Days::read_or_yesterday(from, to, None, now()).map(shown).unwrap();
        assert_eq!(some(None, None).0, "2025-11-20");
        assert_eq!(some(Some("2025-03-01"), None).1, "2025-03-01");
        assert_eq!(some(Some("2025-03-01"), Some("2025-03-02")).1, "2025-03-02");
    }

    #[test]
    fn without_days_it_is_the_last_thirty_in_that_zone() {
        let days = Days::read(None, None, Some("Asia/Shanghai"), now()).unwrap();
        assert_eq!(days.last.to_string(), "2025-11-22");
        assert_eq!(days.dates().count(), 30);
    }

    #[test]
    fn a_stretch_has_its_bound_in_days() {
        let last = NaiveDate::from_ymd_opt(2025, 11, 21).unwrap();
        let read = |count: i64| {
            let first = (last - Duration::days(count - 1)).to_string();
            Days::read(Some(&first), Some(&last.to_string()), None, now())
        };
        assert_eq!(read(DAYS_MAX).unwrap().dates().count(), usize::try_from(DAYS_MAX).unwrap());
        assert!(read(DAYS_MAX + 1).is_err());
    }

    /// A day that was skipped whole is the latest beginning that there is.
    #[test]
    fn the_latest_beginning_of_a_day_is_within_the_bound() {
        let begins = |day, zone: Tz| {
            let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap();
            let latest = day.and_hms_opt(0, 0, 0).unwrap()
                + Duration::minutes(i64::from(LATE_QUARTERS_MAX) * 15);
            let begins = beginning(day, zone).unwrap().with_timezone(&zone).naive_local();
            assert!(begins < latest, "{begins}");
            begins.to_string()
        };
        assert_eq!(begins("2011-12-30", Tz::Pacific__Apia), "2011-12-31 00:00:00");
        assert_eq!(begins("2018-11-04", Tz::America__Sao_Paulo), "2018-11-04 01:00:00");
    }
}
