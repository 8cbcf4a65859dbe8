//! `weir rerate`: what calls should have cost.

use std::fmt::Write as _;

use clap::Args;
use meter::money::Nanos;
use serde::Serialize;

use crate::account;
use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::credit::CreditRow;
use crate::ledger::rerate::{self, ByAccount, Progress, Question, Run};
use crate::read::days::Days;

use super::Answer;
use super::answer::table;
use super::progress::bar;

/// `weir rerate`
#[derive(Args)]
#[command(
    after_help = "Stopped with Ctrl-C it keeps what it found, and goes on from there when it is called with \
                  the same arguments. Posting is done once for the same account, days and book."
)]
pub(super) struct Rerate {
    /// The first day, such as 2026-10-01
    #[arg(long)]
    from: String,
    /// The last day
    #[arg(long)]
    to: String,
    /// The time zone that the days are of
    #[arg(long, default_value = "Asia/Shanghai", value_name = "ZONE")]
    tz: String,
    /// By this price book instead of the version frozen on each call
    #[arg(long, value_name = "NUMBER")]
    book: Option<i32>,
    /// Only this account's calls, by id or name
    #[arg(long)]
    account: Option<String>,
    /// Credit or take back the difference, as one adjustment for each account
    #[arg(long)]
    post: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// What was found for one account.
#[derive(Serialize)]
struct Line {
    account: String,
    calls: i64,
    charged_nanos: i64,
    rerated_nanos: i64,
    difference_nanos: i64,
    unpriced: i64,
}

#[derive(Serialize)]
struct Told {
    accounts: Vec<Line>,
    difference_nanos: i64,
    posted: Vec<CreditRow>,
}

impl Rerate {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let days =
            Days::read(Some(&self.from), Some(&self.to), Some(&self.tz), chrono::Utc::now())?;
        let (Some(from), Some(to)) = (days.edges.first(), days.edges.last()) else {
            return Err(Error::invalid("from", "names no day"));
        };
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        let question = Question { from: *from, to: *to, account, book: self.book };
        let run = Run::begin(&pool, &question).await?;
        let bar = bar("calls");
        let Progress { found, .. } = loop {
            let progress = run.step(&pool).await?;
            bar.set_length(u64::try_from(progress.total).unwrap_or_default());
            bar.set_position(u64::try_from(progress.entries).unwrap_or_default());
            if progress.ended {
                break progress;
            }
        };
        bar.finish_and_clear();
        let posted = if self.post {
            rerate::post(&pool, &question, &found, actor).await?
        } else {
            Vec::new()
        };
        answer(&found, posted, self.post)
    }
}

fn answer(found: &ByAccount, posted: Vec<CreditRow>, is_posting: bool) -> Result<Answer, Error> {
    let mut accounts = Vec::new();
    let mut total = Nanos::ZERO;
    for (account, sums) in found {
        let difference = sums.difference()?;
        total = total.plus(difference)?;
        accounts.push(Line {
            account: account.clone(),
            calls: sums.calls,
            charged_nanos: sums.charged_nanos,
            rerated_nanos: sums.rerated_nanos,
            difference_nanos: difference.get(),
            unpriced: sums.unpriced,
        });
    }
    let quota = |nanos: i64| Nanos::new(nanos).in_quota().to_string();
    let rows: Vec<_> = accounts
        .iter()
        .map(|line| {
            [
                line.account.clone(),
                line.calls.to_string(),
                quota(line.charged_nanos),
                quota(line.rerated_nanos),
                quota(line.difference_nanos),
                line.unpriced.to_string(),
            ]
        })
        .collect();
    let heading = ["account", "calls", "charged", "re-rated", "difference in quota", "unpriced"];
    let mut text = if rows.is_empty() {
        "No call finished in those days.".to_owned()
    } else {
        table(heading, &rows)
    };
    if is_posting {
        let (old, new): (Vec<_>, Vec<_>) = posted.iter().partition(|credit| credit.was_there);
        // Writing to a string does not fail.
        let _ = write!(text, "\nPosted {} adjustments; {} were there.", new.len(), old.len());
    }
    Answer::new(&Told { accounts, difference_nanos: total.get(), posted }, text)
}
