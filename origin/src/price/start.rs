//! When a change is to count, as somebody writes it.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::error::Error;

/// The latest year that is taken: what is beyond is a slip of the keyboard.
const YEAR_MAX: i32 = 2100;

/// Reads a time: with an offset, such as `2026-12-01T00:00:00+08:00`, or as clocks in a zone show it,
/// such as `2026-12-01T00:00`; a day alone is its midnight.
pub fn read(text: &str, zone: Tz) -> Result<DateTime<Utc>, Error> {
    let time = match DateTime::parse_from_rfc3339(text) {
        Ok(time) => time.with_timezone(&Utc),
        Err(_) => in_zone(text, zone)?,
    };
    if time > Utc.with_ymd_and_hms(YEAR_MAX, 1, 1, 0, 0, 0).single().unwrap_or(time) {
        return Err(Error::invalid("from", format!("is after {YEAR_MAX}")));
    }
    Ok(time)
}

fn in_zone(text: &str, zone: Tz) -> Result<DateTime<Utc>, Error> {
    let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    let local = formats.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let midnight = || {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        day.map(|day| day.and_time(NaiveTime::MIN))
    };
    let problem = "is no time such as 2026-12-01T00:00 or 2026-12-01T00:00:00+08:00";
    let local = local.or_else(midnight).ok_or_else(|| Error::invalid("from", problem))?;
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) => Ok(time.with_timezone(&Utc)),
        LocalResult::None => {
            let problem = format!("is skipped by the clocks of {zone}");
            Err(Error::invalid("from", problem))
        }
        LocalResult::Ambiguous(..) => {
            let problem = format!("comes twice by the clocks of {zone}: give it with its offset");
            Err(Error::invalid("from", problem))
        }
    }
}

/// Reads a time zone.
pub fn zone(text: &str) -> Result<Tz, Error> {
    text.parse().map_err(|_| Error::invalid("tz", "is not a time zone such as Asia/Shanghai"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, zone: Tz, want: &str) {
        let told = match read(text, zone) {
            Ok(time) => crate::clock::text(time),
            Err(error) => error.to_string(),
        };
        assert_eq!(told, want, "{text} in {zone}");
    }

    #[test]
    fn a_time_is_read_as_clocks_in_the_zone_show_it() {
        let shanghai = Tz::Asia__Shanghai;
        for text in ["2026-12-01T00:00", "2026-12-01 00:00:00", "2026-12-01"] {
            check(text, shanghai, "2026-11-30T16:00:00.000Z");
        }
        check("2026-12-01T00:00", Tz::UTC, "2026-12-01T00:00:00.000Z");
        check("2026-12-01T00:00:00Z", shanghai, "2026-12-01T00:00:00.000Z");
        check("2026-12-01T00:00:00-05:00", shanghai, "2026-12-01T05:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_or_not_one_alone_is_refused() {
        let form = "`from` is no time such as 2026-12-01T00:00 or 2026-12-01T00:00:00+08:00";
        for text in ["", "tomorrow", "2026-13-01", "2026-12-01T24:00", "01.12.2026", "1764547200"] {
            check(text, Tz::UTC, form);
        }
        let skipped = "`from` is skipped by the clocks of Europe/Berlin";
        check("2027-03-28T02:30", Tz::Europe__Berlin, skipped);
        let twice = "`from` comes twice by the clocks of Europe/Berlin: give it with its offset";
        check("2026-10-25T02:30", Tz::Europe__Berlin, twice);
        check("2026-10-25T02:30:00+01:00", Tz::Europe__Berlin, "2026-10-25T01:30:00.000Z");
        check("2999-01-01", Tz::UTC, "`from` is after 2100");
        assert!(zone("Mars/Olympus").is_err());
    }

    #[test]
    fn no_year_is_later_than_the_latest() {
        check(&format!("{YEAR_MAX}-01-01"), Tz::UTC, &format!("{YEAR_MAX}-01-01T00:00:00.000Z"));
        let beyond = format!("{YEAR_MAX}-01-01T00:00:01Z");
        check(&beyond, Tz::UTC, &format!("`from` is after {YEAR_MAX}"));
    }
}
