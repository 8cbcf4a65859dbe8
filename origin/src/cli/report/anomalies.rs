//! `weir report anomalies`.

use std::fmt::Write as _;

use clap::Args;

use crate::clock;
use crate::error::Error;
use crate::read::anomalies::{self, Anomalies as Told, Anomalous, Anomaly, TIMES_DEFAULT};
use crate::read::days::Days;

use super::{Whose, quota};
use crate::cli::Answer;
use crate::cli::answer::table;

/// Calls of a kind, and subjects, that are printed.
const PRINTED: usize = 20;

/// `weir report anomalies`
#[derive(Args)]
pub(in crate::cli) struct Anomalies {
    /// The first day, such as 2026-10-01; yesterday unless one is named
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// The time zone that the days are of
    #[arg(long, default_value = "Asia/Shanghai", value_name = "ZONE")]
    tz: String,
    /// How many times the usual amount is unusual
    #[arg(long, default_value_t = TIMES_DEFAULT, value_name = "COUNT",
          value_parser = clap::value_parser!(i64).range(2..=1_000_000))]
    times: i64,
    #[command(flatten)]
    whose: Whose,
}

impl Anomalies {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let now = clock::timestamp(clock::now())?;
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        let days = Days::read_or_yesterday(from, to, Some(&self.tz), now)?;
        let (pool, account) = self.whose.find().await?;
        let told = anomalies::read(&pool, account.as_deref(), &days, self.times).await?;
        Answer::new(&told, text(&told))
    }
}

/// Writing to a String cannot fail.
fn text(told: &Told) -> String {
    let mut text = format!("{} to {}, {}", told.from, told.to, told.tz);
    for kind in &told.kinds {
        let Anomalous { kind: name, means, calls, listed } = kind;
        let _ = write!(text, "\n\n{name}: {calls} calls\n  {means}");
        if !listed.is_empty() {
            let rows: Vec<_> = listed.iter().take(PRINTED).map(row).collect();
            let heading = ["call", "account", "subject", "finished", "quota", "detail"];
            let _ = write!(text, "\n{}", table(heading, &rows));
        }
    }
    let subjects = told.default_priced_subjects;
    let _ = write!(
        text,
        "\n\ndefault_price: {subjects} subjects\n  no price of their own, and charged by their \
         provider's default"
    );
    if subjects > 0 {
        let rows: Vec<_> = told
            .default_priced
            .iter()
            .take(PRINTED)
            .map(|it| {
                [
                    format!("{} {}", it.subject_kind, it.subject),
                    it.calls.to_string(),
                    it.accounts.to_string(),
                    it.amount_quota.clone(),
                ]
            })
            .collect();
        let _ = write!(text, "\n{}", table(["subject", "calls", "accounts", "quota"], &rows));
    }
    text
}

fn row(anomaly: &Anomaly) -> [String; 6] {
    [
        anomaly.call_id.clone(),
        anomaly.account.clone(),
        format!("{} {}", anomaly.subject_kind, anomaly.subject),
        anomaly.finished_at.clone(),
        quota(anomaly.amount_nanos),
        anomaly.detail.clone(),
    ]
}
