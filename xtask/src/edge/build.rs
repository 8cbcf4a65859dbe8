//! `cargo xtask build-edge`: from the crate to the two files that are deployed.
//!
//! Path: cargo → wasm-bindgen → our shim around it, bundled → wasm-opt → `build/`.
//!
//! What `worker-build` does for other Workers, without what we have no use for: its compile time,
//! its downloads, its shim. The facts about the formats are the same, so a new version of `worker`
//! or `wasm-bindgen` wants a look at this file and at `edge/shim.js`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::tools::npm::{Npm, npm};
use crate::tools::wasm_bindgen::wasm_bindgen;
use crate::{cache, command, project, report};

/// What the Worker is compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The bundled JavaScript, the Worker's main module.
pub const MAIN_MODULE: &str = "index.js";

/// The wasm it imports.
pub const WASM_MODULE: &str = "index_bg.wasm";

/// Names the inputs that the files in `build/` were made from.
const STAMP: &str = "inputs";

/// What rustc emits for this target, and the exceptions of wasm-bindgen's glue. Named one by one,
/// since a newer optimiser may know encodings that the runtime does not.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-exception-handling",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// How to build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What is deployed: small and fast.
    Worker,
    /// What is quick to build again and easy to read in a debugger.
    Dev,
}

/// Builds Weir's Worker into `build/`, if anything changed.
pub fn build(mode: Mode) -> Result<()> {
    build_package("edge", &project::root().join("build"), mode)
}

/// Builds the Worker of a package into `out`, if anything changed.
pub fn build_package(package: &str, out: &Path, mode: Mode) -> Result<()> {
    fs::create_dir_all(out)?;
    let _lock = cache::lock(&out.join(".lock"))?;
    add_target()?;
    let raw = report::loud_step("compiling the Worker", || compile(package, mode))?;
    let stamp = stamp(mode, &raw)?;
    if fs::read_to_string(out.join(STAMP)).is_ok_and(|made_from| made_from == stamp) {
        return Ok(());
    }
    let npm = npm()?;
    let wasm_bindgen = wasm_bindgen()?;
    report::quiet_step("bundling and optimising the Worker", || {
        let work = out.join("work");
        cache::remove_all(&work)?;
        generate_glue(&wasm_bindgen, &raw, &work, mode)?;
        bundle(&npm, &work, mode)?;
        optimise(&npm, &work, mode)?;
        let _ = fs::remove_file(out.join(STAMP));
        for module in [MAIN_MODULE, WASM_MODULE] {
            fs::rename(work.join("final").join(module), out.join(module))?;
        }
        fs::write(out.join(STAMP), &stamp)?;
        cache::remove_all(&work)
    })
}

/// The compiler's library for wasm. Without rustup it has to be there already.
pub fn add_target() -> Result<()> {
    let directory = command::output_of(
        Command::new("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(project::root()),
    )?;
    if Path::new(directory.trim()).is_dir() {
        return Ok(());
    }
    report::quiet_step("adding the wasm target to Rust", || {
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", TARGET]).current_dir(project::root());
        command::output_of(&mut rustup).map(drop)
    })
    .with_context(|| format!("Rust's {TARGET} target is missing"))
}

fn compile(package: &str, mode: Mode) -> Result<PathBuf> {
    let profile = match mode {
        Mode::Worker => "worker",
        Mode::Dev => "dev",
    };
    let messages = command::cargo_messages(
        command::cargo().args(["build", "--package", package, "--lib"]).args([
            "--profile",
            profile,
            "--target",
            TARGET,
        ]),
    )?;
    messages
        .iter()
        .filter(|message| message["target"]["name"] == package)
        .filter_map(|message| message["filenames"].as_array())
        .flatten()
        .filter_map(|file| file.as_str())
        .find(|file| Path::new(file).extension().is_some_and(|extension| extension == "wasm"))
        .map(PathBuf::from)
        .with_context(|| format!("cargo built no wasm for {package}"))
}

/// Everything that the files in `build/` depend on.
fn stamp(mode: Mode, raw: &Path) -> Result<String> {
    let root = project::root();
    let mode: &[u8] = if mode == Mode::Dev { b"dev" } else { b"worker" };
    Ok(cache::fingerprint(&[
        mode,
        &fs::read(raw)?,
        &fs::read(shim())?,
        &fs::read(root.join("package-lock.json"))?,
        include_bytes!("build.rs"),
        project::locked_version("wasm-bindgen")?.as_bytes(),
    ]))
}

fn shim() -> PathBuf {
    project::root().join("edge/shim.js")
}

fn generate_glue(wasm_bindgen: &Path, raw: &Path, work: &Path, mode: Mode) -> Result<()> {
    let mut command = Command::new(wasm_bindgen);
    command
        .arg(raw)
        .arg("--out-dir")
        .arg(work)
        .args(["--out-name", "index", "--target", "module", "--no-typescript"])
        // What lets a call after a panic begin in a fresh instance.
        .args(["--experimental-reset-state-function", "--force-enable-abort-handler"]);
    if mode == Mode::Dev {
        command.arg("--debug");
    }
    command::output_of(&mut command)?;
    // The glue asks for the module in the words of a proposal. The runtime and wrangler give the
    // compiled module for an ordinary import.
    let glue = work.join("index.js");
    let text = fs::read_to_string(&glue)?;
    let (proposed, ordinary) = ("import source wasmModule from", "import wasmModule from");
    ensure!(text.contains(proposed), "wasm-bindgen imports its module in a new way");
    Ok(fs::write(&glue, text.replacen(proposed, ordinary, 1))?)
}

fn bundle(npm: &Npm, work: &Path, mode: Mode) -> Result<()> {
    let mut esbuild = npm.esbuild();
    esbuild
        .arg(shim())
        .args(["--bundle", "--format=esm", "--target=es2022", "--log-level=warning"])
        .arg(format!("--alias:edge-wasm={}", work.join("index.js").display()))
        .arg(format!("--external:./{WASM_MODULE}"))
        .arg("--external:cloudflare:*")
        .arg(format!("--outfile={}", work.join("final").join(MAIN_MODULE).display()));
    if mode == Mode::Worker {
        esbuild.arg("--minify");
    }
    command::output_of(&mut esbuild).map(drop)
}

fn optimise(npm: &Npm, work: &Path, mode: Mode) -> Result<()> {
    let (from, to) = (work.join(WASM_MODULE), work.join("final").join(WASM_MODULE));
    if mode == Mode::Dev {
        return Ok(fs::rename(from, to)?);
    }
    let mut wasm_opt = npm.wasm_opt();
    // The names stay, since a stack trace without them is worth nothing.
    wasm_opt.arg(from).arg("-o").arg(to).args(["-O3", "--debuginfo"]).args(WASM_FEATURES);
    command::output_of(&mut wasm_opt).map(drop)
}
