//! `weir webhook`: where alarms are told, and whether they arrive.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::alarm::AlarmDoc;
use crate::alarm::hook::{Hook, parse};
use crate::alarm::list::{self, DeliveryRow};
use crate::alarm::send::send;
use crate::clock;
use crate::config::{DatabaseSettings, WebhookSettings};
use crate::database;
use crate::error::Error;

use super::Answer;
use super::answer::table;

/// The exit code when a webhook did not take the test.
const NOT_TAKEN: u8 = 1;

/// What can be done with webhooks.
#[derive(Subcommand)]
pub(super) enum WebhookCommand {
    /// Send a test to every webhook that is configured; exits with 1 when one did not take it
    Test(Test),
    /// List the newest alarms, and whether each webhook took them
    List(List),
}

/// `weir webhook test`
#[derive(Args)]
pub(super) struct Test {
    #[command(flatten)]
    webhooks: WebhookSettings,
}

/// `weir webhook list`
#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// What became of a test.
#[derive(Serialize)]
struct Tried {
    webhook: String,
    host: String,
    format: &'static str,
    taken: bool,
    error: Option<String>,
}

impl WebhookCommand {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        match self {
            Self::Test(Test { webhooks }) => test(&parse(webhooks.webhooks.as_deref())?).await,
            Self::List(List { database }) => {
                let pool = database::pool(&database.database_url)?;
                let rows = list::list(&pool).await?;
                Answer::new(&rows, listed(&rows))
            }
        }
    }
}

async fn test(hooks: &[Hook]) -> Result<Answer, Error> {
    if hooks.is_empty() {
        return Err(Error::invalid("WEIR_WEBHOOKS", "names no webhook"));
    }
    let now = clock::now();
    let alarm = AlarmDoc::test(clock::timestamp(now)?);
    let mut tried = Vec::new();
    for hook in hooks {
        let error = send(hook, &alarm, now).await.err();
        tried.push(Tried {
            webhook: hook.name.clone(),
            host: hook.host().to_owned(),
            format: hook.form.name(),
            taken: error.is_none(),
            error,
        });
    }
    let line = |tried: &Tried| {
        let how = tried.error.clone().unwrap_or_else(|| "taken".to_owned());
        [tried.webhook.clone(), tried.host.clone(), tried.format.to_owned(), how]
    };
    let lines: Vec<_> = tried.iter().map(line).collect();
    let text = table(["webhook", "host", "format", "test"], &lines);
    let code = if tried.iter().all(|tried| tried.taken) { 0 } else { NOT_TAKEN };
    Ok(Answer::new(&tried, text)?.with_code(code))
}

fn listed(rows: &[DeliveryRow]) -> String {
    if rows.is_empty() {
        return "There was no alarm.".to_owned();
    }
    let some = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = |row: &DeliveryRow| {
        [
            row.alarm_id.to_string(),
            row.kind.clone(),
            row.subject.clone(),
            clock::text(row.raised_at),
            some(&row.webhook),
            some(&row.state),
            row.attempts.unwrap_or_default().to_string(),
            some(&row.last_error),
        ]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    let heading =
        ["alarm", "kind", "about", "raised", "webhook", "state", "attempts", "last error"];
    table(heading, &lines)
}
