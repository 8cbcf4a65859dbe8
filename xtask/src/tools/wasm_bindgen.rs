//! The generator of JavaScript glue, in exactly the version of the crate it serves.
//!
//! We compile `src/bin/bindgen.rs` against the library behind the official command line: half a
//! minute on two cores instead of minutes, in the versions of our own `Cargo.lock`, and nothing to
//! download from outside the registry. Without optimisation it needs a quarter of a second per
//! run, so that optimising it would never pay.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::overridden;
use crate::{cache, command, project, report};

/// A new version of our own part must not find the old one in the cache.
const SOURCE: &str = include_str!("../bin/bindgen.rs");

/// The path of the generator; it is compiled unless this version of it is there already.
pub fn wasm_bindgen() -> Result<PathBuf> {
    if let Some(theirs) = overridden("WASM_BINDGEN_BIN") {
        return Ok(theirs);
    }
    let version = project::locked_version("wasm-bindgen")?;
    let (system, processor) = cache::platform()?;
    let source = cache::fingerprint(&[SOURCE.as_bytes()]);
    let key = format!("wasm-bindgen-{version}-{source}-{system}-{processor}");
    let place = cache::installed(&key, |folder| {
        report::loud_step(&format!("compiling wasm-bindgen {version}"), || {
            fs::copy(compile()?, folder.join("wasm-bindgen"))?;
            Ok(())
        })
    })?;
    Ok(place.join("wasm-bindgen"))
}

fn compile() -> Result<PathBuf> {
    let messages = command::cargo_messages(
        command::cargo().args(["build", "--locked", "--package", "xtask"]).args([
            "--features",
            "bindgen",
            "--bin",
            "bindgen",
        ]),
    )?;
    let executable = messages.iter().rev().find_map(|message| message["executable"].as_str());
    Ok(Path::new(executable.context("cargo built no bindgen")?).to_path_buf())
}
