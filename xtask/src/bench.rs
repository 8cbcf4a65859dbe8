//! `cargo xtask bench`: how fast the product is, on this machine. Nothing is judged, and no test runs it.

use anyhow::Result;
use clap::Subcommand;

use crate::command;
use crate::postgres::{Keep, Postgres};
use crate::scratch::Scratch;

/// What can be measured.
#[derive(Subcommand)]
pub enum Bench {
    /// Measure reading the origin's books, and what its indexes cost posting, over seeded calls.
    ///
    /// Takes a Postgres of its own, whose data is gone afterwards: about 1.2 GB for a million calls, in the
    /// system's temporary folder, or where root keeps what another user has to read. Ten million take about
    /// ten minutes to seed. Prints Markdown, with the plans of the statements.
    Origin {
        /// How many calls are seeded.
        #[arg(long, default_value_t = 10_000_000)]
        calls: u64,
        /// How often each question is asked.
        #[arg(long, default_value_t = 30)]
        times: u32,
    },
}

impl Bench {
    /// Measures.
    pub fn run(&self) -> Result<()> {
        let Self::Origin { calls, times } = self;
        let scratch = Scratch::new("bench")?;
        let postgres = Postgres::start(scratch.path(), Keep::Nothing)?;
        command::run(
            command::cargo()
                .args(["bench", "--package", "origin", "--bench", "books", "--"])
                .args(["--calls", &calls.to_string(), "--times", &times.to_string()])
                .env("DATABASE_URL", postgres.url()),
        )
    }
}
