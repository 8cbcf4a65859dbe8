//! `cargo xtask test`: everything there is to check, from nothing.
//!
//! A step that fails does not hide what the others would say, except where they cannot be run
//! without it.

use anyhow::{Context as _, Result};

use crate::check::CHECKS;
use crate::edge::build::{Mode, build};
use crate::postgres::{Keep, Postgres};
use crate::prepare::prepare;
use crate::programs::programs;
use crate::scratch::Scratch;
use crate::steps::Steps;
use crate::tools::npm::npm;
use crate::tools::wasm_bindgen::wasm_bindgen;
use crate::{command, project, report, test_postgres};

/// Runs every step and fails if one of them failed.
pub fn test() -> Result<()> {
    let mut steps = Steps::default();
    // Nothing else can be run without the tools.
    steps.take("tools", tools);
    if steps.all_passed() {
        for (name, check) in CHECKS {
            steps.take(name, check);
        }
        steps.take(".sqlx", || prepare(true));
        steps.take("the Worker", || build(Mode::Worker));
        steps.take("deploy (dry run)", deploy);
        steps.take("tests", without_weir);
        steps.take("an old Postgres", test_postgres::oldest);
        steps.take("stories", stories);
    }
    steps.finish()
}

fn tools() -> Result<()> {
    npm()?;
    wasm_bindgen().map(drop)
}

/// What `wrangler deploy` would upload, and how large it is.
fn deploy() -> Result<()> {
    let scratch = Scratch::new("deploy")?;
    let mut wrangler = npm()?.wrangler();
    wrangler
        .args(["deploy", "--dry-run", "--outdir"])
        .arg(scratch.path())
        .current_dir(project::root());
    let said = command::output_of(&mut wrangler)?;
    let size = said.lines().find(|line| line.contains("gzip:"));
    report::line(&format!("weir: {}", size.context("wrangler named no size")?.trim()));
    Ok(())
}

/// Everything that needs no running Weir. The origin's tests make databases of their own.
fn without_weir() -> Result<()> {
    let scratch = Scratch::new("postgres")?;
    let postgres = Postgres::start(scratch.path(), Keep::Nothing)?;
    command::run(
        command::cargo()
            .args(["test", "--workspace", "--exclude", "tests", "--no-fail-fast"])
            .env("DATABASE_URL", postgres.url()),
    )
}

/// The whole path on running processes.
fn stories() -> Result<()> {
    programs()?;
    command::run(command::cargo().args(["test", "--package", "tests", "--no-fail-fast"]))
}
