//! Which headers travel through Weir, in either direction.
//!
//! Up go the headers that say something about the request, and none that belong to one connection, name
//! the caller's machine, or are credentials (ours is put in their place). Down goes everything but what
//! belongs to one connection. Names are in lower case, as the platform gives them.

/// Headers of one connection (RFC 9110 §7.6.1), which no gateway passes on.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that carry credentials, name the caller's machine, or are set anew for the way up.
const NOT_UPSTREAM: &[&str] = &[
    "accept-encoding",
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "origin",
    "referer",
    "true-client-ip",
    "via",
    "x-api-key",
    "x-client-ip",
    "x-coze-deviceinfo",
    "x-real-ip",
];

/// Families of such headers, by how they begin.
const NOT_UPSTREAM_PREFIXES: &[&str] = &["cf-", "openai-", "weir-", "x-forwarded-", "x-stainless-"];

/// Whether a request's header goes to upstream.
pub fn goes_up(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name)
        && !NOT_UPSTREAM.contains(&name)
        && !NOT_UPSTREAM_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a reply's header must be taken out on its way to the caller.
///
/// `set-cookie` belongs to our account at upstream and not to the caller, and who may read what is
/// Weir's to say.
pub fn stays_up(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || matches!(name, "set-cookie" | "content-length")
        || name.starts_with("weir-")
        || name.starts_with("access-control-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_addresses_stay_behind() {
        for name in ["authorization", "cookie", "cf-connecting-ip", "x-forwarded-for", "te", "host"]
        {
            assert!(!goes_up(name), "{name}");
        }
        for name in ["content-type", "user-agent", "x-coze-client-user-agent", "agw-js-conv"] {
            assert!(goes_up(name), "{name}");
        }
    }

    #[test]
    fn replies_keep_their_log_id_and_lose_their_cookies() {
        assert!(!stays_up("x-tt-logid"));
        assert!(!stays_up("content-type"));
        assert!(stays_up("set-cookie"));
        assert!(stays_up("connection"));
        assert!(stays_up("weir-charge"));
        assert!(stays_up("access-control-allow-origin"));
    }
}
