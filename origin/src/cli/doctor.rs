//! `weir doctor`: what is wrong, and what to do about it.

use std::fmt::Write as _;

use clap::Args;

use crate::doctor::{Check, Settings, State, examine};
use crate::error::Error;

use super::Answer;

/// The exit code when something is wrong.
const WRONG: u8 = 1;

/// `weir doctor`
#[derive(Args)]
#[command(after_help = "It changes nothing. Exits with 1 when something is wrong.")]
pub(super) struct Doctor {
    /// The Postgres database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// The edge
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    edge_url: Option<String>,
    /// The signing key, as `weir signing-key` prints it
    #[arg(long, env = "WEIR_SIGNING_KEY", hide_env_values = true, value_name = "JSON")]
    signing_key: Option<String>,
    /// Public keys of a former pair
    #[arg(long, env = "WEIR_PUBLIC_KEYS", value_name = "JSON")]
    public_keys: Option<String>,
    /// Where alarms are told
    #[arg(long, env = "WEIR_WEBHOOKS", hide_env_values = true, value_name = "JSON")]
    webhooks: Option<String>,
    /// How often `weir serve` pulls, in milliseconds
    #[arg(long, env = "WEIR_PULL_INTERVAL_MS", default_value_t = 10_000, value_name = "MS")]
    pull_interval_ms: u64,
}

impl Doctor {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let some = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let settings = Settings {
            database_url: some(self.database_url),
            edge_url: some(self.edge_url),
            signing_key: some(self.signing_key),
            public_keys: some(self.public_keys),
            webhooks: some(self.webhooks),
            pull_interval_ms: self.pull_interval_ms,
        };
        let checks = examine(&settings).await;
        let is_wrong = checks.iter().any(|check| check.state == State::Wrong);
        let answer = Answer::new(&checks, text(&checks))?;
        Ok(if is_wrong { answer.with_code(WRONG) } else { answer })
    }
}

fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.of.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Check { of, state, found, todo } in checks {
        let mark = match state {
            State::Ok => "ok    ",
            State::Wrong => "WRONG ",
            State::Skipped => "-     ",
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "{mark} {of:width$}  {found}");
        if let Some(todo) = todo {
            let _ = write!(text, " — {todo}");
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}
