//! Accounts, their credits and the prices: written last, since every pull waits for the rows they lock.

use std::collections::HashMap;

use meter::import::row::User;
use meter::money::Nanos;
use meter::price::{Price, PriceBook, Scope};
use sqlx::PgConnection;

use super::history::History;
use super::plan::{NewHolder, Plan};
use super::{Outcome, PricesOutcome, Wanted};
use crate::account::settings::SettingsChange;
use crate::account::{self, NewAccount};
use crate::audit::Actor;
use crate::database::Tx;
use crate::error::Error;
use crate::journal;
use crate::ledger::credit::{CreditKind, NewCredit};
use crate::ledger::post;
use crate::price::{self, Changed, words};

/// Writes what was planned.
pub(super) async fn all(
    tx: &mut Tx,
    plan: Plan,
    history: History,
    wanted: &Wanted,
    actor: &Actor,
) -> Result<Outcome, Error> {
    journal::lock_all(tx).await?;
    let mut outcome = Outcome {
        instance: wanted.instance.clone(),
        dry_run: wanted.dry_run,
        quota_per_unit: plan.worth.quota_per_unit(),
        accounts: plan.outcome.clone(),
        history,
        missing: plan.missing.clone(),
        ..Outcome::default()
    };
    prices(tx, &plan, wanted, actor, &mut outcome).await?;
    let mut loads = journal::loads(tx).await?;
    let mut credited = Nanos::ZERO;
    for holder in &plan.accounts {
        // The least loaded, the first of several: as for any new account.
        let journal = loads.iter_mut().min_by_key(|(_, accounts)| *accounts);
        let (journal, accounts) =
            journal.ok_or_else(|| Error::NotFound { what: "journal", name: "any".to_owned() })?;
        *accounts = accounts.saturating_add(1);
        make(tx, holder, journal, wanted, actor).await?;
        credited = credited.plus(holder.amount)?;
    }
    outcome.accounts.new = u64::try_from(plan.accounts.len())?;
    outcome.accounts.credited_nanos = credited.get();
    Ok(outcome)
}

/// One account with its balance.
async fn make(
    tx: &mut Tx,
    holder: &NewHolder,
    journal: &str,
    wanted: &Wanted,
    actor: &Actor,
) -> Result<(), Error> {
    let NewHolder { user: User { id, name: user_name, is_enabled, .. }, account_id, .. } = holder;
    let new = NewAccount {
        name: holder.name.clone(),
        group: holder.group.clone(),
        overdraft: wanted.overdraft,
        grant: Nanos::ZERO,
        journal: Some(journal.to_owned()),
        settings: SettingsChange::default(),
        actor: actor.clone(),
    };
    account::create_in(tx, account_id, new).await?;
    if !is_enabled {
        sqlx::query!("UPDATE account SET status = 'suspended' WHERE account_id = $1", account_id)
            .execute(&mut **tx)
            .await?;
    }
    if holder.amount != Nanos::ZERO {
        let is_debt = holder.amount < Nanos::ZERO;
        let credit = NewCredit {
            account: account_id.clone(),
            kind: if is_debt { CreditKind::Adjustment } else { CreditKind::Grant },
            amount: holder.amount,
            reason: format!(
                "brought over from new-api {}: {} quota of user {id}",
                wanted.instance, holder.quota
            ),
            actor: actor.clone(),
            reference: Some(reference(&wanted.instance, *id)),
        };
        post::credit(tx, &credit).await?;
    }
    sqlx::query!(
        "INSERT INTO imported_account (instance, user_id, user_name, account_id, quota, amount_nanos)
         VALUES ($1, $2, $3, $4, $5, $6)",
        wanted.instance,
        id,
        user_name,
        account_id,
        // As it was there, so that a later copy can be told from it.
        holder.user.quota,
        holder.amount.get()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The reference of the credit that a user's balance became.
fn reference(instance: &str, user: i64) -> String {
    format!("new-api:{instance}:user:{user}")
}

/// The prices and ratios that are new, in one new book.
async fn prices(
    tx: &mut Tx,
    plan: &Plan,
    wanted: &Wanted,
    actor: &Actor,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let book = price::in_force(tx).await?;
    let seen = seen(tx, &wanted.instance).await?;
    let (mut prices, mut ratios, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (id, amount) in plan.subjects() {
        let price = Price::PerCall { amount };
        let scope = Scope::Subject(id.clone());
        let item = Item {
            kind: "subject",
            name: id.as_str(),
            value: amount.get(),
            says: format!("{id}: {}", words::price(&price)),
            here: book.prices.get(&scope).map(words::price),
            is_same: book.prices.get(&scope) == Some(&price),
        };
        if item.sort(&seen, &mut outcome.prices, &mut new) {
            prices.push((scope, price));
        }
    }
    for (group, ratio) in &plan.ratios {
        let here = book.groups.get(group).copied();
        let item = Item {
            kind: "group",
            name: group.as_str(),
            value: ratio.ppm().into(),
            says: format!("{group}: {ratio}"),
            here: here.map(|ratio| ratio.to_string()),
            // A group that is not named has ratio 1.
            is_same: here.unwrap_or(meter::money::Ratio::ONE) == *ratio,
        };
        if item.sort(&seen, &mut outcome.groups, &mut new) {
            ratios.push((group.clone(), *ratio));
        }
    }
    outcome.prices.passed_over = u64::try_from(plan.prices.other_models.len())?;
    remember(tx, &wanted.instance, &new).await?;
    if prices.is_empty() && ratios.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "brought over from new-api {}: {} prices, {} group ratios",
        wanted.instance,
        outcome.prices.new.len(),
        outcome.groups.new.len()
    );
    let change = |book: &mut PriceBook| {
        book.prices.extend(prices);
        book.groups.extend(ratios);
    };
    if let Changed::To(book) = price::change_in(tx, actor, &reason, change).await? {
        outcome.price_book = Some(book.version);
    }
    Ok(())
}

/// A price or a ratio that was read.
struct Item<'a> {
    kind: &'static str,
    name: &'a str,
    value: i64,
    /// For people.
    says: String,
    /// What the book says instead, for people.
    here: Option<String>,
    /// The book says the same.
    is_same: bool,
}

impl Item<'_> {
    /// Whether it is to be set; counts it, and notes it when it was not seen before.
    fn sort(
        self,
        seen: &HashMap<(String, String), i64>,
        outcome: &mut PricesOutcome,
        new: &mut Vec<(&'static str, String, i64)>,
    ) -> bool {
        let key = (self.kind.to_owned(), self.name.to_owned());
        if let Some(before) = seen.get(&key) {
            if *before == self.value {
                outcome.known = outcome.known.saturating_add(1);
            } else {
                outcome.kept.push(format!("{}; it was changed there since", self.says));
            }
            return false;
        }
        new.push((self.kind, key.1, self.value));
        if self.is_same {
            outcome.known = outcome.known.saturating_add(1);
            return false;
        }
        if let Some(here) = self.here {
            outcome.kept.push(format!("{}; here it is {here}", self.says));
            return false;
        }
        outcome.new.push(self.says);
        true
    }
}

async fn seen(
    connection: &mut PgConnection,
    instance: &str,
) -> Result<HashMap<(String, String), i64>, Error> {
    let rows =
        sqlx::query!("SELECT kind, name, value FROM imported_price WHERE instance = $1", instance)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| ((row.kind, row.name), row.value)).collect())
}

async fn remember(
    connection: &mut PgConnection,
    instance: &str,
    new: &[(&'static str, String, i64)],
) -> Result<(), Error> {
    let kinds: Vec<String> = new.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    let names: Vec<String> = new.iter().map(|(_, name, _)| name.clone()).collect();
    let values: Vec<i64> = new.iter().map(|(.., value)| *value).collect();
    sqlx::query!(
        "INSERT INTO imported_price (instance, kind, name, value)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])",
        instance,
        &kinds,
        &names,
        &values
    )
    .execute(connection)
    .await?;
    Ok(())
}
