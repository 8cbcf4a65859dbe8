//! A signed statement: who asks, for whom it is meant, and until when it is good.

use serde::Deserialize;

use crate::key::CLOCK_SKEW_MS;
use crate::time::UnixMs;

use super::Denied;

/// The one algorithm. A statement that names another one, or none, is not looked at further.
const ALGORITHM: &str = "RS256";
/// What Coze's own audience is called, which unchanged libraries name.
const AUDIENCE_OF_COZE: &str = "api.coze.cn";
/// The longest life of a statement. Coze's libraries give it an hour, one of them up to a day.
const LIFE_SECONDS_MAX: u64 = 86_400;
/// Longest app id, key name, statement id and session name, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// What the statement's header says: by which key it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The key's name.
    pub kid: String,
}

#[derive(Deserialize)]
struct HeaderDoc {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Scheme {
    /// Reads a header.
    pub fn read(json: &[u8]) -> Result<Self, Denied> {
        let header: HeaderDoc = serde_json::from_slice(json)
            .map_err(|_| Denied::client("the JWT's header cannot be read"))?;
        if header.alg != ALGORITHM {
            return Err(Denied::client("the JWT's alg has to be RS256"));
        }
        if header.crit.is_some() {
            // RFC 7515 §4.1.11: what must be understood and is not makes it invalid.
            return Err(Denied::client("the JWT's crit is not understood"));
        }
        Ok(Self { kid: text(header.kid, "the JWT's kid is missing or too long")? })
    }
}

/// What the statement says, once its signature was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// `iss`: the app.
    pub app: String,
    /// `aud`.
    audience: String,
    /// `jti`: by which it is known again.
    pub id: String,
    /// `iat`, in seconds.
    issued_at: u64,
    /// `exp`, in seconds.
    expires_at: u64,
    /// `nbf`, in seconds.
    not_before: Option<u64>,
    /// `session_name`.
    pub session_name: Option<String>,
}

#[derive(Deserialize)]
struct ClaimsDoc {
    iss: Option<String>,
    aud: Option<String>,
    jti: Option<String>,
    iat: Option<u64>,
    exp: Option<u64>,
    nbf: Option<u64>,
    session_name: Option<String>,
}

impl Assertion {
    /// Reads claims. Nothing of it is to be believed before the signature was verified.
    pub fn read(json: &[u8]) -> Result<Self, Denied> {
        let claims: ClaimsDoc = serde_json::from_slice(json)
            .map_err(|_| Denied::client("the JWT's claims cannot be read"))?;
        let session_name = claims.session_name.filter(|name| !name.is_empty());
        if session_name.as_ref().is_some_and(|name| name.len() > TEXT_BYTES_MAX) {
            return Err(Denied::client("the JWT's session_name is too long"));
        }
        Ok(Self {
            app: text(claims.iss, "the JWT's iss is missing or too long")?,
            audience: text(claims.aud, "the JWT's aud is missing or too long")?,
            id: text(claims.jti, "the JWT's jti is missing or too long")?,
            issued_at: claims.iat.ok_or_else(|| Denied::client("the JWT's iat is missing"))?,
            expires_at: claims.exp.ok_or_else(|| Denied::client("the JWT's exp is missing"))?,
            not_before: claims.nbf,
            session_name,
        })
    }

    /// Whether it is meant for this host, named with its port where it has one, and good at this time.
    pub fn check(&self, host: &str, now: UnixMs) -> Result<(), Denied> {
        if self.audience != AUDIENCE_OF_COZE && !self.audience.eq_ignore_ascii_case(host) {
            return Err(Denied::client("the JWT's aud is neither this host nor api.coze.cn"));
        }
        let ms = |seconds: u64| UnixMs::new(seconds.saturating_mul(1_000));
        let soon = now.plus_ms(CLOCK_SKEW_MS);
        if ms(self.issued_at) > soon || self.not_before.is_some_and(|begin| ms(begin) > soon) {
            return Err(Denied::client("the JWT is from the future"));
        }
        if self.expires_at <= self.issued_at
            || self.expires_at.saturating_sub(self.issued_at) > LIFE_SECONDS_MAX
        {
            return Err(Denied::client("the JWT's exp has to follow its iat within a day"));
        }
        if self.forgotten_at() <= now {
            return Err(Denied::client("the JWT has expired"));
        }
        Ok(())
    }

    /// From when on it need not be remembered, since it is refused for its age.
    pub fn forgotten_at(&self) -> UnixMs {
        UnixMs::new(self.expires_at.saturating_mul(1_000)).plus_ms(CLOCK_SKEW_MS)
    }
}

fn text(text: Option<String>, problem: &'static str) -> Result<String, Denied> {
    text.filter(|text| (1..=TEXT_BYTES_MAX).contains(&text.len()))
        .ok_or_else(|| Denied::client(problem))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOST: &str = "127.0.0.1:8787";
    const NOW_S: u64 = 1_764_000_000;

    #[track_caller]
    fn scheme(header: &Value, because: Option<&str>) {
        let read = Scheme::read(header.to_string().as_bytes());
        match (read, because) {
            (Ok(scheme), None) => assert_eq!(scheme.kid, "k1"),
            (Err(denied), Some(because)) => {
                assert!(denied.message.contains(because), "{}", denied.message);
            }
            (read, _) => panic!("{read:?}"),
        }
    }

    #[test]
    fn only_one_algorithm_is_known() {
        for alg in ["none", "HS256", "rs256", "RS384", "PS256", "EdDSA", ""] {
            scheme(&json!({"alg": alg, "kid": "k1"}), Some("RS256"));
        }
        scheme(&json!({"kid": "k1"}), Some("header"));
        scheme(&json!({"alg": "RS256"}), Some("kid"));
        scheme(&json!({"alg": "RS256", "kid": ""}), Some("kid"));
        scheme(&json!({"alg": "RS256", "kid": "k".repeat(TEXT_BYTES_MAX + 1)}), Some("kid"));
        scheme(&json!({"alg": "RS256", "kid": "k1", "crit": ["b64"], "b64": false}), Some("crit"));
        scheme(&json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}), None);
    }

    /// Valid claims with these changes; null takes one away.
    #[track_caller]
    fn check(changes: &Value, because: Option<&str>) {
        let mut claims = json!({
            "iss": "app-1", "aud": HOST, "jti": "j1", "iat": NOW_S, "exp": NOW_S + 3_600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let assertion = Assertion::read(claims.to_string().as_bytes());
        let checked = assertion.and_then(|one| one.check(HOST, UnixMs::new(NOW_S * 1_000)));
        match (checked, because) {
            (Ok(()), None) => {}
            (Err(denied), Some(because)) => {
                assert!(denied.message.contains(because), "{}", denied.message);
            }
            (checked, _) => panic!("{changes}: {checked:?}"),
        }
    }

    #[test]
    fn a_statement_is_refused_for_each_thing_that_is_wrong_with_it() {
        for name in ["iss", "aud", "jti", "iat", "exp"] {
            check(&json!({name: null}), Some(name));
        }
        for name in ["iss", "aud", "jti"] {
            check(&json!({name: ""}), Some(name));
            check(&json!({name: "x".repeat(TEXT_BYTES_MAX + 1)}), Some(name));
        }
        check(&json!({"aud": ["127.0.0.1:8787"]}), Some("claims"));
        check(&json!({"exp": 1.5}), Some("claims"));
        check(&json!({"iat": -1}), Some("claims"));
        check(&json!({"aud": "127.0.0.1"}), Some("aud"));
        check(&json!({"aud": "api.coze.com"}), Some("aud"));
        check(&json!({"iat": NOW_S + 31, "exp": NOW_S + 60}), Some("future"));
        check(&json!({"nbf": NOW_S + 31}), Some("future"));
        check(&json!({"exp": NOW_S}), Some("follow"));
        check(&json!({"exp": NOW_S + LIFE_SECONDS_MAX + 1}), Some("follow"));
        check(&json!({"exp": u64::MAX}), Some("follow"));
        check(&json!({"iat": NOW_S - 3_600, "exp": NOW_S - 30}), Some("expired"));
        let session = "x".repeat(TEXT_BYTES_MAX + 1);
        check(&json!({"session_name": session}), Some("session_name"));
    }

    #[test]
    fn a_statement_is_believed_as_far_as_two_clocks_may_differ() {
        check(&json!({}), None);
        check(&json!({"aud": "api.coze.cn"}), None);
        check(&json!({"exp": NOW_S + LIFE_SECONDS_MAX}), None);
        let longest = "x".repeat(TEXT_BYTES_MAX);
        check(&json!({"iss": longest, "jti": longest, "session_name": longest}), None);
        check(&json!({"iat": NOW_S + 30, "exp": NOW_S + 60}), None);
        check(&json!({"iat": NOW_S - 3_600, "exp": NOW_S - 29}), None);
        check(&json!({"session_name": "alice", "session_context": {"device_info": {}}}), None);
    }
}
