//! `cargo xtask`: the command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::edge::build::{self, Mode};
use xtask::report;

/// Builds, runs and tests Weir. Needs Rust, a C compiler and Node 20 or newer, and fetches the rest.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the Worker into `build/`, as `wrangler deploy` uploads it.
    BuildEdge {
        /// Quick to build and easy to read, instead of small and fast.
        #[arg(long)]
        dev: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("weir: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::BuildEdge { dev } => {
            build::build(if *dev { Mode::Dev } else { Mode::Worker }).map(drop)
        }
    }
}
