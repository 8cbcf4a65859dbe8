//! The operator's own credentials at upstream: which one a call is sent with, and as whom.
//!
//! A credential is a personal access token, or an OAuth app whose private key signs the request for a
//! short-lived token. Such a token is made for one account and session, so that Coze itself keeps their
//! conversations apart. Knows nothing of keys' formats, of signing and of the network.

use std::fmt;

use crate::ids::{AccountId, CredentialName, SessionId};
use crate::time::UnixMs;

/// The grant by which a signed request is given for a token (RFC 7523 §2.1).
pub const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Most credentials that can be named. A token is kept for each of them and each account.
pub const CREDENTIALS_MAX: usize = 64;
/// How long a token is asked for. An isolate seldom lives longer, and the token lives in its memory alone.
pub const TOKEN_LIFE_SECONDS: u64 = 3_600;
/// How long before its end a token is no longer used for new calls.
pub const TOKEN_RENEWED_BEFORE_MS: u64 = 60_000;
/// How long the signed request for a token is good, from its making on.
pub const REQUEST_LIFE_SECONDS: u64 = 600;
/// Coze's audience in China, and what a relay in front of it passes on.
const AUDIENCE_DEFAULT: &str = "api.coze.cn";
/// Coze's audience elsewhere.
const AUDIENCE_ELSEWHERE: &str = "api.coze.com";

/// As whom a call goes upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Sender {
    /// The credential, by its name; the default one when absent.
    pub credential: Option<CredentialName>,
    /// Which of its sessions the caller speaks for.
    pub session: Option<SessionId>,
}

/// What must not be shown. Neither its `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever sends it or signs with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a call is sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token that is sent as it is.
    Token(Secret),
    /// An app that mints tokens.
    App(App),
}

/// An OAuth app of the operator's at Coze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub client_id: String,
    /// The name that Coze gave its public key.
    pub kid: String,
    /// Its private key, in PEM.
    pub private_key: Secret,
}

/// A token that was minted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What is sent.
    pub secret: Secret,
    /// When it stops being good.
    pub expires_at: UnixMs,
}

impl Token {
    /// Whether a call that begins now may be sent with it.
    pub fn is_fresh(&self, now: UnixMs) -> bool {
        now.plus_ms(TOKEN_RENEWED_BEFORE_MS) < self.expires_at
    }
}

/// The audience that upstream wants to be named, by its own address.
pub fn audience(upstream_url: &str) -> &'static str {
    let host = upstream_url.split("://").nth(1).unwrap_or(upstream_url);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    if host == AUDIENCE_ELSEWHERE { AUDIENCE_ELSEWHERE } else { AUDIENCE_DEFAULT }
}

/// The name of the session under which Coze keeps what this account does.
pub fn session_name(account: &AccountId, session: Option<&SessionId>) -> String {
    // Ids hold no dot, so that no two pairs have the same name.
    match session {
        None => account.to_string(),
        Some(session) => format!("{account}.{session}"),
    }
}

/// Whether a reply says that the credential itself was refused (contract §4.2).
pub fn is_refused(status: u16, code: Option<i64>) -> bool {
    status == 401 || matches!(code, Some(4_100 | 700_012_006))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_is_cozes_own_whatever_stands_in_front_of_it() {
        assert_eq!(audience("https://api.coze.com"), "api.coze.com");
        assert_eq!(audience("https://api.coze.com:443/x"), "api.coze.com");
        assert_eq!(audience("https://api.coze.com.example.org"), "api.coze.cn");
        assert_eq!(audience("https://api.coze.cn"), "api.coze.cn");
        assert_eq!(audience("http://127.0.0.1:18080"), "api.coze.cn");
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let expires_at = UnixMs::new(1_000_000);
        let token = Token { secret: Secret::new("t"), expires_at };
        assert!(!token.is_fresh(UnixMs::new(1_000_000 - TOKEN_RENEWED_BEFORE_MS)));
        assert!(token.is_fresh(UnixMs::new(999_999 - TOKEN_RENEWED_BEFORE_MS)));
    }

    #[test]
    fn sessions_of_different_accounts_never_share_a_name() {
        let (account, session) = ("acc_1".parse().unwrap(), "5e".parse().unwrap());
        assert_eq!(session_name(&account, None), "acc_1");
        assert_eq!(session_name(&account, Some(&session)), "acc_1.5e");
        assert!("acc_1.5e".parse::<AccountId>().is_err());
    }

    #[test]
    fn a_refused_credential_is_told_from_other_refusals() {
        assert!(is_refused(401, None));
        assert!(is_refused(200, Some(4_100)));
        assert!(is_refused(200, Some(700_012_006)));
        assert!(!is_refused(403, Some(4_101)));
        assert!(!is_refused(200, Some(0)));
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new("pat_x")), "Secret(…)");
    }
}
