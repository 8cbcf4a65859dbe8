//! `--dry-run`: what a change of prices would have made of the calls of some days.

use clap::Args;
use meter::money::Nanos;
use sqlx::PgPool;

use crate::error::Error;
use crate::ledger::rerate::trial::{self, Trial};
use crate::price::propose::Proposed;
use crate::read::days::Days;

use super::super::Answer;
use super::super::answer::table;
use super::super::progress::bar;
use super::when::WhenArguments;

/// The arguments of a change that can be tried out.
#[derive(Args)]
#[group(skip)]
pub(super) struct TrialArguments {
    /// Change nothing: charge the calls of last month again, and show the difference by account and by
    /// workflow. With --from DAY and --to DAY those of these days
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The last day of a dry run
    #[arg(long, value_name = "DAY", requires = "dry_run")]
    to: Option<String>,
}

impl TrialArguments {
    pub(super) fn days(&self, when: &WhenArguments) -> Result<Days, Error> {
        let (from, to) = (when.from.as_deref(), self.to.as_deref());
        trial::days(from, to, when.zone()?, chrono::Utc::now())
    }
}

/// Tries a change out and tells what it would have made of those days.
pub(super) async fn run(pool: &PgPool, days: Days, proposed: Proposed) -> Result<Answer, Error> {
    let mut trial = Trial::begin(pool, days, proposed).await?;
    let bar = bar("calls");
    while trial.step(pool).await? {
        bar.set_length(u64::try_from(trial.total).unwrap_or_default());
        bar.set_position(u64::try_from(trial.entries).unwrap_or_default());
    }
    bar.finish_and_clear();
    let told = trial.told()?;
    let mut parts = vec![super::look::changes_text(&told.changes)];
    let stretch = format!("{} to {} in {}", told.first, told.last, told.tz);
    if told.accounts.is_empty() {
        parts.push(format!("No call finished from {stretch}."));
    } else {
        let columns = |of| [of, "calls", "charged", "re-rated", "difference in quota", "unpriced"];
        let lines: Vec<_> = told.accounts.iter().map(trial::AccountLine::cells).collect();
        parts.push(table(columns("account"), &lines));
        let lines: Vec<_> = told.subjects.iter().map(trial::SubjectLine::cells).collect();
        parts.push(table(columns("subject"), &lines));
        let difference = Nanos::new(told.difference_nanos).in_quota();
        parts.push(format!(
            "{} calls from {stretch} would have cost {difference} quota more.",
            told.calls
        ));
    }
    parts.push("Nothing was changed.".to_owned());
    Answer::new(&told, parts.join("\n\n"))
}
