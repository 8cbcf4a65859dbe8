//! The one clock of the process, and the borders between its kinds of time.
//!
//! The shell reads the clock once per request, tick or command and passes the time on. Rules count in
//! milliseconds, Postgres and the token library in `DateTime<Utc>`.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use meter::time::UnixMs;
use serde::{Serialize as _, Serializer};

/// A time beyond what Postgres can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time out of range: {0} ms since 1970")]
pub struct TimeOutOfRange(u64);

/// The time now.
pub fn now() -> UnixMs {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs::new(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// As Postgres stores it.
pub fn timestamp(time: UnixMs) -> Result<DateTime<Utc>, TimeOutOfRange> {
    let error = TimeOutOfRange(time.get());
    let ms = i64::try_from(time.get()).map_err(|_| error)?;
    DateTime::from_timestamp_millis(ms).ok_or(error)
}

/// As rules count it; nothing here happened before 1970.
pub fn unix_ms(time: DateTime<Utc>) -> UnixMs {
    UnixMs::new(u64::try_from(time.timestamp_millis()).unwrap_or_default())
}

/// As people and JSON read it: RFC 3339, UTC, to the millisecond.
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A field of a document, written like that.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// The same for one that may be missing.
pub fn serialize_optional<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(text).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_way_to_postgres_and_back_to_the_millisecond() {
        let time = UnixMs::new(1_763_700_000_123);
        let stored = timestamp(time).unwrap();
        assert_eq!(text(stored), "2025-11-21T04:40:00.123Z");
        assert_eq!(unix_ms(stored), time);
        assert_eq!(timestamp(UnixMs::new(u64::MAX)), Err(TimeOutOfRange(u64::MAX)));
    }
}
