//! People: who may sign in, with what role, and who is signed in.
//!
//! They are added, given passwords and removed at the command line, by whoever has the database's own
//! password. Callers with a key are not people: they are [`crate::key`]'s.

pub mod attempts;
pub mod password;
pub mod role;
pub mod session;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;

use password::Hashed;
use role::Role;

/// Most people.
pub const PEOPLE_MAX: i64 = 1_000;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonRow {
    /// What is typed at the login.
    #[serde(rename = "name")]
    pub person_id: String,
    /// `admin` or `finance`.
    pub role: String,
    /// When they were added.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When the password was set.
    #[serde(serialize_with = "clock::serialize")]
    pub password_changed_at: DateTime<Utc>,
    /// How many sessions of theirs are open.
    pub sessions: i64,
}

/// Checks a name, so that it can be typed the same way twice.
pub fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._@-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins_well && name.len() <= NAME_CHARS_MAX && name.chars().all(fits) {
        return Ok(());
    }
    let problem = format!(
        "must have 1 to {NAME_CHARS_MAX} characters of a to z, 0 to 9, `.`, `_`, `@` and `-`, and \
         begin with a letter or a digit"
    );
    Err(Error::invalid("name", problem))
}

/// Adds somebody.
pub async fn add(
    pool: &PgPool,
    name: &str,
    role: Role,
    password: &Hashed,
    actor: &Actor,
) -> Result<PersonRow, Error> {
    check_name(name)?;
    let mut tx = Tx::begin(pool, "add_person").await?;
    let added = sqlx::query!(
        "INSERT INTO person (person_id, role, password_hash)
         SELECT $1, $2, $3 WHERE (SELECT count(*) FROM person) < $4
         ON CONFLICT ON CONSTRAINT person_pkey DO NOTHING",
        name,
        role.name(),
        password.as_str(),
        PEOPLE_MAX
    )
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() != 1 {
        drop(tx);
        return Err(match find(pool, name).await {
            Ok(_) => {
                Error::Conflict { field: "name", problem: format!("{name:?} is there already") }
            }
            Err(_) => Error::invalid("name", format!("is one too many: {PEOPLE_MAX} may sign in")),
        });
    }
    let detail = json!({ "role": role.name() });
    audit::record(&mut tx, actor, Act::PersonAdd, name, &detail).await?;
    tx.commit().await?;
    find(pool, name).await
}

/// Sets somebody's password and ends their sessions.
pub async fn set_password(
    pool: &PgPool,
    name: &str,
    password: &Hashed,
    actor: &Actor,
) -> Result<PersonRow, Error> {
    let mut tx = Tx::begin(pool, "set_password").await?;
    let set = sqlx::query!(
        "UPDATE person SET password_hash = $2, password_changed_at = now() WHERE person_id = $1",
        name,
        password.as_str()
    )
    .execute(&mut *tx)
    .await?;
    if set.rows_affected() != 1 {
        return Err(missing(name));
    }
    let ended = sqlx::query!("DELETE FROM session WHERE person_id = $1", name);
    let ended = ended.execute(&mut *tx).await?.rows_affected();
    let detail = json!({ "sessions_ended": ended });
    audit::record(&mut tx, actor, Act::PersonPassword, name, &detail).await?;
    tx.commit().await?;
    find(pool, name).await
}

/// Removes somebody; their sessions end with them, and what they did stays on record.
pub async fn remove(pool: &PgPool, name: &str, actor: &Actor) -> Result<PersonRow, Error> {
    let row = find(pool, name).await?;
    let mut tx = Tx::begin(pool, "remove_person").await?;
    let removed = sqlx::query!("DELETE FROM person WHERE person_id = $1", name);
    if removed.execute(&mut *tx).await?.rows_affected() != 1 {
        return Err(missing(name));
    }
    let detail = json!({ "role": row.role });
    audit::record(&mut tx, actor, Act::PersonRemove, name, &detail).await?;
    tx.commit().await?;
    Ok(row)
}

fn missing(name: &str) -> Error {
    Error::NotFound { what: "person", name: name.to_owned() }
}

/// Somebody by name.
pub async fn find(pool: &PgPool, name: &str) -> Result<PersonRow, Error> {
    let found = list(pool).await?.into_iter().find(|row| row.person_id == name);
    found.ok_or_else(|| missing(name))
}

/// Everybody, by name.
pub async fn list(pool: &PgPool) -> Result<Vec<PersonRow>, Error> {
    let rows = sqlx::query_as!(
        PersonRow,
        r#"SELECT person_id, role, created_at, password_changed_at,
                  (SELECT count(*) FROM session s
                   WHERE s.person_id = p.person_id AND s.expires_at > now()) AS "sessions!"
           FROM person p ORDER BY person_id LIMIT $1"#,
        PEOPLE_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_typed() {
        for refused in ["", "Li", "李", "a b", "-a", "a\0", &"a".repeat(NAME_CHARS_MAX + 1)] {
            assert!(check_name(refused).is_err(), "{refused:?}");
        }
        for taken in ["li.na", "1", "li@example.com", &"a".repeat(NAME_CHARS_MAX)] {
            assert!(check_name(taken).is_ok(), "{taken:?}");
        }
    }
}
