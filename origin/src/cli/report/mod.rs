//! `weir report`.

mod anomalies;
mod daily;
mod drift;
mod history;
mod open;
mod top;

use clap::{Args, Subcommand};
use meter::money::Nanos;
use sqlx::PgPool;

use crate::account;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::read::summary::Sums;

use super::Answer;

/// What can be reported on.
#[derive(Subcommand)]
pub(super) enum ReportCommand {
    /// Show a day of the books: opening, credits, calls, closing
    Daily(daily::Daily),
    /// List what cost most, or was called most, over some days
    Top(top::Top),
    /// List calls worth a look: charged nothing, of unknown or odd usage, unusually dear, default prices
    Anomalies(anomalies::Anomalies),
    /// Add up every table and hold the sums against each other; exits with 3 unless all agree
    Drift(drift::Drift),
    /// List the calls that are still open, oldest first, and what each is waiting for
    Open(open::Open),
    /// List what another program had logged before accounts were brought over from it, newest first
    History(history::History),
}

impl ReportCommand {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        match self {
            Self::Daily(daily) => daily.run().await,
            Self::Top(top) => top.run().await,
            Self::Anomalies(anomalies) => anomalies.run().await,
            Self::Drift(drift) => drift.run().await,
            Self::Open(open) => open.run().await,
            Self::History(history) => history.run().await,
        }
    }
}

/// Whose calls a report is about.
#[derive(Args)]
struct Whose {
    /// Only this account's, by id or name
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Whose {
    /// The books, and the account's id.
    async fn find(&self) -> Result<(PgPool, Option<String>), Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        Ok((pool, account))
    }
}

/// An amount, as it is shown.
fn quota(nanos: i64) -> String {
    Nanos::new(nanos).in_quota().to_string()
}

/// Sums as cells of a table.
fn cells(sums: &Sums) -> [String; 4] {
    [
        sums.calls.to_string(),
        sums.failed.to_string(),
        sums.total_tokens.to_string(),
        sums.amount_quota.clone(),
    ]
}
