//! An account's time zone, as the edge is told of it.
//!
//! The edge knows no time zones: it is told by how many minutes the account's clock is ahead of UTC.
//! Where that changes with the season, the origin looks again when it does, and tells the new number
//! like any other change.
//!
//! # Bounds
//! One pull looks at no more than [`LOOKED_AT_MAX`] accounts, and nobody looks further ahead than
//! [`AHEAD_DAYS`]; a new version of the time zone database is noticed within that time, too.

use chrono::{DateTime, Duration, Offset as _, SubsecRound as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use meter::ids::JournalName;
use sqlx::{Connection as _, PgConnection};

use crate::error::Error;
use crate::journal;

/// Most accounts that one pull looks at. The next pull takes the next ones.
pub const LOOKED_AT_MAX: i64 = 1_000;
/// How far ahead a change of the clocks is looked for.
pub const AHEAD_DAYS: i64 = 30;

/// Where an account's day begins, and until when that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOffset {
    /// Minutes that its clock is ahead of UTC.
    pub minutes: i16,
    /// When to look again.
    pub until: DateTime<Utc>,
}

impl DayOffset {
    /// The offset in a zone, now and for as long as it holds.
    pub fn of(zone: Tz, now: DateTime<Utc>) -> Result<Self, Error> {
        // Clocks change at whole seconds.
        let now = now.trunc_subsecs(0);
        let minutes = minutes_at(zone, now)?;
        let days = (1..=AHEAD_DAYS).map(|day| now + Duration::days(day));
        let mut last_same = now;
        for at in days {
            if minutes_at(zone, at)? != minutes {
                return Ok(Self { minutes, until: change(zone, minutes, last_same, at)? });
            }
            last_same = at;
        }
        Ok(Self { minutes, until: last_same })
    }
}

/// The first second with another offset, which lies behind `same` and not behind `other`.
fn change(
    zone: Tz,
    minutes: i16,
    mut same: DateTime<Utc>,
    mut other: DateTime<Utc>,
) -> Result<DateTime<Utc>, Error> {
    // A day of 86,400 seconds is halved 17 times until one is left.
    while (other - same).num_seconds() > 1 {
        let middle = same + Duration::seconds((other - same).num_seconds() / 2);
        if minutes_at(zone, middle)? == minutes { same = middle } else { other = middle }
    }
    Ok(other)
}

fn minutes_at(zone: Tz, at: DateTime<Utc>) -> Result<i16, Error> {
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    Ok(i16::try_from(seconds.div_euclid(60))?)
}

/// Looks again at the offsets of a journal's accounts that may have changed, and has those that did
/// told to the edge.
pub async fn look_again(
    connection: &mut PgConnection,
    journal: &JournalName,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let due = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM account WHERE journal_id = $1 AND day_offset_until <= $2)
           AS "due!""#,
        journal.as_str(),
        now
    )
    .fetch_one(&mut *connection)
    .await?;
    if !due {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    // Whoever changes an account holds the journal's row, so none changes under our hands.
    journal::lock(&mut tx, journal).await?;
    let rows = sqlx::query!(
        "SELECT account_id, time_zone, day_offset_minutes FROM account
         WHERE journal_id = $1 AND day_offset_until <= $2
         ORDER BY day_offset_until, account_id LIMIT $3",
        journal.as_str(),
        now,
        LOOKED_AT_MAX
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in rows {
        let offset = DayOffset::of(parse(&row.account_id, &row.time_zone)?, now)?;
        let changed = offset.minutes != row.day_offset_minutes;
        let revision =
            if changed { Some(journal::bump(&mut tx, journal.as_str()).await?) } else { None };
        sqlx::query!(
            "UPDATE account SET day_offset_minutes = $2, day_offset_until = $3,
                                revision = coalesce($4, revision)
             WHERE account_id = $1",
            row.account_id,
            offset.minutes,
            offset.until,
            revision
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A zone as a row names it.
fn parse(account_id: &str, zone: &str) -> Result<Tz, Error> {
    zone.parse()
        .map_err(|error| Error::impossible("account", format_args!("{account_id}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: Tz, now: &str, minutes: i16, until: &str) {
        let offset = DayOffset::of(zone, now.parse().unwrap()).unwrap();
        let until = until.parse().unwrap();
        assert_eq!(offset, DayOffset { minutes, until }, "{zone} at {now}");
    }

    #[test]
    fn an_offset_holds_until_the_clocks_change() {
        use chrono_tz::{Asia, Australia, Europe};
        // No summer time: looked at again at the end of what is looked ahead.
        check(Asia::Shanghai, "2026-03-01T00:00:00Z", 480, "2026-03-31T00:00:00Z");
        check(Europe::Berlin, "2026-03-01T12:34:56Z", 60, "2026-03-29T01:00:00Z");
        check(Europe::Berlin, "2026-03-29T01:00:00Z", 120, "2026-04-28T01:00:00Z");
        check(Europe::Berlin, "2026-10-25T00:59:59Z", 120, "2026-10-25T01:00:00Z");
        // Half an hour of summer time, on the other half of the Earth.
        check(Australia::Lord_Howe, "2026-03-20T00:00:00Z", 660, "2026-04-04T15:00:00Z");
    }
}
