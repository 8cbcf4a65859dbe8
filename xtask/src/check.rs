//! `cargo xtask check`: what a reader of the code would otherwise have to look for.

use std::process::Command;

use anyhow::Result;

use crate::edge::build::{TARGET, add_target};
use crate::tools::cargo_deny::cargo_deny;
use crate::{command, project, report};

/// A check and its name.
pub type Check = (&'static str, fn() -> Result<()>);

/// All checks; those that find fault the fastest come first.
pub const CHECKS: [Check; 5] = [
    ("format", format),
    ("clippy", clippy),
    ("clippy for wasm", clippy_for_wasm),
    ("documentation", documentation),
    ("dependencies", dependencies),
];

/// Does all of them, and fails at the first that finds fault.
pub fn check() -> Result<()> {
    CHECKS.iter().try_for_each(|(name, check)| report::loud_step(name, check))
}

fn format() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    command::run(
        command::cargo()
            .args(["clippy", "--workspace", "--all-targets", "--features", "xtask/bindgen"])
            .args(["--", "--deny", "warnings"]),
    )
}

/// The Worker and its rules as they are deployed: some of their code is for wasm alone.
fn clippy_for_wasm() -> Result<()> {
    add_target()?;
    command::run(
        command::cargo()
            .args(["clippy", "--package", "edge", "--package", "meter", "--target", TARGET])
            .args(["--", "--deny", "warnings"]),
    )
}

fn documentation() -> Result<()> {
    command::run(
        command::cargo()
            .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
            // A module's page names its bounds, which are private, and we always document those too.
            .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links"),
    )
}

/// What is linked, by whose leave, from where, and whether a hole in it is known.
///
/// The list of known holes has to be fetched; where it cannot be, that is said and the rest is checked.
fn dependencies() -> Result<()> {
    let deny = cargo_deny()?;
    let deny = || {
        let mut command = Command::new(&deny);
        command.current_dir(project::root());
        command
    };
    command::run(deny().args(["--all-features", "check", "licenses", "bans", "sources"]))?;
    if command::output_of(deny().args(["fetch", "db"])).is_err() {
        report::line(
            "weir: known holes were not looked for: their list cannot be reached from here",
        );
        return Ok(());
    }
    command::run(deny().args(["--all-features", "check", "advisories"]))
}
