//! Places in the list of all calls, as they are handed out and read back.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use chrono::{DateTime, Datelike as _, Utc};

use crate::error::Error;
use crate::read::days::{YEAR_FIRST, YEAR_LAST};

/// Longest cursor that is looked at, in characters.
const CURSOR_CHARS_MAX: usize = 100;

/// Where a page begins: behind this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) finished_at: DateTime<Utc>,
    pub(super) entry_id: i64,
}

impl Place {
    /// As it is handed out.
    pub(super) fn text(self) -> String {
        let text = format!("{}.{}", self.finished_at.timestamp_millis(), self.entry_id);
        Base64UrlUnpadded::encode_string(text.as_bytes())
    }

    /// Reads back what was handed out.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error::invalid("cursor", "is not one that was handed out"))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > CURSOR_CHARS_MAX {
            return None;
        }
        let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
        let (ms, entry_id) = str::from_utf8(&bytes).ok()?.split_once('.')?;
        let finished_at = DateTime::from_timestamp_millis(ms.parse().ok()?)?;
        // No call stands elsewhere, and Postgres keeps no time that is much further away.
        let years = YEAR_FIRST..=YEAR_LAST;
        let finished_at = Some(finished_at).filter(|time| years.contains(&time.year()))?;
        Some(Self { finished_at, entry_id: entry_id.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let finished_at = DateTime::from_timestamp_millis(1_763_700_000_123).unwrap();
        let place = Place { finished_at, entry_id: 42 };
        assert_eq!(Place::parse(&place.text()).unwrap(), place);
        for text in [
            "",
            "AAAA",
            "!",
            &"A".repeat(CURSOR_CHARS_MAX + 1),
            "OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE",
            "LTk5OTk5OTk5OTk5OTk5OS4x",
        ] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_cursor_that_is_looked_at_is_longer_than_any() {
        let finished_at = DateTime::from_timestamp_millis(253_402_300_799_999).unwrap();
        let furthest = Place { finished_at, entry_id: i64::MAX };
        assert!(furthest.text().len() <= CURSOR_CHARS_MAX);
        assert_eq!(Place::parse(&furthest.text()).unwrap(), furthest);
        let padded = format!("1763700000123.{:0>60}", 42);
        let padded = Base64UrlUnpadded::encode_string(padded.as_bytes());
        assert!(padded.len() <= CURSOR_CHARS_MAX && Place::parse(&padded).is_ok());
        let padded = format!("1763700000123.{:0>62}", 42);
        let padded = Base64UrlUnpadded::encode_string(padded.as_bytes());
        // No text in this encoding has one character more than the bound.
        assert!(padded.len() == CURSOR_CHARS_MAX + 2 && Place::parse(&padded).is_err());
    }
}
