//! Accounts: made, changed, listed.

pub mod settings;
pub mod zone;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;
use meter::account::{Overdraft, Status};
use meter::ids::{CredentialName, Group};
use meter::money::{NANOS_PER_QUOTA, Nanos};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};
use utoipa::ToSchema;

use crate::alarm::low;
use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::draw;
use crate::error::Error;
use crate::journal;
use crate::ledger::credit::{CREDIT_MAX, CreditKind, NewCredit};
use crate::ledger::post;
use crate::page::{Page, Span};
use crate::pull::told::until_applied;

use settings::{SettingsChange, TIME_ZONE_DEFAULT, To};
use zone::DayOffset;

/// Most accounts that a command lists.
pub const ACCOUNTS_LISTED_MAX: i64 = 10_000;
/// What a new account starts with unless somebody says otherwise: a million tokens.
pub const GRANT_DEFAULT: Nanos = Nanos::new(1_000_000 * NANOS_PER_QUOTA);
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// An account to be made.
pub struct NewAccount {
    /// For people; unique.
    pub name: String,
    /// Whose ratio applies.
    pub group: Group,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// What it starts with.
    pub grant: Nanos,
    /// Where its calls are to be kept; the least loaded journal unless named.
    pub journal: Option<String>,
    /// What is set for it, other than what every account begins with.
    pub settings: SettingsChange,
    /// Who makes it.
    pub actor: Actor,
}

/// An account and its sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountRow {
    /// Its id.
    pub account_id: String,
    /// For people.
    pub name: String,
    /// Where its calls are kept.
    #[serde(rename = "journal")]
    pub journal_id: String,
    /// `active` or `suspended`.
    pub status: String,
    /// Whose ratio applies.
    #[serde(rename = "group")]
    pub group_name: String,
    /// How far below zero it may go; `None` for as far as it happens to.
    pub overdraft_nanos: Option<i64>,
    /// Billable calls that may begin in any one minute.
    pub requests_per_minute: Option<i32>,
    /// Billable calls that may run at once.
    pub concurrent_calls: Option<i32>,
    /// What may be charged in one day.
    pub daily_budget_nanos: Option<i64>,
    /// Where its day begins.
    pub time_zone: String,
    /// The upstream credential; `None` for the default one.
    pub credential: Option<String>,
    /// Whether `user_id` reaches upstream as the caller wrote it.
    pub keeps_user_ids: bool,
    /// Whether every stream ends with a `balance_updated` event.
    pub balance_events: bool,
    /// Below which balance an alarm is raised; `None` for never.
    pub low_balance_nanos: Option<i64>,
    /// The sum of its credits.
    pub credits_nanos: i64,
    /// The sum of its entries.
    pub spent_nanos: i64,
    /// How many entries there are.
    pub entries: i64,
}

impl AccountRow {
    /// Credits less charges.
    pub fn balance(&self) -> Result<Nanos, Error> {
        Ok(Nanos::new(self.credits_nanos).minus(Nanos::new(self.spent_nanos))?)
    }
}

/// Changes to an account; what is `None` stays.
#[derive(Default)]
pub struct AccountChange {
    /// Whether it may call.
    pub status: Option<Status>,
    /// Whose ratio applies.
    pub group: Option<Group>,
    /// How far below zero it may go.
    pub overdraft: Option<Overdraft>,
    /// What else is set for it.
    pub settings: SettingsChange,
}

/// As the column holds it.
fn overdraft_column(overdraft: Overdraft) -> Option<i64> {
    match overdraft {
        Overdraft::Unlimited => None,
        Overdraft::Limit(limit) => Some(limit.get()),
    }
}

/// Checks a name of an account or a key.
pub fn check_name(field: &'static str, name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::invalid(field, "is empty"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        let problem = format!("is longer than {NAME_CHARS_MAX} characters");
        return Err(Error::invalid(field, problem));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(field, "holds a control character"));
    }
    Ok(())
}

/// Makes an account and grants it what it starts with.
pub async fn create(pool: &PgPool, new: NewAccount) -> Result<AccountRow, Error> {
    let id = draw::id("acc_")?;
    let mut tx = Tx::begin(pool, "create_account").await?;
    create_in(&mut tx, &id, new).await?;
    tx.commit().await?;
    find(pool, &id).await
}

/// The same with an id that was drawn before, as part of a transaction.
pub async fn create_in(tx: &mut Tx, id: &str, new: NewAccount) -> Result<(), Error> {
    check_name("name", &new.name)?;
    new.settings.check()?;
    if new.grant > CREDIT_MAX {
        let problem = format!("is more than {} quota", CREDIT_MAX.in_quota());
        return Err(Error::invalid("grant", problem));
    }
    let journal = match new.journal {
        Some(journal) => journal,
        None => journal::least_loaded(tx).await?,
    };
    let revision = journal::bump(tx, &journal).await?;
    let inserted = sqlx::query!(
        "INSERT INTO account (account_id, journal_id, name, group_name, overdraft_nanos, revision)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        journal,
        new.name,
        new.group.as_str(),
        overdraft_column(new.overdraft),
        revision
    )
    .execute(&mut **tx)
    .await
    .map_err(Error::from);
    if let Err(error) = inserted {
        return Err(match error.constraint() {
            Some("account_name_key") => Error::Conflict {
                field: "name",
                problem: format!("{:?} is another account's", new.name),
            },
            Some("account_scratch_check") => Error::invalid("journal", "is at no edge"),
            _ => error,
        });
    }
    let zone = new.settings.time_zone.or(Some(TIME_ZONE_DEFAULT));
    let settings = SettingsChange { time_zone: zone, ..new.settings };
    write_settings(tx, id, &settings).await?;
    let made = find(&mut **tx, id).await?;
    audit::record(tx, &new.actor, Act::AccountCreate, id, &audit::document(&made)?).await?;
    if new.grant > Nanos::ZERO {
        let grant = NewCredit {
            account: id.to_owned(),
            kind: CreditKind::Grant,
            amount: new.grant,
            reason: "a new account".to_owned(),
            actor: new.actor,
            reference: None,
        };
        post::credit(tx, &grant).await?;
    }
    Ok(())
}

/// Changes an account. The edge learns of it with the next pull, which this wakes.
pub async fn change(
    pool: &PgPool,
    account: &AccountRow,
    change: &AccountChange,
    actor: &Actor,
) -> Result<AccountRow, Error> {
    change.settings.check()?;
    let mut tx = Tx::begin(pool, "change_account").await?;
    let revision = journal::bump(&mut tx, &account.journal_id).await?;
    let before = find(&mut *tx, &account.account_id).await?;
    let overdraft = change.overdraft.map(overdraft_column);
    let changed = sqlx::query!(
        "UPDATE account SET
             status = coalesce($2, status),
             group_name = coalesce($3, group_name),
             overdraft_nanos = CASE WHEN $4 THEN $5 ELSE overdraft_nanos END,
             revision = $6
         WHERE account_id = $1",
        account.account_id,
        change.status.map(Status::name),
        change.group.as_ref().map(Group::as_str),
        overdraft.is_some(),
        overdraft.flatten(),
        revision
    )
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() != 1 {
        return Err(missing(&account.account_id));
    }
    write_settings(&mut tx, &account.account_id, &change.settings).await?;
    low::look(&mut tx, [account.account_id.as_str()]).await?;
    let after = find(&mut *tx, &account.account_id).await?;
    let detail = audit::changes(&before, &after)?;
    audit::record(&mut tx, actor, Act::AccountChange, &account.account_id, &detail).await?;
    tx.commit().await?;
    find(pool, &account.account_id).await
}

/// Writes what is set for an account whose row carries a new revision already.
async fn write_settings(
    tx: &mut Tx,
    account_id: &str,
    change: &SettingsChange,
) -> Result<(), Error> {
    let count = |to: Option<To<u32>>| to.and_then(|to| to.0).map(i32::try_from).transpose();
    let offset = change
        .time_zone
        .map(|zone| DayOffset::of(zone, clock::timestamp(clock::now())?))
        .transpose()?;
    sqlx::query!(
        "UPDATE account SET
             requests_per_minute = CASE WHEN $2 THEN $3 ELSE requests_per_minute END,
             concurrent_calls = CASE WHEN $4 THEN $5 ELSE concurrent_calls END,
             daily_budget_nanos = CASE WHEN $6 THEN $7 ELSE daily_budget_nanos END,
             time_zone = coalesce($8, time_zone),
             day_offset_minutes = coalesce($9, day_offset_minutes),
             day_offset_until = coalesce($10, day_offset_until),
             credential = CASE WHEN $11 THEN $12 ELSE credential END,
             keeps_user_ids = coalesce($13, keeps_user_ids),
             balance_events = coalesce($14, balance_events),
             low_balance_nanos = CASE WHEN $15 THEN $16 ELSE low_balance_nanos END
         WHERE account_id = $1",
        account_id,
        change.requests_per_minute.is_some(),
        count(change.requests_per_minute)?,
        change.concurrent_calls.is_some(),
        count(change.concurrent_calls)?,
        change.daily_budget.is_some(),
        change.daily_budget.and_then(|to| to.0).map(Nanos::get),
        change.time_zone.map(Tz::name),
        offset.map(|offset| offset.minutes),
        offset.map(|offset| offset.until),
        change.credential.is_some(),
        change.credential.as_ref().and_then(|to| to.0.as_ref()).map(CredentialName::as_str),
        change.keeps_user_ids,
        change.balance_events,
        change.low_balance.is_some(),
        change.low_balance.and_then(|to| to.0).map(Nanos::get)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Waits until the edge has been told of an account as it is now. Answers whether it has.
pub async fn until_told(
    pool: &PgPool,
    account: &AccountRow,
    patience: Duration,
) -> Result<bool, Error> {
    let id = &account.account_id;
    let revision = sqlx::query_scalar!("SELECT revision FROM account WHERE account_id = $1", id)
        .fetch_optional(pool)
        .await?;
    let revision = revision.ok_or_else(|| missing(id))?;
    until_applied(pool, &account.journal_id, revision, patience).await
}

fn missing(name: &str) -> Error {
    Error::NotFound { what: "account", name: name.to_owned() }
}

/// The account with this id or name. An id is never taken for a name.
pub async fn find(executor: impl PgExecutor<'_>, id_or_name: &str) -> Result<AccountRow, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"SELECT a.account_id, a.name, a.journal_id, a.status, a.group_name, a.overdraft_nanos,
                  a.requests_per_minute, a.concurrent_calls, a.daily_budget_nanos, a.time_zone,
                  a.credential, a.keeps_user_ids, a.balance_events, a.low_balance_nanos,
                  coalesce(b.credits_nanos, 0) AS "credits_nanos!",
                  coalesce(b.spent_nanos, 0) AS "spent_nanos!",
                  coalesce(b.entries, 0) AS "entries!"
           FROM account a LEFT JOIN balance b USING (account_id)
           WHERE a.account_id = $1 OR a.name = $1
           ORDER BY a.account_id = $1 DESC LIMIT 1"#,
        id_or_name
    )
    .fetch_optional(executor)
    .await?;
    row.ok_or_else(|| missing(id_or_name))
}

/// How many accounts each group has.
pub async fn groups(pool: &PgPool) -> Result<BTreeMap<String, i64>, Error> {
    let rows = sqlx::query!(
        r#"SELECT group_name, count(*) AS "accounts!" FROM account
           GROUP BY group_name ORDER BY group_name LIMIT $1"#,
        ACCOUNTS_LISTED_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.group_name, row.accounts)).collect())
}

/// A page of accounts, oldest first.
pub async fn list(pool: &PgPool, span: &Span) -> Result<Page<AccountRow>, Error> {
    if let Some(behind) = span.behind() {
        // An unknown one would look like the end of the list.
        find_exactly(pool, behind).await?;
    }
    let rows = sqlx::query_as!(
        AccountRow,
        r#"SELECT a.account_id, a.name, a.journal_id, a.status, a.group_name, a.overdraft_nanos,
                  a.requests_per_minute, a.concurrent_calls, a.daily_budget_nanos, a.time_zone,
                  a.credential, a.keeps_user_ids, a.balance_events, a.low_balance_nanos,
                  coalesce(b.credits_nanos, 0) AS "credits_nanos!",
                  coalesce(b.spent_nanos, 0) AS "spent_nanos!",
                  coalesce(b.entries, 0) AS "entries!"
           FROM account a LEFT JOIN balance b USING (account_id)
           WHERE $1::text IS NULL OR (a.created_at, a.account_id) >
                 (SELECT c.created_at, c.account_id FROM account c WHERE c.account_id = $1)
           ORDER BY a.created_at, a.account_id LIMIT $2"#,
        span.behind(),
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.account_id.clone()))
}

async fn find_exactly(pool: &PgPool, id: &str) -> Result<(), Error> {
    let found = sqlx::query_scalar!("SELECT 1 FROM account WHERE account_id = $1", id);
    match found.fetch_optional(pool).await? {
        Some(_) => Ok(()),
        None => Err(Error::invalid("cursor", "is not one that was handed out")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_bound_in_characters() {
        assert!(check_name("name", &"名".repeat(NAME_CHARS_MAX)).is_ok());
        assert!(check_name("name", &"名".repeat(NAME_CHARS_MAX + 1)).is_err());
    }
}
