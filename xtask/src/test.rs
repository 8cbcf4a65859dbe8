//! `cargo xtask test`: everything there is to check, from nothing.
//!
//! A step that fails does not hide what the others would say, except where they cannot be run
//! without it.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::check::CHECKS;
use crate::edge::build::{Mode, build};
use crate::postgres::{Keep, Postgres};
use crate::prepare::prepare;
use crate::programs::programs;
use crate::scratch::Scratch;
use crate::tools::npm::npm;
use crate::tools::wasm_bindgen::wasm_bindgen;
use crate::{command, project, report};

/// What one step came to.
struct Outcome {
    name: &'static str,
    passed: bool,
    seconds: String,
}

/// Runs every step and fails if one of them failed.
pub fn test() -> Result<()> {
    let mut outcomes = Vec::new();
    // Nothing else can be run without the tools.
    run(&mut outcomes, "tools", tools);
    if outcomes.iter().all(|outcome| outcome.passed) {
        for (name, check) in CHECKS {
            run(&mut outcomes, name, check);
        }
        run(&mut outcomes, ".sqlx", || prepare(true));
        run(&mut outcomes, "the Worker", || build(Mode::Worker));
        run(&mut outcomes, "deploy (dry run)", deploy);
        run(&mut outcomes, "tests", without_weir);
        run(&mut outcomes, "stories", stories);
    }
    report::line(&summary(&outcomes));
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    ensure!(failed == 0, "{failed} of {} steps failed", outcomes.len());
    Ok(())
}

fn run(outcomes: &mut Vec<Outcome>, name: &'static str, step: impl FnOnce() -> Result<()>) {
    let started = Instant::now();
    let result = report::loud_step(name, step);
    if let Err(error) = &result {
        report::line(&format!("weir: {name}: {error:#}"));
    }
    let seconds = report::seconds(started.elapsed());
    outcomes.push(Outcome { name, passed: result.is_ok(), seconds });
}

fn summary(outcomes: &[Outcome]) -> String {
    let lines = outcomes.iter().map(|Outcome { name, passed, seconds }| {
        let verdict = if *passed { "passed" } else { "FAILED" };
        format!("  {name:<18} {verdict} {seconds:>9}")
    });
    lines.collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_remembered_and_the_next_one_is_run() {
        let mut outcomes = Vec::new();
        run(&mut outcomes, "first", || anyhow::bail!("no"));
        run(&mut outcomes, "second", || Ok(()));
        let passed: Vec<_> = outcomes.iter().map(|outcome| outcome.passed).collect();
        assert_eq!(passed, [false, true]);
        assert!(summary(&outcomes).contains("FAILED"));
    }
}
