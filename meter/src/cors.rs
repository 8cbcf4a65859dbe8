//! Which pages' scripts may read Weir's replies.
//!
//! Path: before **authenticate**. A browser names the origin of the page that asks (Fetch standard,
//! "CORS protocol") and shows the page nothing unless that origin comes back. The list is the
//! operator's, exact, and empty unless it was set: a key in a page is a key that its visitors hold.
//!
//! Cookies play no part, so credentials are never allowed, and what a page may send and see is fixed.
//!
//! # Bounds
//! At most [`ORIGINS_MAX`] origins of at most [`ORIGIN_BYTES_MAX`] bytes.

/// Most origins on the list.
pub const ORIGINS_MAX: usize = 64;
/// Longest origin, in bytes: a scheme, a host name of 253 and a port.
pub const ORIGIN_BYTES_MAX: usize = 272;

/// The methods that a page may use.
pub const METHODS: &str = "GET, POST, PUT, DELETE";
/// The headers that a page may send: those of the doors, and what the libraries send from browsers.
pub const HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id, weir-events, \
    agw-js-conv, x-coze-client-user-agent, openai-organization, openai-project, x-stainless-arch, \
    x-stainless-lang, x-stainless-os, x-stainless-package-version, x-stainless-retry-count, \
    x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout";
/// The headers of a reply that a page may read, beside those that every page may.
pub const EXPOSED: &str = "weir-call-id, weir-charge, weir-balance, weir-replayed, x-tt-logid, \
    ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, x-should-retry";
/// How long a browser remembers what it may do: two hours, the most that Chromium keeps.
pub const MAX_AGE_S: &str = "7200";

/// The origins whose pages may read replies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<String>);

/// Why a list of origins is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginsError {
    /// More than [`ORIGINS_MAX`].
    #[error("names {0} origins, {ORIGINS_MAX} are allowed")]
    TooMany(usize),
    /// Not what a browser would send.
    #[error("{0:?} is not an origin such as https://shop.example or http://localhost:3000")]
    Unreadable(String),
}

impl Origins {
    /// Reads a list whose members are parted by commas.
    pub fn parse(text: &str) -> Result<Self, OriginsError> {
        let listed = || text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let count = listed().count();
        if count > ORIGINS_MAX {
            return Err(OriginsError::TooMany(count));
        }
        let origins = listed().map(|origin| {
            let read = is_origin(origin).then(|| origin.to_owned());
            read.ok_or_else(|| OriginsError::Unreadable(origin.to_owned()))
        });
        origins.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether pages of this origin may read replies.
    pub fn allows(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| listed == origin)
    }
}

/// Whether a browser would write an origin like this: in lower case, with nothing behind the port.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
    };
    text.len() <= ORIGIN_BYTES_MAX
        && host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) {
        let error = Origins::parse(text).unwrap_err();
        assert_eq!(error, OriginsError::Unreadable(text.to_owned()));
    }

    #[test]
    fn what_no_browser_sends_is_an_error() {
        for text in ["*", "null", "shop.example", "https://", "https://Shop.example"] {
            refused(text);
        }
        for text in ["https://*.shop.example", "https://shop.example/", "ftp://a", "https://a b"] {
            refused(text);
        }
        let origin = |bytes: usize| format!("https://{}", "a".repeat(bytes - "https://".len()));
        assert!(Origins::parse(&origin(ORIGIN_BYTES_MAX)).is_ok());
        refused(&origin(ORIGIN_BYTES_MAX + 1));
    }

    #[test]
    fn a_list_has_its_bound() {
        let list = |count: usize| vec!["https://a"; count].join(",");
        assert!(Origins::parse(&list(ORIGINS_MAX)).is_ok());
        let many = ORIGINS_MAX + 1;
        assert_eq!(Origins::parse(&list(many)), Err(OriginsError::TooMany(many)));
    }

    #[test]
    fn an_origin_is_allowed_as_it_is_written_and_no_other() {
        let origins = Origins::parse(" https://shop.example ,http://localhost:3000,").unwrap();
        assert!(origins.allows("https://shop.example"));
        assert!(origins.allows("http://localhost:3000"));
        for other in [
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example.evil",
            "https://evil.shop.example",
            "null",
            "",
        ] {
            assert!(!origins.allows(other), "{other}");
        }
        assert!(Origins::parse("").unwrap().is_empty());
    }
}
