//! Who asks: somebody who is signed in, or a caller with a key.
//!
//! A request says it in one of four ways: `Authorization: Bearer` with a caller's key or with a
//! session's token, `Authorization: Basic` with the password that the environment names, or a
//! browser's session cookie. Handlers take what they need as an argument: a [`Viewer`] is anybody, a
//! [`Reader`] may read everything, an [`Administrator`] may change things.
//!
//! A browser adds cookies to requests that other sites make, so a cookie alone changes nothing: the
//! request must also say that it comes from a page of this site.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use base64ct::{Base64, Encoding as _};
use chrono::{DateTime, Utc};
use meter::key;
use meter::refusal::{Reason, Refusal};
use sqlx::PgPool;

use crate::account;
use crate::audit::{Actor, Via};
use crate::clock;
use crate::error::Error;
use crate::person::role::Role;
use crate::person::session::{self, Open, TOKEN_PREFIX, TokenHash};

use super::Site;
use super::origin::check_same_origin;

/// Longest user and password that are looked at, encoded.
const BASIC_CHARS_MAX: usize = 1_024;
/// The cookie that carries a session.
pub(super) const COOKIE_NAME: &str = "weir_session";
/// Under which name attempts with the environment's password are counted: no person can have it.
const BASIC_ATTEMPTS: &str = "Basic";

/// Who a request to the origin turned out to be.
pub(super) enum Viewer {
    /// Somebody who is signed in, and sees everything.
    Person(Person),
    /// A caller, who sees its own account.
    Account(String),
}

/// Somebody who is signed in.
pub(super) struct Person {
    /// What they are called.
    pub(super) name: String,
    /// What they may do.
    pub(super) role: Role,
    /// Their session, unless each request brings the password.
    pub(super) session: Option<(TokenHash, DateTime<Utc>)>,
}

/// Somebody who may read everything.
pub(super) struct Reader;

/// Somebody who may change things, as the log of acts calls them.
pub(super) struct Administrator(pub(super) Actor);

impl Viewer {
    /// The account to show: a caller's own, or the one that somebody names, or all.
    pub(super) async fn account(
        self,
        pool: &PgPool,
        named: Option<String>,
    ) -> Result<Option<String>, Error> {
        match (self, named) {
            (Self::Person(_), None) => Ok(None),
            (Self::Person(_), Some(named)) => {
                Ok(Some(account::find(pool, &named).await?.account_id))
            }
            (Self::Account(own), named) if named.as_ref().is_none_or(|named| *named == own) => {
                Ok(Some(own))
            }
            (Self::Account(_), _) => {
                let detail = "`account` is not the key's account";
                Err(Refusal::with_detail(Reason::KeyScope, detail).into())
            }
        }
    }
}

impl Person {
    /// As the log of acts calls them.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(&self.name, Via::Http)
    }
}

impl FromRequestParts<Arc<Site>> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION);
        // A header that is not text is a header without a key in it.
        let header = header.map(|value| value.to_str().unwrap_or("?"));
        if let Some(encoded) = header.and_then(|header| after_scheme(header, "basic")) {
            return basic(site, encoded).map(Self::Person);
        }
        let bearer = header.and_then(|header| after_scheme(header, "bearer"));
        if let Some(token) = bearer.filter(|token| token.starts_with(TOKEN_PREFIX)) {
            return by_session(site, token).await.map(Self::Person);
        }
        if header.is_none()
            && let Some(token) = cookie(&parts.headers)
        {
            let person = by_session(site, token).await?;
            if !matches!(parts.method, Method::GET | Method::HEAD) {
                check_same_origin(&parts.headers)?;
            }
            return Ok(Self::Person(person));
        }
        let token = key::from_header(header)?;
        let caller = site.signer.caller(token, clock::now())?;
        check_key(&site.pool, caller.key.as_str(), caller.account.as_str()).await?;
        Ok(Self::Account(caller.account.to_string()))
    }
}

impl FromRequestParts<Arc<Site>> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        match Viewer::from_request_parts(parts, site).await? {
            Viewer::Person(_) => Ok(Self),
            Viewer::Account(_) => Err(Error::Role("finance")),
        }
    }
}

impl FromRequestParts<Arc<Site>> for Administrator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        match Viewer::from_request_parts(parts, site).await? {
            Viewer::Person(person) if person.role == Role::Admin => Ok(Self(person.actor())),
            Viewer::Person(_) | Viewer::Account(_) => Err(Error::Role("admin")),
        }
    }
}

/// What follows this scheme in an `Authorization` header.
fn after_scheme<'a>(header: &'a str, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

/// The session cookie's value.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}

fn basic(site: &Site, encoded: &str) -> Result<Person, Error> {
    let decoded = if encoded.len() <= BASIC_CHARS_MAX {
        Base64::decode_vec(encoded).unwrap_or_default()
    } else {
        Vec::new()
    };
    // A right guess must not get through either while too many wrong ones are about.
    site.attempts.begin(BASIC_ATTEMPTS, clock::now())?;
    match &site.admin {
        Some(admin) if admin.is(&decoded) => {
            site.attempts.clear(BASIC_ATTEMPTS);
            Ok(Person { name: admin.name().to_owned(), role: Role::Admin, session: None })
        }
        _ => {
            let detail = "user or password is wrong";
            Err(Refusal::with_detail(Reason::KeyInvalid, detail).into())
        }
    }
}

async fn by_session(site: &Site, token: &str) -> Result<Person, Error> {
    let hash = TokenHash::of(token).ok_or(Error::SessionEnded)?;
    let open = session::find(&site.pool, hash, clock::now()).await?.ok_or(Error::SessionEnded)?;
    let Open { person, bootstrap_mark, expires_at } = open;
    let (name, role) = match (person, bootstrap_mark, &site.admin) {
        (Some((name, role)), ..) => (name, role),
        (None, Some(mark), Some(admin)) if admin.mark().as_slice() == mark => {
            (admin.name().to_owned(), Role::Admin)
        }
        _ => return Err(Error::SessionEnded),
    };
    Ok(Person { name, role, session: Some((hash, expires_at)) })
}

/// A key may have been revoked since it was signed, or never have been issued by this database.
async fn check_key(pool: &PgPool, key_id: &str, account_id: &str) -> Result<(), Error> {
    let revoked = sqlx::query_scalar!(
        r#"SELECT revoked_at IS NOT NULL AS "revoked!" FROM api_key
           WHERE api_key_id = $1 AND account_id = $2"#,
        key_id,
        account_id
    )
    .fetch_optional(pool)
    .await?;
    match revoked {
        Some(false) => Ok(()),
        Some(true) => Err(Refusal::from(Reason::KeyRevoked).into()),
        None => Err(Refusal::from(Reason::KeyInvalid).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&'static str], want: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        assert_eq!(cookie(&headers), want);
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        check(&[], None);
        check(&["weir_session"], None);
        check(&["xweir_session=a"], None);
        check(&["a=b; weir_session=wst_1; c=d"], Some("wst_1"));
        check(&["a=b", "weir_session=wst_1"], Some("wst_1"));
    }
}
