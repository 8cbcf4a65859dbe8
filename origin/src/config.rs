//! The settings, each an argument or an environment variable, grouped by what they open.
//!
//! They are read once and passed down. Secrets are hidden from the help text.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

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
    /// How log lines are written
    #[arg(long, env = "WEIR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}
