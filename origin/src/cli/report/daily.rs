//! `weir report daily`.

use std::fmt::Write as _;

use clap::Args;

use crate::clock;
use crate::error::Error;
use crate::read::daily::{self, Daily as Told};
use crate::read::days::Days;
use crate::read::summary::Sums;

use super::{Whose, cells, quota};
use crate::cli::Answer;
use crate::cli::answer::table;

/// Groups of a kind that are printed.
const TOP: i64 = 20;

/// `weir report daily`
#[derive(Args)]
pub(in crate::cli) struct Daily {
    /// The day, such as 2026-10-01; yesterday unless named
    #[arg(long, value_name = "DAY")]
    date: Option<String>,
    /// The time zone that the day is of
    #[arg(long, default_value = "Asia/Shanghai", value_name = "ZONE")]
    tz: String,
    /// At most so many accounts, subjects and operations
    #[arg(long, default_value_t = TOP, value_name = "COUNT", value_parser = super::top::count)]
    top: i64,
    #[command(flatten)]
    whose: Whose,
}

impl Daily {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let now = clock::timestamp(clock::now())?;
        let days = Days::one(self.date.as_deref(), Some(&self.tz), now)?;
        let (pool, account) = self.whose.find().await?;
        let told = daily::read(&pool, account.as_deref(), &days, self.top).await?;
        Answer::new(&told, text(&told))
    }
}

/// Writing to a String cannot fail.
fn text(told: &Told) -> String {
    let summary = &told.summary;
    let whose = summary.account.as_deref().unwrap_or("all accounts");
    let mut text = format!("{}, {}, of {whose}, in quota", told.date, summary.tz);
    let sums = [
        ["opening".to_owned(), told.opening_quota.clone()],
        ["credits".to_owned(), told.credits_quota.clone()],
        ["calls".to_owned(), format!("-{}", told.spent_quota)],
        ["closing".to_owned(), told.closing_quota.clone()],
    ];
    let _ = write!(text, "\n\n{}", table(["", ""], &sums).trim_start());
    let total = &summary.total;
    let _ = write!(
        text,
        "\n\n{} calls, {} of them not charged by their reading, {} tokens.",
        total.calls, total.failed, total.total_tokens
    );
    for credit in &told.credits {
        let (kind, count) = (&credit.kind, credit.credits);
        let _ = write!(text, "\n{count} × {kind}: {}", quota(credit.amount_nanos));
    }
    let accounts = summary.accounts.iter().flatten().map(|it| {
        let name = it.name.clone().unwrap_or_else(|| "?".to_owned());
        (format!("{} {name}", it.account), &it.sums)
    });
    let subjects = summary.subjects.iter().flatten();
    let subjects = subjects.map(|it| (format!("{} {}", it.subject_kind, it.subject), &it.sums));
    let operations = summary.operations.iter().flatten();
    let operations = operations.map(|it| (it.operation.clone(), &it.sums));
    let mut groups = |heading: &str, name: &str, mut rows: Vec<[String; 5]>| {
        if let Some(others) = summary.others.get(name) {
            rows.push(row("all others", others));
        }
        if !rows.is_empty() {
            let heading = [heading, "calls", "failed", "tokens", "quota"];
            let _ = write!(text, "\n\n{}", table(heading, &rows));
        }
    };
    groups("account", "account", accounts.map(|(name, sums)| row(&name, sums)).collect());
    groups("subject", "subject", subjects.map(|(name, sums)| row(&name, sums)).collect());
    groups("operation", "operation", operations.map(|(name, sums)| row(&name, sums)).collect());
    for found in &told.findings {
        let _ = write!(
            text,
            "\n\nFound {} × {}, {} still open.",
            found.findings, found.code, found.open
        );
    }
    if !told.complete {
        text.push_str(
            "\n\nNot every journal was pulled since the day ended: calls may still come.",
        );
    }
    text
}

fn row(name: &str, sums: &Sums) -> [String; 5] {
    let [calls, failed, tokens, quota] = cells(sums);
    [name.to_owned(), calls, failed, tokens, quota]
}
