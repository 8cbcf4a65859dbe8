//! The `weir` command.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use origin::cli::Cli;
use origin::config::LogFormat;
use origin::error::Error;
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// It was called wrongly; clap uses the same.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let (format, level) = cli.logging();
    start_logging(format, level);
    let json = cli.json;
    match cli.run().await {
        Ok(answer) => {
            // Whoever closed our output does not want to read it.
            let _ = io::stdout().write_all(answer.print(json).as_bytes());
            ExitCode::from(answer.code)
        }
        Err(error) => {
            let line = if json {
                json!({ "error": error.to_string() }).to_string()
            } else {
                format!("weir: {error}")
            };
            let _ = writeln!(io::stderr(), "{line}");
            match error {
                Error::Invalid { .. } => ExitCode::from(USAGE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Log lines go to standard error, so that answers can be piped. `RUST_LOG` overrides the level.
fn start_logging(format: LogFormat, level: &'static str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
