//! `stand-in`: the upstream stand-in as a process.
//!
//! Prints one line of JSON, `{"url":"http://127.0.0.1:NNNN"}`, once it listens, and ends at SIGTERM
//! or SIGINT. Held streams are cut then: a stand-in that is told to stop is an upstream that is gone.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use stand_in::{Clock, Config, FIRST_ID_DEFAULT, StandIn, TOKEN_DEFAULT};
use tokio::signal::unix::{SignalKind, signal};

/// A deterministic Coze on this machine.
#[derive(Debug, Parser)]
#[command(name = "stand-in", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The bearer token it accepts.
    #[arg(long, default_value = TOKEN_DEFAULT)]
    token: String,
    /// Append works to this file as JSON lines, and take up those already in it.
    #[arg(long)]
    journal_file: Option<PathBuf>,
    /// The first id it gives out.
    #[arg(long, default_value_t = FIRST_ID_DEFAULT)]
    first_id: u64,
    /// Answer as if it were always this unix second.
    #[arg(long)]
    fixed_time: Option<i64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let stand_in = StandIn::start(Config {
        listen: arguments.listen,
        token: arguments.token,
        journal_file: arguments.journal_file,
        clock: arguments.fixed_time.map_or(Clock::System, Clock::Fixed),
        first_id: arguments.first_id,
    })
    .await?;
    let line = serde_json::json!({ "url": stand_in.url() });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("writing the address")?;
    drop(stdout);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
