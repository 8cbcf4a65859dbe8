//! `cargo xtask test-upgrade`: an earlier revision's edge and origin, replaced while calls go on.
//!
//! The revision is checked out and compiled below `target/upgrade`, and stays there for the next time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{command, project, report};

/// By which the story is told where the earlier revision was compiled.
pub const FROM: &str = "WEIR_UPGRADE_FROM";

/// Compiles the revision and runs the story of its upgrade.
pub fn upgrade(from: &str) -> Result<()> {
    let checkout = check_out(from)?;
    report::loud_step("compiling the earlier revision", || compile(&checkout))?;
    let mut story = command::cargo();
    story.args([
        "test",
        "--package",
        "tests",
        "--test",
        "stories",
        "upgrade::",
        "--",
        "--nocapture",
    ]);
    command::run(story.env(FROM, &checkout))
}

fn check_out(revision: &str) -> Result<PathBuf> {
    let root = project::root();
    let mut name = git(root, &["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
    name.truncate(name.trim_end().len());
    let checkout = root.join("target/upgrade").join(&name);
    if !checkout.join("Cargo.toml").exists() {
        // A folder that was removed by hand is still on git's list.
        git(root, &["worktree", "prune"])?;
        let place = checkout.display().to_string();
        git(root, &["worktree", "add", "--detach", &place, &name])?;
    }
    Ok(checkout)
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    command::output_of(Command::new("git").current_dir(root).args(arguments))
}

/// The Worker into its `build/`, the origin into its `target/debug/`.
fn compile(checkout: &Path) -> Result<()> {
    for arguments in
        [&["xtask", "build-edge"][..], &["build", "--package", "origin", "--bin", "weir"]]
    {
        command::run(command::cargo().args(arguments).current_dir(checkout))?;
    }
    Ok(())
}
