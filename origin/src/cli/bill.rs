//! `weir bill`: upstream's own bill, taken in and held against the books.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use meter::money::Nanos;

use crate::audit::Actor;
use crate::bill::import::{Imported, import};
use crate::bill::report::{self, Agreement, BillReport, SubjectAgreement};
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::read::days::Days;

use super::Answer;
use super::answer::table;
use super::progress::counter;

/// Largest file: four million records.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Most lines of each kind that are printed for people; JSON has all that are listed.
const LINES_MAX: usize = 20;

/// What can be done with upstream's bill.
#[derive(Subcommand)]
pub(super) enum BillCommand {
    /// Take in a file of Coze's bill export: all of it, or nothing
    Import(Import),
    /// Hold the bill against the books: which calls both have, and what differs
    Report(Report),
}

/// `weir bill import`
#[derive(Args)]
#[command(
    after_help = "A charge that is known already, from a callback or another file, is kept once. Files \
                  complete open calls as callbacks do."
)]
pub(super) struct Import {
    /// CSV with a heading, or lines of JSON
    file: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir bill report`
#[derive(Args)]
pub(super) struct Report {
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
    database: DatabaseSettings,
}

impl BillCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Import(import) => import.run(actor).await,
            Self::Report(report) => report.run().await,
        }
    }
}

impl Import {
    async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let name = self.file.display().to_string();
        let wrong = |problem: &dyn std::fmt::Display| {
            Error::invalid("FILE", format_args!("{name}: {problem}"))
        };
        let file = File::open(&self.file).map_err(|error| wrong(&error))?;
        let size = file.metadata().map_err(|error| wrong(&error))?.len();
        if size > FILE_BYTES_MAX {
            return Err(wrong(&format_args!("is larger than {FILE_BYTES_MAX} bytes: split it")));
        }
        let pool = database::pool(&self.database.database_url)?;
        let bar = counter("lines");
        let file = BufReader::new(file);
        let read = |lines| bar.set_position(lines);
        let imported = import(&pool, &name, file, actor, clock::now(), read).await;
        bar.finish_and_clear();
        let imported = imported?;
        Answer::new(&imported, imported_text(imported))
    }
}

fn imported_text(imported: Imported) -> String {
    let Imported { records, new, ignored } = imported;
    let known = records.saturating_sub(new);
    let mut text = format!("{records} records: {new} new, {known} known before.");
    if ignored > 0 {
        let _ = write!(text, " {ignored} callbacks about something else were passed over.");
    }
    text
}

impl Report {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let now = clock::timestamp(clock::now())?;
        let days = Days::read(self.from.as_deref(), self.to.as_deref(), Some(&self.tz), now)?;
        let report = report::read(&pool, &days).await?;
        Answer::new(&report, text(&report))
    }
}

fn quota(nanos: i64) -> String {
    Nanos::new(nanos).in_quota().to_string()
}

fn text(report: &BillReport) -> String {
    let BillReport { from, to, tz, total, .. } = report;
    let Agreement { matched_calls, ours_only_calls, theirs_only_charges, .. } = total;
    let mut text = format!("{from} to {to}, {tz}\n");
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{matched_calls} calls are in both ({} with other tokens, {} corrected by the bill), \
         {ours_only_calls} in ours only, {theirs_only_charges} charges in theirs only; {} calls used \
         nothing.",
        total.differing_calls, total.corrected_calls, total.quiet_calls
    );
    if report.subjects.is_empty() {
        return text;
    }
    let line = |subject: &SubjectAgreement| {
        let Agreement { ours_tokens, theirs_tokens, .. } = subject.sums;
        let difference = i128::from(theirs_tokens) - i128::from(ours_tokens);
        [
            format!("{} {}", subject.kind, subject.id),
            subject.sums.matched_calls.to_string(),
            subject.sums.differing_calls.to_string(),
            ours_tokens.to_string(),
            theirs_tokens.to_string(),
            difference.to_string(),
            quota(subject.sums.variance_nanos),
            subject.sums.ours_only_calls.to_string(),
            subject.sums.theirs_only_charges.to_string(),
        ]
    };
    let mut lines: Vec<_> = report.subjects.iter().map(line).collect();
    let all = SubjectAgreement { kind: "all".to_owned(), id: String::new(), sums: *total };
    lines.push(line(&all));
    let heading = [
        "booked on",
        "both",
        "differ",
        "our tokens",
        "their tokens",
        "difference",
        "in quota",
        "ours only",
        "theirs only",
    ];
    let _ = write!(text, "\n\n{}", table(heading, &lines));
    differences(&mut text, report);
    text
}

fn differences(text: &mut String, report: &BillReport) {
    let pair = |[input, output]: [u64; 2]| format!("{input} in, {output} out");
    let differing = report.differing.iter().take(LINES_MAX);
    let differing: Vec<_> = differing
        .map(|call| {
            let ours = call.ours.map_or_else(|| "unknown".to_owned(), pair);
            let booked = format!("{} {}", call.kind, call.id);
            [call.call_id.clone(), booked, ours, pair(call.theirs), quota(call.variance_nanos)]
        })
        .collect();
    let heading = ["call", "booked on", "ours", "theirs", "in quota"];
    section(text, "Other tokens", heading, &differing, report.total.differing_calls);
    let ours = report.ours_only.iter().take(LINES_MAX);
    let ours: Vec<_> = ours
        .map(|call| {
            let booked = format!("{} {}", call.kind, call.id);
            let finished = clock::text(call.finished_at);
            [
                call.call_id.clone(),
                call.account_id.clone(),
                booked,
                finished,
                call.tokens.to_string(),
            ]
        })
        .collect();
    let heading = ["call", "account", "booked on", "finished", "tokens"];
    section(text, "Ours only", heading, &ours, report.total.ours_only_calls);
    let theirs = report.theirs_only.iter().take(LINES_MAX);
    let theirs: Vec<_> = theirs
        .map(|charge| {
            let booked = format!("{} {}", charge.kind, charge.id);
            let consumer = charge.custom_consumer.clone().unwrap_or_else(|| "-".to_owned());
            let at = clock::text(charge.consumed_at);
            [charge.charge_id.clone(), booked, consumer, at, pair(charge.tokens)]
        })
        .collect();
    let heading = ["charge", "booked on", "consumer", "consumed", "tokens"];
    section(text, "Theirs only", heading, &theirs, report.total.theirs_only_charges);
}

fn section<const N: usize>(
    text: &mut String,
    title: &str,
    heading: [&str; N],
    lines: &[[String; N]],
    count: u64,
) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n\n{title}:\n{}", table(heading, lines));
    let left_out = count.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    if left_out > 0 {
        let _ = write!(text, "\n… and {left_out} more");
    }
}
