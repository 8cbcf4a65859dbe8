//! `weir key`.

use clap::{Args, Subcommand};
use meter::money::Nanos;
use meter::time::DAY_MS;

use crate::account;
use crate::audit::Actor;
use crate::clock;
use crate::config::{DatabaseSettings, SigningSettings};
use crate::database;
use crate::error::Error;
use crate::key::{self, EXPIRES_DAYS_MAX, KEYS_LISTED_MAX, KeyRow, NewKey, rotate};
use crate::page::Span;

use super::Answer;
use super::answer::table;
use super::register::Register;
use super::scope::ScopeArguments;
use super::wait::Wait;

/// What can be done with keys.
#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Issue a key; it is shown once and stored nowhere
    Issue(Issue),
    /// Register a caller's own public key, for tokens by OAuth JWT
    Register(Register),
    /// List keys, without the keys
    List(List),
    /// Issue a key that takes another one's place, with the same name, scope and limits
    Rotate(Rotate),
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
          value_parser = clap::value_parser!(u64).range(1..=EXPIRES_DAYS_MAX))]
    expires_in: Option<u64>,
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    signing: SigningSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir key rotate`
#[derive(Args)]
pub(super) struct Rotate {
    /// The id of the key whose place is taken
    key_id: String,
    /// How long both are good, such as `0`, `30m`, `24h` or `7d`
    #[arg(long, default_value = "24h", value_parser = span_ms)]
    overlap: u64,
    #[command(flatten)]
    signing: SigningSettings,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// A span of time as it is typed, in milliseconds.
fn span_ms(text: &str) -> Result<u64, &'static str> {
    const WRONG: &str = "is not a time such as 0, 30m, 24h or 7d";
    if text == "0" {
        return Ok(0);
    }
    let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at)).ok_or(WRONG)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return Err(WRONG),
    };
    let number: u32 = number.parse().map_err(|_| WRONG)?;
    u64::from(number).checked_mul(unit_ms).ok_or(WRONG)
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
    wait: Wait,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl KeyCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Issue(issue) => issue.run(actor).await,
            Self::Register(register) => register.run(actor).await,
            Self::List(list) => list.run().await,
            Self::Rotate(rotate) => rotate.run(actor).await,
            Self::Revoke(revoke) => revoke.run(actor).await,
        }
    }
}

impl Issue {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let signer = self.signing.signer()?;
        let pool = database::pool(&self.database.database_url)?;
        let account = account::find(&pool, &self.account).await?;
        let now = clock::now();
        let expires_at = key::expiry(now, self.expires_in)?;
        let scope = self.scope.into();
        let new = NewKey { account: &account, name: &self.name, expires_at, scope };
        let issued = key::issue(&pool, &signer, &new, now, actor).await?;
        let text = format!(
            "{}\n\nThis is key {} of {}. It is shown once and stored nowhere.",
            issued.key, issued.key_id, issued.account_id
        );
        Answer::new(&issued, text)
    }
}

impl Rotate {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let signer = self.signing.signer()?;
        let pool = database::pool(&self.database.database_url)?;
        let now = clock::now();
        let issued = rotate::rotate(&pool, &signer, &self.key_id, self.overlap, now, actor).await?;
        let end = clock::text(clock::timestamp(now.plus_ms(self.overlap))?);
        let text = format!(
            "{}\n\nThis is key {}, which takes the place of {}. It is shown once and stored nowhere.\n\
             Both are good until {end}; then the old one is revoked.",
            issued.key, issued.key_id, self.key_id
        );
        Answer::new(&issued, text)
    }
}

impl Revoke {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let row = key::revoke(&pool, &self.key_id, clock::now(), actor).await?;
        let answer = Answer::new(&row, format!("Key {} is revoked.", row.api_key_id))?;
        let told = |patience| key::until_refused(&pool, &row.api_key_id, patience);
        self.wait.until(answer, told).await
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
        let heading =
            ["key", "account", "name", "created", "expires", "revoked", "last used", "limited to"];
        Answer::new(&rows, table(heading, &lines))
    }
}

fn line(row: &KeyRow) -> [String; 8] {
    let time = |at: Option<_>| at.map_or_else(|| "-".to_owned(), clock::text);
    [
        row.api_key_id.clone(),
        row.account_id.clone(),
        row.name.clone(),
        clock::text(row.created_at),
        time(row.expires_at),
        time(row.revoked_at.or(row.ends_at)),
        time(row.last_used_at),
        limited_to(row),
    ]
}

/// What a key is limited to, in one cell.
fn limited_to(row: &KeyRow) -> String {
    let list = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(","));
    let count = |count: Option<i32>, unit: &str| count.map(|count| format!("{count} {unit}"));
    let budget = row.daily_budget_nanos.map(|nanos| Nanos::new(nanos).in_quota());
    let parts = [
        list(&row.operations),
        list(&row.subjects),
        list(&row.networks),
        count(row.requests_per_minute, "a minute"),
        count(row.concurrent_calls, "at once"),
        budget.map(|quota| format!("{quota} quota a day")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_names_its_unit() {
        for wrong in ["", "1", "h", "-1h", "1.5h", "1y", "1é", "99999999999d"] {
            assert!(span_ms(wrong).is_err(), "{wrong:?}");
        }
        let spans =
            [("0", 0), ("30s", 30_000), ("30m", 1_800_000), ("24h", DAY_MS), ("7d", 7 * DAY_MS)];
        for (text, ms) in spans {
            assert_eq!(span_ms(text), Ok(ms), "{text}");
        }
    }
}
