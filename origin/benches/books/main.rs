//! How fast the books of a large installation are read, and what its indexes cost posting.
//!
//! `cargo xtask bench origin` runs it with a Postgres of its own, whose data is gone afterwards. It seeds
//! calls, asks over HTTP what people ask, and prints how long that took, in Markdown, with the plans of the
//! statements behind it. Nothing is judged here: what counts is compared by whoever reads it.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

mod ask;
mod plans;
mod post;
mod seed;
mod serve;

use anyhow::Result;
use clap::Parser;
use origin::database;

use crate::seed::Size;

/// Seeds a large installation into the database that `DATABASE_URL` names, which must be empty, and measures.
#[derive(Parser)]
struct Arguments {
    /// How many calls are seeded; a million take about a gigabyte
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(10_000..=100_000_000))]
    calls: i64,
    /// Of how many accounts
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(i32).range(8..=100_000))]
    accounts: i32,
    /// How often each question is asked
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
    /// What cargo gives every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { calls, accounts, times, bench: _, database_url } = Arguments::parse();
    plans::listen();
    database::migrate(&database_url).await?;
    let pool = database::pool(&database_url)?;
    let size = Size { calls, accounts };
    seed::seed(&database_url, size).await?;
    println!("## {calls} calls of {accounts} accounts in four months\n");
    println!("{}\n", seed::sizes(&pool).await?);
    let served = serve::serve(&database_url, false).await?;
    let questions = ask::questions(&served).await?;
    ask::measure(&served, &questions, times).await?;
    ask::sheet(&served).await?;
    ask::reports(&served).await?;
    post::measure(&database_url, &pool, accounts).await?;
    println!("## Plans\n");
    let explained = serve::serve(&database_url, true).await?;
    for question in &questions {
        plans::print(&explained, question).await?;
    }
    Ok(())
}
