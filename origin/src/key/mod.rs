//! Keys: issued, listed, revoked. The key itself is shown once and stored nowhere.

pub mod rotate;
pub mod scope;

use std::time::Duration;

use chrono::{DateTime, Utc};
use meter::account::Limits;
use meter::ids::KeyId;
use meter::money::Nanos;
use meter::oauth::REGISTERED_PREFIX;
use meter::time::{DAY_MS, UnixMs};
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
use crate::pull::told::until_applied;
use crate::registered;
use crate::signing::Signer;

use scope::Scope;

/// Most keys that a command lists.
pub const KEYS_LISTED_MAX: i64 = 10_000;

/// Longest life of a key that expires, in days: a century.
pub const EXPIRES_DAYS_MAX: u64 = 36_500;

/// When a key that is good for so many days stops being so.
pub fn expiry(now: UnixMs, days: Option<u64>) -> Result<Option<UnixMs>, Error> {
    match days {
        Some(days) if !(1..=EXPIRES_DAYS_MAX).contains(&days) => {
            let problem = format!("is not between 1 and {EXPIRES_DAYS_MAX}");
            Err(Error::invalid("expires_in_days", problem))
        }
        days => Ok(days.map(|days| now.plus_ms(days.saturating_mul(DAY_MS)))),
    }
}

/// A key to be issued.
pub struct NewKey<'a> {
    /// Whose it is to be.
    pub account: &'a AccountRow,
    /// For people.
    pub name: &'a str,
    /// When it stops being good; never unless named.
    pub expires_at: Option<UnixMs>,
    /// What it may do.
    pub scope: Scope,
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
    /// Operations it is limited to.
    pub operations: Option<Vec<String>>,
    /// Bots and workflows it is limited to.
    pub subjects: Option<Vec<String>>,
    /// Networks it may be used from.
    pub networks: Option<Vec<String>>,
    /// Billable calls that may begin with it in any one minute.
    pub requests_per_minute: Option<i32>,
    /// Billable calls that may run with it at once.
    pub concurrent_calls: Option<i32>,
    /// What may be charged to it in one day.
    pub daily_budget_nanos: Option<i64>,
    /// The key that took its place.
    pub replaced_by: Option<String>,
    /// When it is revoked for that.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub ends_at: Option<DateTime<Utc>>,
}

impl KeyRow {
    /// What the key may do.
    pub fn scope(&self) -> Result<Scope, Error> {
        let count = |count: Option<i32>| count.map(u32::try_from).transpose();
        Ok(Scope {
            operations: self.operations.clone(),
            subjects: self.subjects.clone(),
            networks: self.networks.clone(),
            limits: Limits {
                requests_per_minute: count(self.requests_per_minute)?,
                concurrent_calls: count(self.concurrent_calls)?,
                daily_budget: self.daily_budget_nanos.map(Nanos::new),
            },
        })
    }
}

/// Issues a key. The edge needs no notice: it knows the account and the signature.
pub async fn issue(
    pool: &PgPool,
    signer: &Signer,
    new: &NewKey<'_>,
    now: UnixMs,
    actor: &Actor,
) -> Result<IssuedKey, Error> {
    let NewKey { account, name, expires_at, scope } = new;
    check_name("name", name)?;
    scope.check()?;
    let key_id = draw::id("key_")?;
    let id: KeyId = key_id.parse().map_err(|error| Error::impossible("api_key", error))?;
    let claims = scope.claims(&account.account_id, &key_id, &account.journal_id);
    let key = signer.issue(claims, now, *expires_at)?;
    let mut tx = Tx::begin(pool, "issue_key").await?;
    let row = NewRow {
        id: &id,
        account_id: &account.account_id,
        journal_id: &account.journal_id,
        name,
        scope,
        created_at: now,
        expires_at: *expires_at,
    };
    insert(&mut tx, &row).await?;
    let detail = json!({
        "account": account.account_id,
        "name": name,
        "scope": scope.document(),
        "expires_at": expires_at.map(clock::timestamp).transpose()?.map(clock::text),
    });
    audit::record(&mut tx, actor, Act::KeyIssue, &key_id, &detail).await?;
    tx.commit().await?;
    Ok(IssuedKey { key_id, account_id: account.account_id.clone(), name: (*name).to_owned(), key })
}

/// A key's row, to be written.
pub(crate) struct NewRow<'a> {
    pub(crate) id: &'a KeyId,
    pub(crate) account_id: &'a str,
    pub(crate) journal_id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) created_at: UnixMs,
    pub(crate) expires_at: Option<UnixMs>,
}

/// Writes a key's row.
pub(crate) async fn insert(tx: &mut Tx, row: &NewRow<'_>) -> Result<(), Error> {
    let Scope { operations, subjects, networks, limits } = row.scope;
    let count = |count: Option<u32>| count.map(i32::try_from).transpose();
    sqlx::query!(
        "INSERT INTO api_key (api_key_id, account_id, journal_id, name, created_at, expires_at,
                              operations, subjects, networks,
                              requests_per_minute, concurrent_calls, daily_budget_nanos)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        row.id.as_str(),
        row.account_id,
        row.journal_id,
        row.name,
        clock::timestamp(row.created_at)?,
        row.expires_at.map(clock::timestamp).transpose()?,
        operations.as_deref(),
        subjects.as_deref(),
        networks.as_deref(),
        count(limits.requests_per_minute)?,
        count(limits.concurrent_calls)?,
        limits.daily_budget.map(Nanos::get)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
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
    if key_id.starts_with(REGISTERED_PREFIX) {
        // Also the second time: the first may have ended between the two.
        registered::withdraw(pool, key_id).await?;
    }
    find(pool, key_id).await
}

/// Waits until the edge refuses a key that was revoked. Answers whether it does.
pub async fn until_refused(pool: &PgPool, key_id: &str, patience: Duration) -> Result<bool, Error> {
    let row = sqlx::query!(
        "SELECT journal_id, revoked_revision FROM api_key WHERE api_key_id = $1",
        key_id
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(|| missing(key_id))?;
    match row.revoked_revision {
        Some(revision) => until_applied(pool, &row.journal_id, revision, patience).await,
        None => Ok(false),
    }
}

fn missing(key_id: &str) -> Error {
    Error::NotFound { what: "key", name: key_id.to_owned() }
}

/// The key with this id.
pub async fn find(pool: &PgPool, key_id: &str) -> Result<KeyRow, Error> {
    let row = sqlx::query_as!(
        KeyRow,
        "SELECT api_key_id, account_id, name, created_at, expires_at, revoked_at, last_used_at,
                operations, subjects, networks, requests_per_minute, concurrent_calls,
                daily_budget_nanos, replaced_by, ends_at
         FROM api_key WHERE api_key_id = $1",
        key_id
    )
    .fetch_optional(pool)
    .await?;
    row.ok_or_else(|| missing(key_id))
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
        "SELECT api_key_id, account_id, name, created_at, expires_at, revoked_at, last_used_at,
                operations, subjects, networks, requests_per_minute, concurrent_calls,
                daily_budget_nanos, replaced_by, ends_at
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_its_bound_in_days() {
        let ends = |days: u64| expiry(UnixMs::new(0), Some(days));
        assert_eq!(ends(EXPIRES_DAYS_MAX).unwrap(), Some(UnixMs::new(EXPIRES_DAYS_MAX * DAY_MS)));
        assert!(ends(EXPIRES_DAYS_MAX + 1).is_err() && ends(0).is_err());
    }
}
