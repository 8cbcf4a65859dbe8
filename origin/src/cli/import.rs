//! `weir import`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use meter::account::Overdraft;
use meter::ids::{Group, JournalName, UpstreamId};
use meter::money::Nanos;

use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::import::source::Source;
use crate::import::{self, LogRows, Outcome, PricesOutcome, Progress, Wanted};

use super::{Answer, amount};

/// What can be brought over.
#[derive(Subcommand)]
pub(super) enum ImportCommand {
    /// Bring accounts, balances, prices and history over from new-api
    NewApi(NewApi),
}

/// `weir import new-api`
#[derive(Args)]
#[command(
    after_help = "All of it or nothing: stopped with Ctrl-C it leaves nothing behind. Run again it changes \
                  nothing, and of a newer copy it adds what is new. Balances are brought over once: stop \
                  calls at new-api first. docs/import-new-api.md tells what becomes of each column."
)]
pub(super) struct NewApi {
    /// Its database (`one-api.db`); or CSV files called users, abilities, options and logs; or a folder
    /// of them
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// What to call this new-api, where there are several
    #[arg(long, default_value = "main", value_parser = instance, value_name = "NAME")]
    instance: String,
    /// How many of its quota make one unit of the currency; its own `QuotaPerUnit`, or 500000, unless named
    #[arg(long, value_name = "QUOTA")]
    quota_per_unit: Option<u32>,
    /// How far below zero the new accounts may go: `unlimited`, or an amount in quota
    #[arg(long, default_value = "0", value_parser = amount::overdraft)]
    overdraft: Overdraft,
    /// What to put before the names of the new accounts
    #[arg(long, default_value = "", value_name = "TEXT")]
    prefix: String,
    /// What to call a group here; may be given several times
    #[arg(long, value_parser = pair::<String, Group>, value_name = "OLD=NEW")]
    group: Vec<(String, Group)>,
    /// What a user has left, in quota, in place of what stands there; may be given several times
    #[arg(long, value_parser = pair::<i64, i64>, value_name = "ID=QUOTA")]
    balance: Vec<(i64, i64)>,
    /// What a call of a workflow costs, in quota, in place of what stands there; may be given several
    /// times
    #[arg(long, value_parser = price, value_name = "ID=QUOTA")]
    price: Vec<(UpstreamId, Nanos)>,
    /// Users may have been renamed there since they were brought over
    #[arg(long)]
    renamed: bool,
    /// What of its log to bring over
    #[arg(long, value_enum, default_value = "all", value_name = "WHICH")]
    history: LogRows,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

fn instance(text: &str) -> Result<String, String> {
    // It may be what a journal's name may be.
    text.parse::<JournalName>().map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn pair<A: std::str::FromStr, B: std::str::FromStr>(text: &str) -> Result<(A, B), String> {
    let (one, other) = text.rsplit_once('=').ok_or("has no `=`")?;
    let wrong = |part: &str| format!("holds {part:?}, which makes no sense there");
    Ok((one.parse().map_err(|_| wrong(one))?, other.parse().map_err(|_| wrong(other))?))
}

fn price(text: &str) -> Result<(UpstreamId, Nanos), String> {
    let (id, amount): (UpstreamId, String) = pair(text)?;
    Ok((id, amount::price(&amount)?))
}

impl ImportCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::NewApi(new_api) => new_api.run(actor).await,
        }
    }
}

impl NewApi {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let source = Source::find(&self.from)?;
        let wanted = Wanted {
            instance: self.instance,
            quota_per_unit: self.quota_per_unit,
            overdraft: self.overdraft,
            prefix: self.prefix,
            groups: self.group.into_iter().collect::<BTreeMap<_, _>>(),
            balances: self.balance.into_iter().collect(),
            prices: self.price.into_iter().collect(),
            renamed: self.renamed,
            log: self.history,
            dry_run: self.dry_run,
        };
        let bar = bar();
        let outcome = import::run(&pool, source, &wanted, actor, |progress| {
            let Progress { done, total, rows } = progress;
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(format!("{rows} rows of the log"));
        })
        .await;
        bar.finish_and_clear();
        let outcome = outcome?;
        let text = text(&outcome);
        Answer::new(&outcome, text)
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {percent}%, {eta} left, {msg}");
    let bar = ProgressBar::new(0);
    style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
}

fn text(outcome: &Outcome) -> String {
    let Outcome { accounts, history, .. } = outcome;
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |words: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{words}");
    };
    if outcome.dry_run {
        line(format_args!("Nothing was changed. This would be done:"));
    } else if !outcome.is_something() {
        line(format_args!("Nothing is new."));
    }
    line(format_args!(
        "Accounts: {} new with {} quota, {} brought over before, {} deleted there.",
        accounts.new,
        Nanos::new(accounts.credited_nanos).in_quota(),
        accounts.known,
        accounts.deleted
    ));
    for changed in &accounts.changed {
        line(format_args!("  another balance there since, and the one here stays: {changed}"));
    }
    for (what, prices) in [("Prices", &outcome.prices), ("Group ratios", &outcome.groups)] {
        let PricesOutcome { new, known, kept, passed_over } = prices;
        line(format_args!("{what}: {} new, {known} known.", new.len()));
        for new in new {
            line(format_args!("  {new}"));
        }
        for kept in kept {
            line(format_args!("  left as it is here: {kept}"));
        }
        if *passed_over > 0 {
            line(format_args!("  {passed_over} models are no workflows and no bots."));
        }
    }
    if let Some(version) = outcome.price_book {
        line(format_args!("They are price book {version}."));
    }
    line(format_args!(
        "History: {} rows new, {} known; {} about something else, {} of nobody here, {} senseless.",
        history.new, history.known, history.others, history.of_nobody, history.senseless
    ));
    if !outcome.missing.is_empty() {
        line(format_args!("Not there: {}.", outcome.missing.join(", ")));
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_parted_at_the_last_sign() {
        let group = pair::<String, Group>("VIP=客户=vip").unwrap();
        assert_eq!((group.0.as_str(), group.1.as_str()), ("VIP=客户", "vip"));
        assert_eq!(pair::<i64, i64>("7=-500"), Ok((7, -500)));
        for wrong in ["7", "7=", "=7", "7=1.5", "x=1"] {
            assert!(pair::<i64, i64>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(price("7480=2.5"), Ok(("7480".parse().unwrap(), Nanos::new(5_000))));
        assert!(price("7480=-1").is_err() && instance("a b").is_err());
    }
}
