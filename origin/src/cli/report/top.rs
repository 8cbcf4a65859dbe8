//! `weir report top`.

use clap::{Args, ValueEnum};

use crate::clock;
use crate::error::Error;
use crate::read::days::Days;
use crate::read::summary::{self, Grouping, Order, Question, Summary, TOP_MAX};

use super::{Whose, cells};
use crate::cli::Answer;
use crate::cli::answer::table;

/// Groups that are listed unless somebody says otherwise.
const TOP: i64 = 20;

/// What is listed.
#[derive(Clone, Copy, ValueEnum)]
enum By {
    /// Workflows, bots and other subjects.
    Subject,
    /// Keys.
    Key,
    /// Operations.
    Operation,
    /// Accounts.
    Account,
}

/// `weir report top`
#[derive(Args)]
pub(in crate::cli) struct Top {
    /// What is listed
    #[arg(long, value_enum, default_value = "subject")]
    by: By,
    /// What comes first
    #[arg(long, value_enum, default_value = "amount")]
    order: Order,
    /// How many of them
    #[arg(long, default_value_t = TOP, value_name = "COUNT", value_parser = count)]
    limit: i64,
    /// The first day, such as 2026-10-01; thirty days before the last unless named
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day; today unless named
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// The time zone that the days are of
    #[arg(long, default_value = "Asia/Shanghai", value_name = "ZONE")]
    tz: String,
    #[command(flatten)]
    whose: Whose,
}

/// How many groups may be listed.
pub(super) fn count(text: &str) -> Result<i64, String> {
    let count = text.parse().ok().filter(|count| (1..=TOP_MAX).contains(count));
    count.ok_or_else(|| format!("is not a whole number from 1 to {TOP_MAX}"))
}

impl Top {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let now = clock::timestamp(clock::now())?;
        let days = Days::read(self.from.as_deref(), self.to.as_deref(), Some(&self.tz), now)?;
        let (pool, account) = self.whose.find().await?;
        let by = match self.by {
            By::Subject => Grouping::Subject,
            By::Key => Grouping::Key,
            By::Operation => Grouping::Operation,
            By::Account => Grouping::Account,
        };
        let (order, top) = (self.order, self.limit);
        let question = Question { by: vec![by], order, top, ..Question::of(account) };
        let summary = summary::read(&pool, &question, &days).await?;
        let text = text(&summary, by);
        Answer::new(&summary, text)
    }
}

fn text(summary: &Summary, by: Grouping) -> String {
    let subjects = summary.subjects.iter().flatten();
    let subjects = subjects.map(|it| (format!("{} {}", it.subject_kind, it.subject), &it.sums));
    let keys = summary.keys.iter().flatten().map(|it| (it.key.clone(), &it.sums));
    let operations = summary.operations.iter().flatten();
    let operations = operations.map(|it| (it.operation.clone(), &it.sums));
    let accounts = summary.accounts.iter().flatten().map(|it| {
        let name = it.name.clone().unwrap_or_else(|| "?".to_owned());
        (format!("{} {name}", it.account), &it.sums)
    });
    let others = summary.others.values().map(|sums| ("all others".to_owned(), sums));
    let all = subjects.chain(keys).chain(operations).chain(accounts).chain(others);
    let total = [("total".to_owned(), &summary.total)];
    let rows: Vec<_> = all
        .chain(total)
        .map(|(name, sums)| {
            let [calls, failed, tokens, quota] = cells(sums);
            [name, calls, failed, tokens, quota]
        })
        .collect();
    let Summary { from, to, tz, .. } = summary;
    if summary.total.calls == 0 {
        return format!("No call finished from {from} to {to}, {tz}.");
    }
    let heading = [by.name(), "calls", "failed", "tokens", "quota"];
    format!("{from} to {to}, {tz}\n\n{}", table(heading, &rows))
}
