//! `weir key`.

use clap::{Args, Subcommand};

use crate::account;
use crate::audit::Actor;
use crate::clock;
use crate::config::{DatabaseSettings, SigningSettings};
use crate::database;
use crate::error::Error;
use crate::key::{self, KEYS_LISTED_MAX, KeyRow, NewKey};
use crate::page::Span;
use crate::signing::Signer;

use super::Answer;
use super::answer::table;

/// Milliseconds in a day.
const DAY_MS: u64 = 86_400_000;
/// Longest life of a key that expires: a century.
const EXPIRES_DAYS_MAX: i64 = 36_500;

/// What can be done with keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Issue a key; it is shown once and stored nowhere
    Issue(Issue),
    /// List keys, without the keys
    List(List),
    /// Revoke a key; the edge refuses it from its next pull on
    Revoke(Revoke),
}

/// `weir key issue`
#[derive(Args)]
pub(super) struct Issue {
    /// The account's id or name
    account: String,
    /// The key's name, for people
    #[arg(long)]
    name: String,
    /// Days until it stops being good; never unless named
    #[arg(long, value_name = "DAYS",
          value_parser = clap::value_parser!(u64).range(1..=EXPIRES_DAYS_MAX.unsigned_abs()))]
    expires_in: Option<u64>,
    #[command(flatten)]
    signing: SigningSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir key list`
#[derive(Args)]
pub(super) struct List {
    /// Only this account's, by id or name
    account: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir key revoke`
#[derive(Args)]
pub(super) struct Revoke {
    /// The key's id
    key_id: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl KeyCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Issue(issue) => issue.run(actor).await,
            Self::List(list) => list.run().await,
            Self::Revoke(revoke) => {
                let pool = database::pool(&revoke.database.database_url)?;
                let row = key::revoke(&pool, &revoke.key_id, clock::now(), actor).await?;
                Answer::new(&row, format!("Key {} is revoked.", row.api_key_id))
            }
        }
    }
}

impl Issue {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let signer = Signer::parse(&self.signing.signing_key)?;
        let pool = database::pool(&self.database.database_url)?;
        let account = account::find(&pool, &self.account).await?;
        let now = clock::now();
        let expires_at = self.expires_in.map(|days| now.plus_ms(days.saturating_mul(DAY_MS)));
        let new = NewKey { account: &account, name: &self.name, expires_at };
        let issued = key::issue(&pool, &signer, &new, now, actor).await?;
        let text = format!(
            "{}\n\nThis is key {} of {}. It is shown once and stored nowhere.",
            issued.key, issued.key_id, issued.account_id
        );
        Answer::new(&issued, text)
    }
}

impl List {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        let span = Span::first(KEYS_LISTED_MAX);
        let rows = key::list(&pool, account.as_deref(), &span).await?.items;
        let lines: Vec<_> = rows.iter().map(line).collect();
        let heading = ["key", "account", "name", "created", "expires", "revoked", "last used"];
        Answer::new(&rows, table(heading, &lines))
    }
}

fn line(row: &KeyRow) -> [String; 7] {
    let time = |at: Option<_>| at.map_or_else(|| "-".to_owned(), clock::text);
    [
        row.api_key_id.clone(),
        row.account_id.clone(),
        row.name.clone(),
        clock::text(row.created_at),
        time(row.expires_at),
        time(row.revoked_at),
        time(row.last_used_at),
    ]
}
