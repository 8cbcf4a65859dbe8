//! The judge of dependencies: licences, sources, bans, known holes.
//!
//! It is compiled from the registry once per version and user, without optimisation: it runs for a
//! second and is compiled for minutes.

use std::path::PathBuf;

use anyhow::Result;

use super::overridden;
use crate::{cache, command, report};

/// The version that is installed, and the one `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// The path of cargo-deny; it is compiled unless this version of it is there already.
pub fn cargo_deny() -> Result<PathBuf> {
    if let Some(theirs) = overridden("CARGO_DENY_BIN") {
        return Ok(theirs);
    }
    let (system, processor) = cache::platform()?;
    let key = format!("cargo-deny-{VERSION}-{system}-{processor}");
    let place = cache::installed(&key, |folder| {
        report::loud_step(&format!("compiling cargo-deny {VERSION}"), || {
            let build = folder.join("build");
            let mut install = command::cargo();
            install
                .args(["install", "--locked", "--profile", "dev", "--version", VERSION, "--root"])
                .arg(folder)
                .arg("--target-dir")
                .arg(&build)
                .arg("cargo-deny")
                .env("CARGO_PROFILE_DEV_DEBUG", "false");
            command::run(&mut install)?;
            cache::remove_all(&build)
        })
    })?;
    Ok(place.join("bin/cargo-deny"))
}
