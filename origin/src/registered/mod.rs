//! Registered keys: the public halves of keys with which callers sign their own requests for tokens.
//!
//! Such a key is named, listed and revoked like any other. What is more about it is told to one journal,
//! [`DIRECTORY`], where the edge finds it by the app and the name that a statement carries.
//!
//! # Bounds
//! At most [`REGISTERED_KEYS_MAX`] are in use at once.

mod public_key;

use meter::ids::KeyId;
use meter::oauth::{DIRECTORY, REGISTERED_KEYS_MAX, REGISTERED_PREFIX};
use meter::time::UnixMs;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::account::{AccountRow, check_name};
use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::draw;
use crate::error::Error;
use crate::journal;
use crate::key::scope::Scope;
use crate::key::{self, NewRow};

pub use public_key::PublicKey;

/// Longest app id and key name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// A key to be registered.
#[derive(Debug)]
pub struct NewRegistered<'a> {
    /// Who pays.
    pub account: &'a AccountRow,
    /// For people.
    pub name: &'a str,
    /// `iss` of its statements.
    pub app_id: &'a str,
    /// `kid` of its statements.
    pub kid: &'a str,
    /// The public key.
    pub public_key: &'a PublicKey,
    /// What its tokens may do.
    pub scope: Scope,
}

/// A key that was registered.
#[derive(Debug, Serialize)]
pub struct Registered {
    /// Its id, under which it is revoked.
    pub key_id: String,
    /// Whose it is.
    pub account_id: String,
    /// For people.
    pub name: String,
    /// `iss` of its statements.
    pub app_id: String,
    /// `kid` of its statements.
    pub kid: String,
}

/// Registers a key. The edge knows it from the pull that this wakes.
pub async fn register(
    pool: &PgPool,
    new: &NewRegistered<'_>,
    now: UnixMs,
    actor: &Actor,
) -> Result<Registered, Error> {
    check(new)?;
    let key_id = draw::id(REGISTERED_PREFIX)?;
    let mut tx = Tx::begin(pool, "register_key").await?;
    let revision = journal::bump(&mut tx, DIRECTORY).await?;
    let in_use = sqlx::query!(
        r#"SELECT count(*) AS "count!",
                  min(api_key_id) FILTER (WHERE app_id = $1 AND kid = $2) AS holder
           FROM registered_key WHERE NOT withdrawn"#,
        new.app_id,
        new.kid
    )
    .fetch_one(&mut *tx)
    .await?;
    if let Some(holder) = in_use.holder {
        let problem = format!("is registered under this app already, as key {holder}");
        return Err(Error::Conflict { field: "kid", problem });
    }
    if in_use.count >= i64::try_from(REGISTERED_KEYS_MAX)? {
        let problem = format!("would be one more than the {REGISTERED_KEYS_MAX} that are allowed");
        return Err(Error::Conflict { field: "public_key", problem });
    }
    let id: KeyId = key_id.parse().map_err(|error| Error::impossible("api_key", error))?;
    let row = NewRow {
        id: &id,
        account_id: &new.account.account_id,
        journal_id: &new.account.journal_id,
        name: new.name,
        scope: &new.scope,
        created_at: now,
        expires_at: None,
    };
    key::insert(&mut tx, &row).await?;
    sqlx::query!(
        "INSERT INTO registered_key (api_key_id, app_id, kid, public_key, revision)
         VALUES ($1, $2, $3, $4, $5)",
        key_id,
        new.app_id,
        new.kid,
        new.public_key.der(),
        revision
    )
    .execute(&mut *tx)
    .await?;
    let detail = json!({
        "account": new.account.account_id,
        "name": new.name,
        "app_id": new.app_id,
        "kid": new.kid,
        "scope": new.scope.document(),
    });
    audit::record(&mut tx, actor, Act::KeyRegister, &key_id, &detail).await?;
    tx.commit().await?;
    Ok(Registered {
        key_id,
        account_id: new.account.account_id.clone(),
        name: new.name.to_owned(),
        app_id: new.app_id.to_owned(),
        kid: new.kid.to_owned(),
    })
}

fn check(new: &NewRegistered<'_>) -> Result<(), Error> {
    check_name("name", new.name)?;
    for (field, text) in [("app_id", new.app_id), ("kid", new.kid)] {
        if !(1..=NAME_BYTES_MAX).contains(&text.len()) || text.chars().any(char::is_control) {
            let problem =
                format!("has to have 1 to {NAME_BYTES_MAX} bytes, none of them a control");
            return Err(Error::invalid(field, problem));
        }
    }
    new.scope.check()
}

/// Takes a revoked key off the list, when it is on it. What it signed before is refused already, by the
/// journal of its account: this frees its name and its place.
pub async fn withdraw(pool: &PgPool, key_id: &str) -> Result<(), Error> {
    let mut tx = Tx::begin(pool, "withdraw_registered_key").await?;
    let revision = journal::bump(&mut tx, DIRECTORY).await?;
    let withdrawn = sqlx::query!(
        "UPDATE registered_key r SET withdrawn = true, revision = $2
         FROM api_key k
         WHERE k.api_key_id = r.api_key_id AND r.api_key_id = $1
           AND NOT r.withdrawn AND k.revoked_at IS NOT NULL",
        key_id,
        revision
    )
    .execute(&mut *tx)
    .await?;
    if withdrawn.rows_affected() == 1 {
        tx.commit().await?;
    }
    Ok(())
}
