//! Sessions: begun with a password, carried by a token, ended by logging out or by time.
//!
//! The token is 256 random bits that are shown once; the database knows its hash. What somebody may do
//! is read with each request, so a role or a person taken away takes effect with the next one.
//!
//! # Bounds
//! A session lasts [`SESSION_MS`], and somebody has at most [`SESSIONS_MAX`]: the oldest give way.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use chrono::{DateTime, Utc};
use meter::time::UnixMs;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::draw;
use crate::error::Error;

use super::role::Role;

/// What every token begins with, so that it is told from a caller's key.
pub const TOKEN_PREFIX: &str = "wst_";
/// How long a session lasts: a working day.
pub const SESSION_MS: u64 = 8 * 3_600_000;
/// Most sessions of one person.
pub const SESSIONS_MAX: i64 = 20;
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 64;

/// A session's token, hashed: what the database knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of something that may be a token.
    pub fn of(token: &str) -> Option<Self> {
        let looks_right = token.starts_with(TOKEN_PREFIX) && token.len() <= TOKEN_CHARS_MAX;
        looks_right.then(|| Self(Sha256::digest(token.as_bytes()).into()))
    }
}

/// Whose a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Somebody who was added.
    Person(&'a str),
    /// The administrator that the environment names, with a mark of the password.
    Bootstrap(&'a [u8; 32]),
}

/// A session that was begun.
pub struct Begun {
    /// What carries it. Not kept anywhere.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A session that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Who; `None` for the administrator that the environment names.
    pub person: Option<(String, Role)>,
    /// For that one: the mark of the password that was used.
    pub bootstrap_mark: Option<Vec<u8>>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Begins a session.
pub async fn begin(
    pool: &PgPool,
    whose: Whose<'_>,
    actor: &Actor,
    now: UnixMs,
) -> Result<Begun, Error> {
    let random = draw::bytes::<TOKEN_BYTES>()?;
    let token = format!("{TOKEN_PREFIX}{}", Base64UrlUnpadded::encode_string(&random));
    let hash = TokenHash::of(&token).ok_or_else(|| Error::Signing("a token".to_owned()))?;
    let (person, mark) = match whose {
        Whose::Person(name) => (Some(name), None),
        Whose::Bootstrap(mark) => (None, Some(mark.as_slice())),
    };
    let created_at = clock::timestamp(now)?;
    let expires_at = clock::timestamp(now.plus_ms(SESSION_MS))?;
    let mut tx = Tx::begin(pool, "begin_session").await?;
    // Those that have ended, of everybody, and the oldest of this one.
    sqlx::query!(
        "DELETE FROM session WHERE expires_at <= $1 OR session_hash IN (
             SELECT session_hash FROM session WHERE person_id IS NOT DISTINCT FROM $2
             ORDER BY created_at DESC OFFSET $3)",
        created_at,
        person,
        SESSIONS_MAX.saturating_sub(1)
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO session (session_hash, person_id, bootstrap_mark, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        hash.0.as_slice(),
        person,
        mark,
        created_at,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    let detail = json!({ "expires_at": clock::text(expires_at) });
    audit::record(&mut tx, actor, Act::SessionBegin, actor.name(), &detail).await?;
    tx.commit().await?;
    Ok(Begun { token, expires_at })
}

/// The session with this token, if it is open.
pub async fn find(pool: &PgPool, hash: TokenHash, now: UnixMs) -> Result<Option<Open>, Error> {
    let row = sqlx::query!(
        r#"SELECT s.person_id, s.bootstrap_mark, s.expires_at, p.role AS "role?"
           FROM session s LEFT JOIN person p USING (person_id)
           WHERE s.session_hash = $1 AND s.expires_at > $2"#,
        hash.0.as_slice(),
        clock::timestamp(now)?
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let person = match (row.person_id, row.role) {
        (Some(name), Some(role)) => {
            let known = Role::from_name(&role);
            let role = known.ok_or_else(|| Error::impossible("person", format!("role {role}")))?;
            Some((name, role))
        }
        _ => None,
    };
    Ok(Some(Open { person, bootstrap_mark: row.bootstrap_mark, expires_at: row.expires_at }))
}

/// Ends a session. A second time changes nothing.
pub async fn end(pool: &PgPool, hash: TokenHash, actor: &Actor) -> Result<(), Error> {
    let mut tx = Tx::begin(pool, "end_session").await?;
    let ended = sqlx::query!("DELETE FROM session WHERE session_hash = $1", hash.0.as_slice());
    if ended.execute(&mut *tx).await?.rows_affected() == 1 {
        audit::record(&mut tx, actor, Act::SessionEnd, actor.name(), &json!({})).await?;
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_looked_at_up_to_its_bound() {
        let token =
            |chars: usize| format!("{TOKEN_PREFIX}{}", "x".repeat(chars - TOKEN_PREFIX.len()));
        assert!(TokenHash::of(&token(TOKEN_CHARS_MAX)).is_some());
        assert!(TokenHash::of(&token(TOKEN_CHARS_MAX + 1)).is_none());
    }
}
