//! A key takes another one's place, and both are good for a while.
//!
//! The new key has the account, the name, the scope and the limits of the old one, and counts against
//! the same limits: its id says whose line it is of ([`KeyId::successor`]). When the overlap is over,
//! the next pull revokes the old one.
//!
//! # Bounds
//! An overlap lasts at most [`OVERLAP_MS_MAX`]; one pull revokes at most [`ENDED_MAX`] keys.

use chrono::{DateTime, Utc};
use meter::ids::{JournalName, KeyId};
use meter::oauth::REGISTERED_PREFIX;
use meter::time::{DAY_MS, UnixMs};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::signing::Signer;

use super::{IssuedKey, KeyRow, NewRow, find, insert};

/// Longest time that an old key stays good beside its successor.
pub const OVERLAP_MS_MAX: u64 = 90 * DAY_MS;
/// Most keys that one pull revokes. The next pull takes the next ones.
pub const ENDED_MAX: i64 = 1_000;

/// Issues the key that takes this one's place. The old one is revoked when the overlap is over.
pub async fn rotate(
    pool: &PgPool,
    signer: &Signer,
    key_id: &str,
    overlap_ms: u64,
    now: UnixMs,
    actor: &Actor,
) -> Result<IssuedKey, Error> {
    if overlap_ms > OVERLAP_MS_MAX {
        let days = OVERLAP_MS_MAX / DAY_MS;
        return Err(Error::invalid("overlap", format_args!("is longer than {days} days")));
    }
    let old = find(pool, key_id).await?;
    check_rotatable(&old, clock::timestamp(now)?)?;
    let mut tx = Tx::begin(pool, "rotate_key").await?;
    let journal_id =
        sqlx::query_scalar!("SELECT journal_id FROM api_key WHERE api_key_id = $1", key_id)
            .fetch_one(&mut *tx)
            .await?;
    let revision = journal::bump(&mut tx, &journal_id).await?;
    let id: KeyId = key_id.parse().map_err(|error| Error::impossible("api_key", error))?;
    let successor = id.successor().ok_or_else(|| {
        Error::invalid("key", "has an id that no successor can be named after; issue a new one")
    })?;
    // Its life is as long as the old one's was.
    let life = old.expires_at.map(|end| (end - old.created_at).num_milliseconds());
    let life_ms = life.map(u64::try_from).transpose()?;
    let expires_at = life_ms.map(|life_ms| now.plus_ms(life_ms));
    let scope = old.scope()?;
    let claims = scope.claims(&old.account_id, successor.as_str(), &journal_id);
    let key = signer.issue(claims, now, expires_at)?;
    let row = NewRow {
        id: &successor,
        account_id: &old.account_id,
        journal_id: &journal_id,
        name: &old.name,
        scope: &scope,
        created_at: now,
        expires_at,
    };
    insert(&mut tx, &row).await?;
    let ended_now = overlap_ms == 0;
    let replaced = sqlx::query!(
        "UPDATE api_key SET replaced_by = $2, ends_at = $3,
             revoked_at = CASE WHEN $4 THEN $5::timestamptz END,
             revoked_revision = CASE WHEN $4 THEN $6::bigint END
         WHERE api_key_id = $1 AND replaced_by IS NULL AND revoked_at IS NULL",
        key_id,
        successor.as_str(),
        clock::timestamp(now.plus_ms(overlap_ms))?,
        ended_now,
        clock::timestamp(now)?,
        revision
    )
    .execute(&mut *tx)
    .await?;
    if replaced.rows_affected() != 1 {
        return Err(Error::Conflict { field: "key", problem: "was changed meanwhile".to_owned() });
    }
    let detail = json!({ "replaced_by": successor.as_str(), "overlap_ms": overlap_ms });
    audit::record(&mut tx, actor, Act::KeyRotate, key_id, &detail).await?;
    tx.commit().await?;
    let (key_id, account_id) = (successor.to_string(), old.account_id);
    Ok(IssuedKey { key_id, account_id, name: old.name, key })
}

fn check_rotatable(old: &KeyRow, now: DateTime<Utc>) -> Result<(), Error> {
    let conflict = |problem: String| Err(Error::Conflict { field: "key", problem });
    if let Some(successor) = &old.replaced_by {
        return conflict(format!("was replaced by {successor}: rotate that one"));
    }
    if old.api_key_id.starts_with(REGISTERED_PREFIX) {
        // Its private half is the caller's, so that its successor cannot be made here.
        return conflict("is a registered one: register the new one beside it".to_owned());
    }
    if old.revoked_at.is_some() {
        return conflict("is revoked: issue a new one".to_owned());
    }
    if old.expires_at.is_some_and(|end| end <= now) {
        return conflict("has expired: issue a new one".to_owned());
    }
    Ok(())
}

/// Revokes the replaced keys of a journal whose overlap is over.
pub async fn end_replaced(
    connection: &mut PgConnection,
    journal: &JournalName,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let due = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM api_key
                          WHERE journal_id = $1 AND ends_at <= $2 AND revoked_at IS NULL) AS "due!""#,
        journal.as_str(),
        now
    )
    .fetch_one(&mut *connection)
    .await?;
    if !due {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    journal::lock(&mut tx, journal).await?;
    let keys = sqlx::query_scalar!(
        "SELECT api_key_id FROM api_key
         WHERE journal_id = $1 AND ends_at <= $2 AND revoked_at IS NULL
         ORDER BY ends_at, api_key_id LIMIT $3",
        journal.as_str(),
        now,
        ENDED_MAX
    )
    .fetch_all(&mut *tx)
    .await?;
    for key_id in keys {
        let revision = journal::bump(&mut tx, journal.as_str()).await?;
        sqlx::query!(
            "UPDATE api_key SET revoked_at = ends_at, revoked_revision = $2 WHERE api_key_id = $1",
            key_id,
            revision
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}
