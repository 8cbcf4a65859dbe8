//! `cargo xtask test-postgres`: the origin's tests against each major version of Postgres.
//!
//! `cargo xtask test` runs all of them on the newest and, of the oldest, what rests on the database most.

use anyhow::Result;

use crate::command;
use crate::postgres::{Keep, Major, Postgres};
use crate::scratch::Scratch;
use crate::steps::Steps;

/// The modules of the origin's tests that rest on the database most: what is posted, pulled, given,
/// decided and closed, and what refuses to be changed.
const CORE: [&str; 6] =
    ["keeping::", "ordering::", "posting::", "pulling::", "rerating::", "statements::"];

/// Runs every test of the origin on these versions, and prints what each came to.
pub fn test_postgres(majors: &[Major]) -> Result<()> {
    let mut steps = Steps::default();
    for major in majors {
        steps.take(&format!("Postgres {major}"), || all(*major));
    }
    steps.finish()
}

fn all(major: Major) -> Result<()> {
    let scratch = Scratch::new("postgres")?;
    let postgres = Postgres::start_major(major, scratch.path(), Keep::Nothing)?;
    origin_tests(&postgres, &["--test", "migrations", "--test", "it", "--no-fail-fast"])
}

/// The migrations and the core of the tests, on the oldest version there is for this machine.
pub(crate) fn oldest() -> Result<()> {
    let scratch = Scratch::new("postgres")?;
    let postgres = Postgres::start_major(Major::oldest()?, scratch.path(), Keep::Nothing)?;
    origin_tests(&postgres, &["--test", "migrations"])?;
    origin_tests(&postgres, &[&["--test", "it", "--"], &CORE[..]].concat())
}

fn origin_tests(postgres: &Postgres, which: &[&str]) -> Result<()> {
    let mut tests = command::cargo();
    tests.args(["test", "--package", "origin"]).args(which);
    command::run(tests.env("DATABASE_URL", postgres.url()))
}
