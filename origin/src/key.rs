//! Keys: issued, listed, revoked. The key itself is shown once and stored nowhere.

use chrono::{DateTime, Utc};
use meter::time::UnixMs;
use meter::wire::claims::KeyClaims;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::account::{AccountRow, check_name};
use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::draw;
use crate::error::Error;
use crate::journal;
use crate::page::{Page, Span};
use crate::signing::Signer;

/// Most keys that a command lists.
pub const KEYS_LISTED_MAX: i64 = 10_000;

/// A key to be issued.
pub struct NewKey<'a> {
    /// Whose it is to be.
    pub account: &'a AccountRow,
    /// For people.
    pub name: &'a str,
    /// When it stops being good; never unless named.
    pub expires_at: Option<UnixMs>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedKey {
    /// Its id.
    pub key_id: String,
    /// Whose it is.
    pub account_id: String,
    /// For people.
    pub name: String,
    /// What callers send. Not kept anywhere.
    pub key: String,
}

/// A key as the database knows it.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyRow {
    /// Its id.
    #[serde(rename = "key_id")]
    pub api_key_id: String,
    /// Whose it is.
    pub account_id: String,
    /// For people.
    pub name: String,
    /// When it was issued.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it stops being good.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When the last posted call that used it was admitted.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Issues a key. The edge needs no notice: it knows the account and the signature.
pub async fn issue(
    pool: &PgPool,
    signer: &Signer,
    new: &NewKey<'_>,
    now: UnixMs,
    actor: &Actor,
) -> Result<IssuedKey, Error> {
    let NewKey { account, name, expires_at } = *new;
    check_name("name", name)?;
    let key_id = draw::id("key_")?;
    let claims = KeyClaims::unlimited(&account.account_id, &key_id, &account.journal_id);
    let key = signer.issue(claims, now, expires_at)?;
    let mut tx = Tx::begin(pool, "issue_key").await?;
    sqlx::query!(
        "INSERT INTO api_key (api_key_id, account_id, journal_id, name, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        key_id,
        account.account_id,
        account.journal_id,
        name,
        clock::timestamp(now)?,
        expires_at.map(clock::timestamp).transpose()?
    )
    .execute(&mut *tx)
    .await?;
    let detail = json!({
        "account": account.account_id,
        "name": name,
        "expires_at": expires_at.map(clock::timestamp).transpose()?.map(clock::text),
    });
    audit::record(&mut tx, actor, Act::KeyIssue, &key_id, &detail).await?;
    tx.commit().await?;
    Ok(IssuedKey { key_id, account_id: account.account_id.clone(), name: name.to_owned(), key })
}

/// Revokes a key; the edge refuses it from the pull that this wakes. A second time changes nothing.
pub async fn revoke(
    pool: &PgPool,
    key_id: &str,
    now: UnixMs,
    actor: &Actor,
) -> Result<KeyRow, Error> {
    let key = find(pool, key_id).await?;
    let mut tx = Tx::begin(pool, "revoke_key").await?;
    let journal =
        sqlx::query_scalar!("SELECT journal_id FROM account WHERE account_id = $1", key.account_id)
            .fetch_one(&mut *tx)
            .await?;
    let revision = journal::bump(&mut tx, &journal).await?;
    let revoked = sqlx::query!(
        "UPDATE api_key SET revoked_at = $2, revoked_revision = $3
         WHERE api_key_id = $1 AND revoked_at IS NULL",
        key_id,
        clock::timestamp(now)?,
        revision
    )
    .execute(&mut *tx)
    .await?;
    if revoked.rows_affected() == 1 {
        let detail = json!({ "account": key.account_id, "name": key.name });
        audit::record(&mut tx, actor, Act::KeyRevoke, key_id, &detail).await?;
        tx.commit().await?;
    }
    find(pool, key_id).await
}

/// The key with this id.
pub async fn find(pool: &PgPool, key_id: &str) -> Result<KeyRow, Error> {
    let row = sqlx::query_as!(
        KeyRow,
        "SELECT api_key_id, account_id, name, created_at, expires_at, revoked_at, last_used_at
         FROM api_key WHERE api_key_id = $1",
        key_id
    )
    .fetch_optional(pool)
    .await?;
    row.ok_or_else(|| Error::NotFound { what: "key", name: key_id.to_owned() })
}

/// A page of keys, oldest first: an account's, or all.
pub async fn list(
    pool: &PgPool,
    account_id: Option<&str>,
    span: &Span,
) -> Result<Page<KeyRow>, Error> {
    if let Some(behind) = span.behind() {
        // An unknown one would look like the end of the list.
        find(pool, behind).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::invalid("cursor", "is not one that was handed out"),
            error => error,
        })?;
    }
    let rows = sqlx::query_as!(
        KeyRow,
        "SELECT api_key_id, account_id, name, created_at, expires_at, revoked_at, last_used_at
         FROM api_key
         WHERE ($1::text IS NULL OR account_id = $1)
           AND ($2::text IS NULL OR (created_at, api_key_id) >
                (SELECT k.created_at, k.api_key_id FROM api_key k WHERE k.api_key_id = $2))
         ORDER BY created_at, api_key_id LIMIT $3",
        account_id,
        span.behind(),
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.api_key_id.clone()))
}
