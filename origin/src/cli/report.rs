//! `weir report`.

use clap::{Args, Subcommand};

use crate::account;
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::import::history::{self, OldCall};
use crate::page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Span};
use crate::read::open::{self, OpenCall, OpenCalls};

use super::Answer;
use super::answer::table;

/// What can be reported on.
#[derive(Subcommand)]
pub(super) enum ReportCommand {
    /// List the calls that are still open, oldest first, and what each is waiting for
    Open(Open),
    /// List what another program had logged before accounts were brought over from it, newest first
    History(History),
}

/// `weir report history`
#[derive(Args)]
pub(super) struct History {
    /// Only this account's, by id or name
    #[arg(long)]
    account: Option<String>,
    /// How many rows
    #[arg(long, default_value_t = PAGE_ROWS_DEFAULT, value_parser = clap::value_parser!(i64).range(1..=PAGE_ROWS_MAX))]
    limit: i64,
    /// Behind the rows of the page that told this
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir report open`
#[derive(Args)]
pub(super) struct Open {
    /// Only this account's, by id or name
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl ReportCommand {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        match self {
            Self::Open(open) => open.run().await,
            Self::History(history) => history.run().await,
        }
    }
}

impl History {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        let span = Span::new(self.cursor, Some(self.limit));
        let page = history::list(&pool, account.as_deref(), &span).await?;
        let line = |call: &OldCall| {
            [
                clock::text(call.at),
                call.account_id.clone(),
                call.kind.clone(),
                call.model.clone(),
                (call.input_tokens.saturating_add(call.output_tokens)).to_string(),
                call.amount_quota.clone(),
                format!("{} {}", call.instance, call.log_id),
            ]
        };
        let lines: Vec<_> = page.items.iter().map(line).collect();
        let heading = ["when", "account", "kind", "model", "tokens", "quota", "log"];
        let text = if lines.is_empty() {
            "There is no history: `weir import` brings it over.".to_owned()
        } else {
            table(heading, &lines)
        };
        let answer = Answer::new(&page, text)?;
        Ok(match &page.next_cursor {
            Some(cursor) => answer.with_line(&format!("There is more: --cursor {cursor}")),
            None => answer,
        })
    }
}

impl Open {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        let calls = open::read(&pool, account.as_deref(), clock::now()).await?;
        let text = text(&calls);
        Answer::new(&calls, text)
    }
}

fn text(open: &OpenCalls) -> String {
    let mut text = if open.calls.is_empty() {
        "No call is open.".to_owned()
    } else {
        let lines: Vec<_> = open.calls.iter().map(line).collect();
        let heading = [
            "call",
            "account",
            "operation",
            "subject",
            "age",
            "hold in quota",
            "waits for",
            "asked",
            "due",
            "work",
        ];
        table(heading, &lines)
    };
    if !open.complete {
        text.push_str("\n\nMore calls are open than their journals list; these are the oldest.");
    }
    text
}

fn line(call: &OpenCall) -> [String; 10] {
    [
        call.call_id.clone(),
        call.account.clone(),
        call.operation.clone(),
        format!("{} {}", call.subject_kind, call.subject),
        age(call.age_ms),
        call.hold_quota.clone(),
        call.waits_for.clone(),
        call.asked.to_string(),
        call.due_at.clone(),
        work(call),
    ]
}

/// The first of upstream's ids that is known.
fn work(call: &OpenCall) -> String {
    match (&call.execute_id, &call.chat_id) {
        (Some(execution), _) => format!("execution {execution}"),
        (None, Some(chat)) => format!("chat {chat}"),
        (None, None) => "-".to_owned(),
    }
}

/// An age in its two largest units.
fn age(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{hours} h {} min", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        assert_eq!(age(999), "0 s");
        assert_eq!(age(59_999), "59 s");
        assert_eq!(age(61_000), "1 min 1 s");
        assert_eq!(age(90_000_000), "25 h 0 min");
    }

    #[test]
    fn nothing_open_is_said_in_a_sentence() {
        let open = OpenCalls { calls: Vec::new(), complete: true };
        assert_eq!(text(&open), "No call is open.");
    }
}
