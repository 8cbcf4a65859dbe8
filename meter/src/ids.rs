//! Names of things, as types that cannot hold nonsense.
//!
//! Ours ([`AccountId`], [`KeyId`], [`JournalName`], [`CallId`], [`Epoch`]) are short and plain, so that
//! they can stand in a URL, a log line or a header without escaping. Upstream's ([`UpstreamId`]) are
//! opaque strings: Coze writes 64-bit numbers as decimal strings and a resume's event id holds a
//! slash (upstream contract §1).
//!
//! An id's text is shared by its clones: holds, entries and what memory finds them by all have it.

use std::fmt;
use std::sync::Arc;

/// Longest of our own ids, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// Longest upstream id we keep, in bytes. Coze's have about 20, an event id about 40.
pub const UPSTREAM_ID_BYTES_MAX: usize = 128;

/// Why a string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// More bytes than the kind of id allows.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// A character outside the ones allowed.
    #[error("holds a character that an id cannot have")]
    Character,
}

fn parse(text: &str, bytes_max: usize, allowed: fn(u8) -> bool) -> Result<Arc<str>, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > bytes_max {
        return Err(IdError::TooLong(bytes_max));
    }
    if !text.bytes().all(allowed) {
        return Err(IdError::Character);
    }
    Ok(text.into())
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes_max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $bytes_max, $allowed).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Who pays.
    AccountId, ID_BYTES_MAX, plain
}
id! {
    /// Which key a caller holds; the `jti` of its token.
    KeyId, ID_BYTES_MAX, plain
}
id! {
    /// Which Durable Object keeps an account's calls.
    JournalName, ID_BYTES_MAX, plain
}
id! {
    /// One billable request.
    CallId, ID_BYTES_MAX, plain
}
id! {
    /// Drawn when a journal's store is first created, so that a lost store is noticed.
    Epoch, ID_BYTES_MAX, plain
}
id! {
    /// A group of accounts that share a price ratio.
    Group, ID_BYTES_MAX, plain
}
id! {
    /// One of the operator's own credentials at upstream, as the edge's configuration calls it.
    CredentialName, ID_BYTES_MAX, plain
}
id! {
    /// One of a caller's own sessions, by the hash of the name that the caller gave it.
    SessionId, ID_BYTES_MAX, plain
}
id! {
    /// An id made by upstream: a chat, an execution, a bot, a workflow. Opaque to us.
    UpstreamId, UPSTREAM_ID_BYTES_MAX, |byte| byte.is_ascii_graphic()
}

impl KeyId {
    /// The first key of the line that this one was rotated from: `key_7-2` and `key_7-3` took the place
    /// of `key_7`, and count against the same limits.
    #[must_use]
    pub fn line(&self) -> Self {
        Self(self.0.split(LINE_SEPARATOR).next().unwrap_or_default().into())
    }

    /// The id of the key that takes this one's place; `None` when that would be too long.
    pub fn successor(&self) -> Option<Self> {
        let number =
            self.0.split(LINE_SEPARATOR).nth(1).map_or(Some(1), |text| text.parse().ok())?;
        let next = u32::checked_add(number, 1)?;
        format!("{}{LINE_SEPARATOR}{next}", self.line()).parse().ok()
    }
}

/// What stands between the first key's id and the number of its successor.
const LINE_SEPARATOR: char = '-';

impl CallId {
    /// An id from the time of admission and 80 random bits, both drawn by the shell.
    ///
    /// The time comes first, so that ids sort by age; the random part keeps two edges from ever
    /// making the same one.
    pub fn new(now_ms: u64, random: [u8; 10]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(33);
        let time = now_ms & 0xffff_ffff_ffff;
        // Writing to a String cannot fail.
        let _ = write!(text, "c{time:012x}");
        for byte in random {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }
}

impl Group {
    /// The group of accounts that were not put in another.
    pub fn standard() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: std::str::FromStr<Err = IdError> + fmt::Display>(
        text: &str,
        want: Option<IdError>,
    ) {
        match (text.parse::<T>(), want) {
            (Ok(id), None) => assert_eq!(id.to_string(), text),
            (Err(error), Some(want)) => assert_eq!(error, want),
            (got, want) => panic!("{text:?}: {:?}, wanted {want:?}", got.map(|id| id.to_string())),
        }
    }

    #[test]
    fn our_ids_are_plain_and_short() {
        check::<AccountId>("", Some(IdError::Empty));
        check::<AccountId>("a/b", Some(IdError::Character));
        check::<AccountId>("a b", Some(IdError::Character));
        check::<AccountId>("é", Some(IdError::Character));
        check::<AccountId>(&"a".repeat(ID_BYTES_MAX + 1), Some(IdError::TooLong(ID_BYTES_MAX)));
        check::<AccountId>(&"a".repeat(ID_BYTES_MAX), None);
        check::<AccountId>("acc_7Q-x", None);
    }

    #[test]
    fn keys_of_one_line_share_their_first_id() {
        let key = |text: &str| text.parse::<KeyId>().unwrap();
        let second = key("key_7").successor().unwrap();
        assert_eq!(second, key("key_7-2"));
        let third = second.successor().unwrap();
        assert_eq!(third, key("key_7-3"));
        assert_eq!((third.line(), second.line()), (key("key_7"), key("key_7")));
        assert_eq!(key("key_7-x").successor(), None);
        assert_eq!(key(&"k".repeat(ID_BYTES_MAX)).successor(), None);
    }

    #[test]
    fn upstream_ids_may_hold_a_slash_but_no_space() {
        check::<UpstreamId>("7502000000000000003/2769808280134765896", None);
        check::<UpstreamId>("75 02", Some(IdError::Character));
        check::<UpstreamId>("75\n02", Some(IdError::Character));
        check::<UpstreamId>(&"7".repeat(UPSTREAM_ID_BYTES_MAX), None);
        let too_long = IdError::TooLong(UPSTREAM_ID_BYTES_MAX);
        check::<UpstreamId>(&"7".repeat(UPSTREAM_ID_BYTES_MAX + 1), Some(too_long));
    }

    #[test]
    fn call_ids_sort_by_time_and_parse_back() {
        let early = CallId::new(1_764_000_000_000, [0xff; 10]);
        let late = CallId::new(1_764_000_000_001, [0; 10]);
        assert!(early < late);
        assert_eq!(early.as_str().parse::<CallId>().as_ref(), Ok(&early));
    }
}
