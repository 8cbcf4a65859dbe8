//! Who asks: a caller with a key, who sees its own account, or the administrator, who sees all.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64ct::{Base64, Encoding as _};
use meter::key;
use meter::refusal::{Reason, Refusal};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use subtle::ConstantTimeEq as _;

use crate::account;
use crate::clock;
use crate::error::Error;

use super::Site;

/// Longest user and password that are looked at, encoded.
const BASIC_CHARS_MAX: usize = 1_024;

/// The administrator's credentials, as hashes: comparing those takes the same time for any guess.
pub struct Admin {
    expected: [u8; 32],
}

impl Admin {
    /// The administrator with this user name and password.
    pub fn new(user: &str, password: &str) -> Self {
        Self { expected: hash(format!("{user}:{password}").as_bytes()) }
    }

    fn is(&self, user_and_password: &[u8]) -> bool {
        hash(user_and_password).ct_eq(&self.expected).into()
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Who a request to the origin turned out to be.
pub(super) enum Viewer {
    /// Sees everything.
    Admin,
    /// Sees its own account.
    Account(String),
}

impl Viewer {
    /// The account to show: a caller's own, or the one an administrator names, or all.
    pub(super) async fn account(
        self,
        pool: &PgPool,
        named: Option<String>,
    ) -> Result<Option<String>, Error> {
        match (self, named) {
            (Self::Admin, None) => Ok(None),
            (Self::Admin, Some(named)) => Ok(Some(account::find(pool, &named).await?.account_id)),
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

impl FromRequestParts<Arc<Site>> for Viewer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION);
        // A header that is not text is a header without a key in it.
        let header = header.map(|value| value.to_str().unwrap_or("?"));
        if let Some(encoded) = header.and_then(basic) {
            return admin(site, encoded);
        }
        let token = key::from_header(header)?;
        let caller = site.signer.caller(token, clock::now())?;
        check_key(&site.pool, caller.key.as_str(), caller.account.as_str()).await?;
        Ok(Self::Account(caller.account.to_string()))
    }
}

/// What follows the scheme `Basic`.
fn basic(header: &str) -> Option<&str> {
    let (scheme, encoded) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| encoded.trim())
}

fn admin(site: &Site, encoded: &str) -> Result<Viewer, Error> {
    let decoded = if encoded.len() <= BASIC_CHARS_MAX {
        Base64::decode_vec(encoded).unwrap_or_default()
    } else {
        Vec::new()
    };
    match &site.admin {
        Some(admin) if admin.is(&decoded) => Ok(Viewer::Admin),
        _ => {
            let detail = "user or password is wrong";
            Err(Refusal::with_detail(Reason::KeyInvalid, detail).into())
        }
    }
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
