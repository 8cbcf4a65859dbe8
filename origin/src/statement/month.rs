//! Months of somebody's calendar.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::error::Error;
use crate::read::days::Days;

/// A month in a time zone, and the instants at which it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    first: NaiveDate,
    zone: Tz,
    /// Where it begins.
    pub from: DateTime<Utc>,
    /// Where it ends, not included.
    pub to: DateTime<Utc>,
}

impl Month {
    /// A month such as `2026-10`.
    pub fn read(text: &str, zone: Tz) -> Result<Self, Error> {
        let wrong = || Error::invalid("month", "is not a month such as 2026-10");
        let first = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d");
        let month = Self::beginning(first.map_err(|_| wrong())?, zone)?;
        // One spelling, since a month is found by its name.
        if month.to_string() == text { Ok(month) } else { Err(wrong()) }
    }

    /// The month that this time is in.
    pub fn of(time: DateTime<Utc>, zone: Tz) -> Result<Self, Error> {
        let day = time.with_timezone(&zone).date_naive();
        let first = day.with_day(1).ok_or_else(|| Error::invalid("month", "has no first day"))?;
        Self::beginning(first, zone)
    }

    /// The month after this one.
    pub fn next(&self) -> Result<Self, Error> {
        Self::beginning(self.following()?, self.zone)
    }

    /// The month before this one.
    pub fn previous(&self) -> Result<Self, Error> {
        let first = self.first.checked_sub_months(chrono::Months::new(1));
        Self::beginning(first.ok_or_else(|| Error::invalid("month", "is too early"))?, self.zone)
    }

    fn following(&self) -> Result<NaiveDate, Error> {
        let next = self.first.checked_add_months(chrono::Months::new(1));
        next.ok_or_else(|| Error::invalid("month", "is too late"))
    }

    fn beginning(first: NaiveDate, zone: Tz) -> Result<Self, Error> {
        let mut month = Self { first, zone, from: DateTime::UNIX_EPOCH, to: DateTime::UNIX_EPOCH };
        let last = month.following()?.pred_opt();
        let last = last.ok_or_else(|| Error::invalid("month", "is too late"))?;
        let (first, last) = (first.to_string(), last.to_string());
        let days = Days::read(Some(&first), Some(&last), Some(zone.name()), Utc::now())?;
        if let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) {
            (month.from, month.to) = (*from, *to);
        }
        Ok(month)
    }

    /// The name of its zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_at_midnight_in_its_zone() {
        let month = Month::read("2026-10", Tz::Asia__Shanghai).unwrap();
        assert_eq!(month.from.to_rfc3339(), "2026-09-30T16:00:00+00:00");
        assert_eq!(month.to.to_rfc3339(), "2026-10-31T16:00:00+00:00");
        assert_eq!(month.next().unwrap().to_string(), "2026-11");
        assert_eq!(month.previous().unwrap().to_string(), "2026-09");
        assert_eq!(Month::of(month.from, Tz::Asia__Shanghai).unwrap(), month);
        assert_eq!(Month::of(month.to, Tz::Asia__Shanghai).unwrap(), month.next().unwrap());
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["2026-13", "2026-00", "2026-1", "202610", "2026-10-01", "", "+2026-1", "あ"] {
            assert!(Month::read(text, Tz::UTC).is_err(), "{text}");
        }
    }
}
