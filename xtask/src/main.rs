//! `cargo xtask`: the command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::edge::build::{self, Mode};
use xtask::edge::run::{self, Settings};
use xtask::tools::npm::npm;
use xtask::{command, project, report};

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
    /// Run the edge alone on workerd, in the foreground. Its journals are kept in `.weir/edge`.
    ServeEdge {
        /// Where it listens.
        #[arg(long, default_value_t = 8787)]
        port: u16,
        /// Where it forwards calls to.
        #[arg(long, env = "UPSTREAM_URL")]
        upstream: String,
        /// What it sends there.
        #[arg(long, env = "COZE_API_TOKEN", hide_env_values = true)]
        token: String,
        /// Whose keys it lets in: `[{"kid":"…","x":"…"}]`.
        #[arg(long, env = "WEIR_PUBLIC_KEYS")]
        public_keys: String,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("weir: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<()> {
    match verb {
        Verb::BuildEdge { dev } => {
            build::build(if dev { Mode::Dev } else { Mode::Worker }).map(drop)
        }
        Verb::ServeEdge { port, upstream, token, public_keys } => {
            build::build(Mode::Worker)?;
            let settings =
                Settings { port, upstream_url: upstream, upstream_token: token, public_keys };
            let folder = project::root().join(".weir/edge");
            command::run(&mut run::command(&npm()?.workerd(), &folder, &settings)?)
        }
    }
}
