//! The operator's credentials at upstream as they are configured, and how a token is asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::credential::{
    App, CREDENTIALS_MAX, Credential, JWT_GRANT, REQUEST_LIFE_SECONDS, Secret, Sender,
    TOKEN_LIFE_SECONDS, Token,
};
use crate::ids::CredentialName;
use crate::time::UnixMs;

use super::{WireError, parse, parse_optional};

/// Longest token that is believed, in bytes. Coze's have about 70.
const TOKEN_BYTES_MAX: usize = 4_096;
/// The latest end of a token that is believed: a day, the longest that can be asked for.
const TOKEN_LIFE_MAX_MS: u64 = 86_400_000;

/// As whom a call goes upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of `Sender`, spelled out")]
pub struct SenderDoc {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl From<&Sender> for SenderDoc {
    fn from(sender: &Sender) -> Self {
        let Sender { credential, session } = sender;
        Self {
            credential: credential.as_ref().map(ToString::to_string),
            session: session.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<&SenderDoc> for Sender {
    type Error = WireError;

    fn try_from(doc: &SenderDoc) -> Result<Self, WireError> {
        Ok(Self {
            credential: parse_optional("credential", doc.credential.as_deref())?,
            session: parse_optional("session", doc.session.as_deref())?,
        })
    }
}

/// One of the named credentials, as the operator writes it: a token, or an app.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialDoc {
    pat: Option<String>,
    client_id: Option<String>,
    kid: Option<String>,
    private_key: Option<String>,
    private_key_from: Option<String>,
}

/// Reads the named credentials: a JSON object of name → `{"pat"}` or `{"client_id","kid","private_key"}`.
///
/// A private key may stand in a secret of its own, since one secret holds no more than 5 kB on
/// Cloudflare: `private_key_from` names it, and `secret` gives what is in it. An error names the field
/// and never what is in it.
pub fn read_credentials(
    json: &str,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<CredentialName, Credential>, WireError> {
    let docs: BTreeMap<String, CredentialDoc> = serde_json::from_str(json).map_err(|error| {
        // The parser's own words may quote what it read, so only the place is told.
        let (line, column) = (error.line(), error.column());
        WireError::new(
            "COZE_CREDENTIALS",
            format!("does not read as credentials, at line {line}, column {column}"),
        )
    })?;
    if docs.len() > CREDENTIALS_MAX {
        let problem = format!("names {}, {CREDENTIALS_MAX} are allowed", docs.len());
        return Err(WireError::new("COZE_CREDENTIALS", problem));
    }
    docs.into_iter()
        .map(|(name, doc)| {
            Ok((parse("COZE_CREDENTIALS", &name)?, credential(&name, doc, &secret)?))
        })
        .collect()
}

fn credential(
    name: &str,
    doc: CredentialDoc,
    secret: impl Fn(&str) -> Option<String>,
) -> Result<Credential, WireError> {
    let CredentialDoc { pat, client_id, kid, private_key, private_key_from } = doc;
    let wrong =
        |problem: &str| Err(WireError::new("COZE_CREDENTIALS", format!("{name}: {problem}")));
    let private_key = match (private_key, private_key_from) {
        (Some(_), Some(_)) => {
            return wrong("`private_key` and `private_key_from` exclude each other");
        }
        (key, None) => key,
        (None, Some(from)) => match secret(&from) {
            Some(key) => Some(key),
            None => return wrong("`private_key_from` names no secret that is set"),
        },
    };
    match (pat, client_id, kid, private_key) {
        (Some(pat), None, None, None) if is_token(&pat) => Ok(Credential::Token(Secret::new(pat))),
        (Some(_), None, None, None) => wrong("`pat` is not a token"),
        (None, Some(client_id), Some(kid), Some(key)) => {
            Ok(Credential::App(App { client_id, kid, private_key: Secret::new(key) }))
        }
        _ => wrong("has to be `pat`, or `client_id`, `kid` and `private_key`, and nothing else"),
    }
}

/// What can stand in a header behind `Bearer`.
fn is_token(text: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The header of a signed request for a token.
#[derive(Debug, Serialize)]
pub struct AssertionHeader<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl<'a> AssertionHeader<'a> {
    /// Signed by the key of this name.
    pub fn new(kid: &'a str) -> Self {
        Self { alg: "RS256", typ: "JWT", kid }
    }
}

/// The claims of a signed request for a token (contract §5.2).
#[derive(Debug, Serialize)]
pub struct AssertionClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    session_name: &'a str,
}

impl<'a> AssertionClaims<'a> {
    /// A request of this app's, made now, for this session. `id` is drawn anew for each.
    pub fn new(
        app: &'a App,
        audience: &'a str,
        session_name: &'a str,
        id: &'a str,
        now: UnixMs,
    ) -> Self {
        let iat = now.get() / 1_000;
        let exp = iat.saturating_add(REQUEST_LIFE_SECONDS);
        Self { iss: &app.client_id, aud: audience, iat, exp, jti: id, session_name }
    }
}

/// The body beside a signed request for a token.
#[derive(Debug, Serialize)]
pub struct GrantDoc {
    grant_type: &'static str,
    duration_seconds: u64,
}

impl Default for GrantDoc {
    fn default() -> Self {
        Self { grant_type: JWT_GRANT, duration_seconds: TOKEN_LIFE_SECONDS }
    }
}

#[derive(Deserialize)]
struct GrantedDoc {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct DeniedDoc {
    error_code: Option<serde_json::Value>,
    code: Option<i64>,
}

/// Reads what came of asking for a token: the token, or what the log may know of the refusal.
pub fn read_granted(status: u16, body: &[u8], now: UnixMs) -> Result<Token, String> {
    if let Ok(GrantedDoc { access_token, expires_in }) = serde_json::from_slice(body) {
        if !is_token(&access_token) {
            return Err("the token is none that can be sent".to_owned());
        }
        // A point in time, not a duration (contract §5.2). A clock far ahead is not believed.
        let expires_at = UnixMs::new(expires_in.saturating_mul(1_000));
        let expires_at = expires_at.min(now.plus_ms(TOKEN_LIFE_MAX_MS));
        return Ok(Token { secret: Secret::new(access_token), expires_at });
    }
    // Codes alone: a message might repeat what was sent.
    let code = match serde_json::from_slice(body) {
        Ok(DeniedDoc { error_code: Some(code), .. }) => code.to_string(),
        Ok(DeniedDoc { code: Some(code), .. }) => code.to_string(),
        _ => "no code".to_owned(),
    };
    let code: String = code.chars().take(64).collect();
    Err(format!("status {status}, {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BTreeMap<CredentialName, Credential>, WireError> {
        read_credentials(json, |name| (name == "KEY").then(|| "PEM".to_owned()))
    }

    #[track_caller]
    fn refused(json: &str, because: &str) {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn credentials_that_are_none_are_refused_without_repeating_them() {
        refused("SECRET", "line 1");
        refused(r#"{"a":{"pat":"SECRET","other":"SECRET"}}"#, "line 1");
        refused(r#"{"a b":{"pat":"x"}}"#, "cannot have");
        refused(r#"{"a":{}}"#, "a: has to be");
        refused(r#"{"a":{"pat":""}}"#, "a: `pat` is not a token");
        refused(r#"{"a":{"pat":"SECRET x"}}"#, "a: `pat` is not a token");
        let pat = |bytes: usize| format!(r#"{{"a":{{"pat":"{}"}}}}"#, "x".repeat(bytes));
        refused(&pat(TOKEN_BYTES_MAX + 1), "a: `pat` is not a token");
        assert!(read(&pat(TOKEN_BYTES_MAX)).is_ok());
        refused(r#"{"a":{"pat":"x","kid":"SECRET"}}"#, "a: has to be");
        refused(r#"{"a":{"client_id":"1","kid":"2"}}"#, "a: has to be");
        let both =
            r#"{"a":{"client_id":"1","kid":"2","private_key":"SECRET","private_key_from":"KEY"}}"#;
        refused(both, "exclude each other");
        let nowhere = r#"{"a":{"client_id":"1","kid":"2","private_key_from":"SECRETLESS"}}"#;
        assert!(read(nowhere).unwrap_err().to_string().contains("no secret that is set"));
        let many: BTreeMap<String, _> = (0..=CREDENTIALS_MAX)
            .map(|n| (n.to_string(), BTreeMap::from([("pat", "x")])))
            .collect();
        refused(&serde_json::to_string(&many).unwrap(), "64 are allowed");
    }

    #[test]
    fn a_credential_is_a_token_or_an_app() {
        let read = read(
            r#"{"a":{"pat":"pat_1"},"b":{"client_id":"1","kid":"2","private_key_from":"KEY"}}"#,
        )
        .unwrap();
        assert_eq!(read[&"a".parse().unwrap()], Credential::Token(Secret::new("pat_1")));
        let app =
            App { client_id: "1".to_owned(), kid: "2".to_owned(), private_key: Secret::new("PEM") };
        assert_eq!(read[&"b".parse().unwrap()], Credential::App(app));
    }

    #[test]
    fn a_request_for_a_token_says_what_coze_wants_to_know() {
        let app = App {
            client_id: "app".to_owned(),
            kid: "k".to_owned(),
            private_key: Secret::new("PEM"),
        };
        let now = UnixMs::new(1_764_000_000_999);
        let claims = AssertionClaims::new(&app, "api.coze.cn", "acc_1", "id", now);
        assert_eq!(
            serde_json::to_string(&claims).unwrap(),
            r#"{"iss":"app","aud":"api.coze.cn","iat":1764000000,"exp":1764000600,"jti":"id","session_name":"acc_1"}"#
        );
        assert_eq!(
            serde_json::to_string(&GrantDoc::default()).unwrap(),
            r#"{"grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer","duration_seconds":3600}"#
        );
    }

    #[test]
    fn what_came_back_is_a_token_or_a_reason_for_the_log() {
        let now = UnixMs::new(1_764_000_000_000);
        let granted = |body: &str| read_granted(200, body.as_bytes(), now);
        let token = granted(r#"{"access_token":"czs_1","expires_in":1764000900}"#).unwrap();
        assert_eq!(token.expires_at, UnixMs::new(1_764_000_900_000));
        let latest = now.plus_ms(TOKEN_LIFE_MAX_MS);
        let token = |seconds: u64| {
            granted(&format!(r#"{{"access_token":"czs_1","expires_in":{seconds}}}"#)).unwrap()
        };
        for seconds in [latest.get() / 1_000, latest.get() / 1_000 + 1, u64::MAX] {
            assert_eq!(token(seconds).expires_at, latest);
        }
        assert!(granted(r#"{"access_token":"a b","expires_in":1}"#).is_err());
        let long = |bytes: usize| {
            let token = "x".repeat(bytes);
            granted(&format!(r#"{{"access_token":"{token}","expires_in":1764000900}}"#))
        };
        assert!(long(TOKEN_BYTES_MAX).is_ok() && long(TOKEN_BYTES_MAX + 1).is_err());
        let denied =
            read_granted(401, br#"{"error_code":"invalid_client","error_message":"s"}"#, now);
        assert_eq!(denied, Err(r#"status 401, "invalid_client""#.to_owned()));
        let denied = read_granted(200, br#"{"code":4100,"msg":"s"}"#, now);
        assert_eq!(denied, Err("status 200, 4100".to_owned()));
        assert_eq!(read_granted(502, b"<html>", now), Err("status 502, no code".to_owned()));
    }
}
