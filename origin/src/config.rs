//! The settings, each an argument or an environment variable, grouped by what they open.
//!
//! They are read once and passed down. Secrets are hidden from the help text.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use meter::bill::complete::QUIET_MS_DEFAULT;

use crate::error::Error;
use crate::signing::Signer;

/// Where the ledger is.
#[derive(Args)]
pub struct DatabaseSettings {
    /// The Postgres database, such as `postgres://user:password@host/weir`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,
}

/// What signs keys and pulls.
#[derive(Args)]
pub struct SigningSettings {
    /// The signing key, as `weir signing-key` prints it
    #[arg(long, env = "WEIR_SIGNING_KEY", hide_env_values = true, value_name = "JSON")]
    pub signing_key: String,
    /// Public keys that callers' keys are recognised by besides the signing key's own, as the edge is
    /// configured with them: for the time in which a signing key is replaced
    #[arg(long, env = "WEIR_PUBLIC_KEYS", value_name = "JSON")]
    pub public_keys: Option<String>,
}

impl SigningSettings {
    /// What signs, and recognises what it signed.
    pub fn signer(&self) -> Result<Signer, Error> {
        let signer = Signer::parse(&self.signing_key)?;
        match self.public_keys.as_deref().filter(|keys| !keys.is_empty()) {
            Some(keys) => signer.recognising(keys),
            None => Ok(signer),
        }
    }
}

/// Where the journals are.
#[derive(Args)]
pub struct EdgeSettings {
    /// The edge, such as `https://weir.example.workers.dev`
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    pub edge_url: String,
}

/// How the origin serves.
#[derive(Args)]
pub struct ServeSettings {
    /// Where to listen
    #[arg(long, env = "WEIR_LISTEN", default_value = "127.0.0.1:8788", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How often each journal is pulled, in milliseconds
    #[arg(
        long,
        env = "WEIR_PULL_INTERVAL_MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(100..=3_600_000),
        value_name = "MS"
    )]
    pub pull_interval_ms: u64,
    /// The administrator's user name
    #[arg(long, env = "WEIR_ADMIN_USER", default_value = "admin", value_name = "NAME")]
    pub admin_user: String,
    /// The administrator's password; without one nobody is the administrator
    #[arg(long, env = "WEIR_ADMIN_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub admin_password: Option<String>,
    /// A token that opens `/metrics` and nothing else
    #[arg(long, env = "WEIR_METRICS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub metrics_token: Option<String>,
    /// How log lines are written
    #[arg(long, env = "WEIR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What upstream's own bill may do.
#[derive(Args)]
pub struct BillSettings {
    /// The secret in the URL to which Coze sends its callbacks: `/callbacks/coze/SECRET`; without one
    /// none are taken
    #[arg(long, env = "WEIR_CALLBACK_SECRET", hide_env_values = true, value_name = "SECRET",
          value_parser = secret)]
    pub callback_secret: Option<String>,
    /// The token of Coze's callback app; with one, callbacks must be signed with it
    #[arg(long, env = "WEIR_CALLBACK_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub callback_token: Option<String>,
    /// How long bill and edge must be quiet about an open call without a name before the bill ends it,
    /// in milliseconds
    #[arg(
        long,
        env = "WEIR_BILL_QUIET_MS",
        default_value_t = QUIET_MS_DEFAULT,
        value_parser = clap::value_parser!(u64).range(100..=86_400_000),
        value_name = "MS"
    )]
    pub bill_quiet_ms: u64,
}

/// Shortest secret: one that nobody guesses.
const SECRET_CHARS_MIN: usize = 16;
/// Longest secret: one that fits into a query.
const SECRET_CHARS_MAX: usize = 200;

/// A secret that can stand in a URL as it is.
fn secret(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = (SECRET_CHARS_MIN..=SECRET_CHARS_MAX).contains(&text.len());
    if fits && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("must have {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} letters, digits, `-` and `_`"))
}

/// Where alarms are told.
#[derive(Args)]
pub struct WebhookSettings {
    /// Where findings and low balances are told: a JSON list of `{"url", "format", "secret"}`, each format
    /// one of `weir`, `feishu`, `dingtalk` and `wecom`
    #[arg(long, env = "WEIR_WEBHOOKS", hide_env_values = true, value_name = "JSON")]
    pub webhooks: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_bounds() {
        let read = |chars: usize| secret(&"s".repeat(chars));
        assert!(read(SECRET_CHARS_MIN).is_ok() && read(SECRET_CHARS_MAX).is_ok());
        assert!(read(SECRET_CHARS_MIN - 1).is_err() && read(SECRET_CHARS_MAX + 1).is_err());
    }
}
