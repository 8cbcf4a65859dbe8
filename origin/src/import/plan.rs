//! What is to be done with what was read, decided before anything is written.
//!
//! Everything that cannot be brought over is told at once, so that it is mended in one go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meter::ids::{Group, UpstreamId};
use meter::import::price::{self, Prices};
use meter::import::row::User;
use meter::import::{self, QUOTA_PER_UNIT, Worth};
use meter::money::{Nanos, Ratio};
use sqlx::PgConnection;

use super::source::{Problems, Tables};
use super::{AccountsOutcome, Wanted};
use crate::account::check_name;
use crate::draw;
use crate::error::Error;
use crate::ledger::credit::CREDIT_MAX;

/// What is to be done.
pub struct Plan {
    /// Accounts to be made.
    pub(super) accounts: Vec<NewHolder>,
    /// The account of each user, those included.
    pub(super) account_of: HashMap<i64, String>,
    /// What is known of users by now.
    pub(super) outcome: AccountsOutcome,
    /// What calls of workflows and bots cost there.
    pub(super) prices: Prices,
    /// The ratios of groups.
    pub(super) ratios: BTreeMap<Group, Ratio>,
    /// What a quota is worth.
    pub(super) worth: Worth,
    /// Tables that were not there.
    pub(super) missing: Vec<&'static str>,
}

/// A user who becomes an account.
pub(super) struct NewHolder {
    pub(super) user: User,
    pub(super) account_id: String,
    pub(super) name: String,
    pub(super) group: Group,
    pub(super) quota: i64,
    pub(super) amount: Nanos,
}

/// A user who became one before.
struct Known {
    user_name: String,
    account_id: String,
    quota: i64,
}

impl Plan {
    /// Decides; refuses what cannot be decided.
    pub(super) async fn make(
        connection: &mut PgConnection,
        tables: Tables,
        wanted: &Wanted,
    ) -> Result<Self, Error> {
        let Tables { users, abilities, options, missing } = tables;
        let mut problems = Problems::default();
        let option =
            |key: &str| options.get(key).map(String::as_str).filter(|text| !text.is_empty());
        let theirs = match option("QuotaPerUnit") {
            Some(text) => price::quota_per_unit(text).map_err(unreadable)?,
            None => QUOTA_PER_UNIT,
        };
        let worth = Worth::new(wanted.quota_per_unit.unwrap_or(theirs))
            .map_err(|error| Error::invalid("quota_per_unit", error))?;
        let model_prices =
            price::model_prices(option("ModelPrice").unwrap_or_default()).map_err(unreadable)?;
        let prices = price::prices(&abilities, &model_prices, &wanted.prices, theirs, worth);
        for problem in &prices.problems {
            problems.add(format!("{problem} (--price ID=QUOTA)"))?;
        }
        if let Some(id) = wanted.prices.keys().find(|id| !prices.per_call.contains_key(*id)) {
            return Err(Error::invalid("price", format!("names {id}, which has no price there")));
        }
        let mut plan = Self {
            accounts: Vec::new(),
            account_of: HashMap::new(),
            outcome: AccountsOutcome::default(),
            prices,
            ratios: BTreeMap::new(),
            worth,
            missing,
        };
        let ratios = option("GroupRatio").unwrap_or_default();
        for (name, ratio) in price::group_ratios(ratios).map_err(unreadable)? {
            match group(&name, wanted) {
                Ok(group) => {
                    plan.ratios.insert(group, ratio);
                }
                Err(problem) => problems.add(format!("options, GroupRatio: {problem}"))?,
            }
        }
        let known = known(connection, &wanted.instance).await?;
        plan.sort_users(users, &known, wanted, &mut problems)?;
        plan.check_names(connection, &mut problems).await?;
        problems.end()?;
        Ok(plan)
    }

    fn sort_users(
        &mut self,
        users: Vec<User>,
        known: &HashMap<i64, Known>,
        wanted: &Wanted,
        problems: &mut Problems,
    ) -> Result<(), Error> {
        let mut numbers = BTreeSet::new();
        for user in users {
            let id = user.id;
            if !numbers.insert(id) {
                problems.add(format!("users, id {id} stands there twice"))?;
                continue;
            }
            if let Some(known) = known.get(&id) {
                if known.user_name != user.name && !wanted.renamed {
                    problems.add(format!(
                        "users, id {id} is {:?} and was {:?} when it was brought over: is this another \
                         new-api (--instance), or was the user renamed (--renamed)?",
                        user.name, known.user_name
                    ))?;
                }
                if known.quota != user.quota {
                    let changed =
                        format!("{}: {} then, {} now", user.name, known.quota, user.quota);
                    self.outcome.changed.push(changed);
                }
                self.outcome.known = self.outcome.known.saturating_add(1);
                self.account_of.insert(id, known.account_id.clone());
            } else if user.is_deleted {
                self.outcome.deleted = self.outcome.deleted.saturating_add(1);
            } else {
                match self.holder(user, wanted) {
                    Ok(holder) => {
                        self.account_of.insert(id, holder.account_id.clone());
                        self.accounts.push(holder);
                    }
                    Err(Error::Invalid { problem, .. }) => {
                        problems.add(format!("users, id {id}: {problem}"))?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(id) = wanted.balances.keys().find(|id| !numbers.contains(*id)) {
            return Err(Error::invalid("balance", format!("names user {id}, who is not there")));
        }
        Ok(())
    }

    fn holder(&self, user: User, wanted: &Wanted) -> Result<NewHolder, Error> {
        let name = format!("{}{}", wanted.prefix, user.name);
        check_name("username", &name)?;
        let decided = wanted.balances.get(&user.id).copied();
        if decided.is_none() && user.quota_is_doubtful() {
            let problem = format!(
                "`quota` {} looks like a 32-bit number that ran over: say what it is to be \
                 (--balance ID=QUOTA)",
                user.quota
            );
            return Err(Error::invalid("quota", problem));
        }
        let quota = decided.unwrap_or(user.quota);
        let amount = self.worth.of(quota)?;
        if amount.get().checked_abs().is_none_or(|amount| amount > CREDIT_MAX.get()) {
            return Err(Error::invalid(
                "quota",
                format!("`quota` {quota} is more than one credit gives"),
            ));
        }
        let group =
            group(&user.group, wanted).map_err(|problem| Error::invalid("group", problem))?;
        Ok(NewHolder { account_id: draw::id("acc_")?, name, group, quota, amount, user })
    }

    /// No new account may be called what one is called already.
    async fn check_names(
        &self,
        connection: &mut PgConnection,
        problems: &mut Problems,
    ) -> Result<(), Error> {
        let names: Vec<String> = self.accounts.iter().map(|holder| holder.name.clone()).collect();
        let mut seen = BTreeSet::new();
        for name in names.iter().filter(|name| !seen.insert(name.as_str())) {
            problems.add(format!("users: two are called {name:?}"))?;
        }
        let taken = sqlx::query_scalar!("SELECT name FROM account WHERE name = ANY($1)", &names)
            .fetch_all(connection)
            .await?;
        for name in taken {
            problems.add(format!(
                "users: an account is called {name:?} already: put something before names (--prefix)"
            ))?;
        }
        Ok(())
    }

    /// The subjects whose price is known, each with what a call costs.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (&UpstreamId, Nanos)> {
        self.prices.per_call.iter().map(|(id, amount)| (id, *amount))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn unreadable(error: import::ColumnError) -> Error {
    Error::invalid("from", format!("cannot be brought over: options, {error}"))
}

/// What a group is called here.
fn group(name: &str, wanted: &Wanted) -> Result<Group, String> {
    match wanted.groups.get(name) {
        Some(group) => Ok(group.clone()),
        None => import::group(name).map_err(|error| format!("{error} (--group OLD=NEW)")),
    }
}

/// The users of an instance that were brought over before.
async fn known(
    connection: &mut PgConnection,
    instance: &str,
) -> Result<HashMap<i64, Known>, Error> {
    let rows = sqlx::query!(
        "SELECT user_id, user_name, account_id, quota FROM imported_account WHERE instance = $1",
        instance
    )
    .fetch_all(connection)
    .await?;
    let known = rows.into_iter().map(|row| {
        let known =
            Known { user_name: row.user_name, account_id: row.account_id, quota: row.quota };
        (row.user_id, known)
    });
    Ok(known.collect())
}
