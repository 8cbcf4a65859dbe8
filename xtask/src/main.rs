//! `cargo xtask`: the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use xtask::bench::Bench;
use xtask::check::check;
use xtask::dev::{Options, dev};
use xtask::edge::build::{self, Mode};
use xtask::edge::run::{self, Settings};
use xtask::fuzz::fuzz;
use xtask::postgres::{Keep, Major, Postgres};
use xtask::prepare::prepare;
use xtask::scratch::Scratch;
use xtask::sim::sim;
use xtask::test::test;
use xtask::test_postgres::test_postgres;
use xtask::tools::npm::npm;
use xtask::upgrade::upgrade;
use xtask::{command, project, report};

const ENVIRONMENT: &str = "\
Environment:
  WEIR_CACHE             Where tools are kept, for all checkouts of a user; by default in the
                         user's cache folder
  WASM_BINDGEN_BIN, WASM_OPT_BIN, ESBUILD_BIN
                         Programs to use instead of the ones that are fetched
  DATABASE_URL           dev: a Postgres to use instead of an embedded one
  COZE_API_TOKEN         dev: call the real Coze with this token instead of a stand-in
  COZE_CLIENT_ID, COZE_PUBLIC_KEY, COZE_PRIVATE_KEY
                         dev: the same with an OAuth app: its id, its key's name, the key in PEM
  COZE_CREDENTIALS       dev: further credentials, by the names that accounts know them by
  DIFY_APPS              dev: the keys of Dify apps by their names here, instead of a stand-in's
  DIFY_URL               dev: where those apps are, https://api.dify.ai/v1 by default
  WEIR_PULL_INTERVAL_MS  dev: how often the origin pulls, 1000 by default";

/// Builds, runs and tests Weir. Needs Rust, a C compiler and Node 20 or newer, and fetches the rest.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run all of Weir on this machine until Ctrl-C: Postgres, upstream, the edge, the origin.
    ///
    /// Makes an account and a key, prints how to use them and writes them to `.weir/dev.json`. Data
    /// stays for the next time. `DATABASE_URL` names a Postgres to use instead of an embedded one;
    /// with `COZE_API_TOKEN` calls go to the real Coze instead of a stand-in.
    Dev {
        /// Drop what earlier runs made.
        #[arg(long)]
        fresh: bool,
        /// Where the edge forwards calls to.
        #[arg(long)]
        upstream: Option<String>,
        /// The edge's port; the origin and the stand-in take the next two.
        #[arg(long, default_value_t = 8787)]
        port: u16,
    },
    /// Check formatting, lints and documentation, on this machine's target and on wasm.
    Check,
    /// Check and test everything, from nothing: `check`, `prepare --check`, the Worker's build, a dry
    /// run of its deployment, all tests, and the end-to-end stories on running processes.
    Test,
    /// Test upgrades from an earlier revision, part by part and back, with calls going on.
    TestUpgrade {
        /// What is upgraded from: anything that git knows as a commit.
        from: String,
    },
    /// Write down in `.sqlx` what the origin's queries mean, so that builds need no database.
    Prepare {
        /// Change nothing: fail if `.sqlx` is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Measure how fast the product is on this machine.
    #[command(subcommand)]
    Bench(Bench),
    /// Let libFuzzer look for bytes that break a promise; needs `cargo install cargo-fuzz`.
    Fuzz {
        /// Which of `fuzz/targets`; all of them, one after the other, unless named.
        target: Option<String>,
        /// How long each is run.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_440))]
        minutes: u32,
    },
    /// Run the origin's tests on each major version of Postgres that Weir runs on.
    TestPostgres {
        /// Only on this one; may be given several times.
        #[arg(long, value_name = "N")]
        major: Vec<Major>,
    },
    /// Simulate ten million calls with faults at every step, and hold the books against what upstream
    /// really did. `cargo xtask sim --help` says how to replay a seed.
    #[command(disable_help_flag = true)]
    Sim {
        /// `--seeds N --calls N [--seed S] [--threads N] [--mutants]`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a command with `DATABASE_URL` naming an empty Postgres that is gone afterwards.
    WithPostgres {
        /// Its major version.
        #[arg(long, value_name = "N", default_value_t = Major::NEWEST)]
        major: Major,
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
    /// Build the Worker into `build/`, as `wrangler deploy` uploads it.
    BuildEdge {
        /// Quick to build and easy to read, instead of small and fast.
        #[arg(long)]
        dev: bool,
    },
    /// Run the edge alone on workerd, in the foreground. Its journals are kept in `.weir/edge`.
    ///
    /// Its secrets come from the environment: `COZE_API_TOKEN` or `COZE_CLIENT_ID`, `COZE_PUBLIC_KEY`
    /// and `COZE_PRIVATE_KEY`; `COZE_CREDENTIALS`; `DIFY_APPS`; `WEIR_EDGE_SIGNING_KEY`.
    ServeEdge {
        /// Where it listens.
        #[arg(long, default_value_t = 8787)]
        port: u16,
        /// Where it forwards calls to.
        #[arg(long, env = "UPSTREAM_URL")]
        upstream: String,
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
        Verb::Dev { fresh, upstream, port } => dev(&Options { fresh, upstream, port }),
        Verb::Check => check(),
        Verb::Test => test(),
        Verb::TestUpgrade { from } => upgrade(&from),
        Verb::Prepare { check } => prepare(check),
        Verb::Bench(bench) => bench.run(),
        Verb::Fuzz { target, minutes } => fuzz(target.as_deref(), minutes),
        Verb::TestPostgres { major } if major.is_empty() => test_postgres(&Major::ALL),
        Verb::TestPostgres { major } => test_postgres(&major),
        Verb::Sim { arguments } => sim(&arguments),
        Verb::WithPostgres { major, command } => with_postgres(major, &command),
        Verb::BuildEdge { dev } => build::build(if dev { Mode::Dev } else { Mode::Worker }),
        Verb::ServeEdge { port, upstream, public_keys } => {
            build::build(Mode::Worker)?;
            let settings = Settings {
                port,
                upstream_url: upstream,
                secrets: run::secrets_of_environment(),
                public_keys,
                // What else there is comes from our own environment.
                variables: Vec::new(),
                checkout: project::root().to_owned(),
            };
            let folder = project::root().join(".weir/edge");
            command::run(&mut run::command(&npm()?.workerd(), &folder, &settings)?)
        }
    }
}

fn with_postgres(major: Major, command: &[OsString]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("a command is needed") };
    let scratch = Scratch::new("postgres")?;
    let postgres = Postgres::start_major(major, scratch.path(), Keep::Nothing)?;
    command::run(command::plain(program).args(arguments).env("DATABASE_URL", postgres.url()))
}
