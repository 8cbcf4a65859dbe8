//! `cargo xtask sim`: the simulation of the whole path, compiled for speed.

use std::ffi::OsString;

use anyhow::Result;

use crate::command;

/// Runs the simulation with these arguments, in its own words.
pub fn sim(arguments: &[OsString]) -> Result<()> {
    command::run(
        command::cargo()
            .args(["run", "--quiet", "--release", "--package", "sim", "--"])
            .args(arguments),
    )
}
