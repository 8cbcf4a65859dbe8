//! `weir account` and `weir credit`.

use clap::{ArgGroup, Args, Subcommand};
use meter::account::{Overdraft, Status};
use meter::ids::Group;
use meter::money::Nanos;
use sqlx::PgPool;

use crate::account::{self, ACCOUNTS_LISTED_MAX, AccountChange, AccountRow, NewAccount};
use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::credit::{self, CreditKind, NewCredit};
use crate::page::Span;
use crate::read::account::AccountTold;

use super::answer::table;
use super::settings::{self, Settings};
use super::wait::Wait;
use super::{Answer, amount};

/// What can be done with accounts.
#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Make an account
    Create(Create),
    /// List all accounts
    List(DatabaseSettings),
    /// Show one account
    Show(Show),
    /// Change an account
    Set(Set),
}

/// `weir account create`
#[derive(Args)]
pub(super) struct Create {
    /// Its name, for people; unique
    name: String,
    /// The group whose ratio multiplies its prices
    #[arg(long, default_value = "default")]
    group: Group,
    /// How far below zero it may go: `unlimited`, or an amount in quota
    #[arg(long, default_value = "unlimited", value_parser = amount::overdraft)]
    overdraft: Overdraft,
    /// What it starts with, in tokens; 1 token is 1 quota at ratio 1
    #[arg(long, default_value = "1000000", value_parser = amount::price, value_name = "TOKENS")]
    grant_tokens: Nanos,
    /// The journal that keeps its calls; the one with the fewest accounts unless named
    #[arg(long)]
    journal: Option<String>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir account show`
#[derive(Args)]
pub(super) struct Show {
    /// Its id or name
    account: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir account set`
#[derive(Args)]
#[group(skip)]
#[command(group(ArgGroup::new("change").required(true).multiple(true)
    .args(["group", "overdraft", "status"]).args(settings::OPTIONS)))]
pub(super) struct Set {
    /// Its id or name
    account: String,
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Args)]
#[group(skip)]
struct Change {
    /// The group whose ratio multiplies its prices
    #[arg(long)]
    group: Option<Group>,
    /// How far below zero it may go: `unlimited`, or an amount in quota
    #[arg(long, value_parser = amount::overdraft)]
    overdraft: Option<Overdraft>,
    /// `active` or `suspended`
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    #[command(flatten)]
    settings: Settings,
}

fn status(text: &str) -> Result<Status, &'static str> {
    Status::from_name(text).ok_or("is neither `active` nor `suspended`")
}

/// `weir credit`
#[derive(Args)]
pub(super) struct Credit {
    /// The account's id or name
    account: String,
    /// How much, in quota; negative only for an adjustment
    #[arg(value_parser = amount::quota, allow_negative_numbers = true)]
    amount: Nanos,
    /// Why, in a word
    #[arg(long, value_enum)]
    kind: CreditKind,
    /// Why, in a sentence
    #[arg(long)]
    reason: String,
    /// The payment, as its provider calls it; the same one is credited once
    #[arg(long)]
    reference: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// The account, printed.
fn answer(told: &AccountTold) -> Result<Answer, Error> {
    let AccountRow {
        account_id,
        name,
        journal_id,
        status,
        group_name,
        entries,
        overdraft_nanos,
        ..
    } = &told.account;
    let overdraft = overdraft_nanos
        .map_or_else(|| "unlimited".to_owned(), |limit| Nanos::new(limit).in_quota().to_string());
    let text = format!(
        "{account_id}  {name}\n  status     {status}\n  group      {group_name}\n  \
         journal    {journal_id}\n  overdraft  {overdraft}\n  balance    {} quota after {entries} \
         calls\n{}",
        told.balance_quota,
        settings::lines(&told.account)
    );
    Answer::new(told, text)
}

impl AccountCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Create(create) => create.run(actor).await,
            Self::List(database) => list(&database).await,
            Self::Show(show) => {
                let pool = database::pool(&show.database.database_url)?;
                answer(&AccountTold::of(account::find(&pool, &show.account).await?)?)
            }
            Self::Set(set) => set.run(actor).await,
        }
    }
}

impl Create {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let new = NewAccount {
            name: self.name,
            group: self.group,
            overdraft: self.overdraft,
            grant: self.grant_tokens,
            journal: self.journal,
            settings: self.settings.into(),
            actor: actor.clone(),
        };
        answer(&AccountTold::of(account::create(&pool, new).await?)?)
    }
}

async fn list(settings: &DatabaseSettings) -> Result<Answer, Error> {
    let pool = database::pool(&settings.database_url)?;
    let rows = account::list(&pool, &Span::first(ACCOUNTS_LISTED_MAX)).await?.items;
    let shown = rows.into_iter().map(AccountTold::of).collect::<Result<Vec<_>, _>>()?;
    let line = |shown: &AccountTold| {
        [
            shown.account.account_id.clone(),
            shown.account.name.clone(),
            shown.account.group_name.clone(),
            shown.account.status.clone(),
            shown.account.journal_id.clone(),
            shown.balance_quota.clone(),
        ]
    };
    let lines: Vec<_> = shown.iter().map(line).collect();
    let heading = ["account", "name", "group", "status", "journal", "balance in quota"];
    Answer::new(&shown, table(heading, &lines))
}

impl Set {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let Change { group, overdraft, status, settings } = self.change;
        let account = account::find(&pool, &self.account).await?;
        let change = AccountChange { status, group, overdraft, settings: settings.into() };
        let changed = account::change(&pool, &account, &change, actor).await?;
        let answer = answer(&AccountTold::of(changed)?)?;
        let told = |patience| account::until_told(&pool, &account, patience);
        self.wait.until(answer, told).await
    }
}

impl Credit {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool: PgPool = database::pool(&self.database.database_url)?;
        let account = account::find(&pool, &self.account).await?;
        let new = NewCredit {
            account: account.account_id,
            kind: self.kind,
            amount: self.amount,
            reason: self.reason,
            actor: actor.clone(),
            reference: self.reference,
        };
        let row = credit::give(&pool, &new).await?;
        let quota = Nanos::new(row.amount_nanos).in_quota();
        let text = if row.was_there {
            format!("Credited {quota} quota to {} before; nothing done.", row.account_id)
        } else {
            format!("Credited {quota} quota to {}.", row.account_id)
        };
        Answer::new(&row, text)
    }
}
