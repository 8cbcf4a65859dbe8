//! `cargo xtask fuzz`: libFuzzer looks for bytes that break a promise.
//!
//! What is found goes on from the committed corpus into `target/fuzz/corpus`; bytes that break
//! something are kept in `target/fuzz/found`, and the command that shows it again is printed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{command, project, report};

/// Longest input that is made up, in bytes: beyond the largest committed one.
const INPUT_BYTES_MAX: usize = 4_096;

/// Runs one target, or each in turn, for so many minutes each.
pub fn fuzz(target: Option<&str>, minutes: u32) -> Result<()> {
    let known = targets()?;
    let chosen = match target {
        None => known,
        Some(target) if known.iter().any(|name| name == target) => vec![target.to_owned()],
        Some(target) => bail!("{target} is no target; there are: {}", known.join(", ")),
    };
    let present = command::output_of(command::cargo().args(["fuzz", "--version"]));
    ensure!(present.is_ok(), "cargo-fuzz is needed: cargo install cargo-fuzz --locked");
    let mut broken = Vec::new();
    for name in chosen {
        let step = format!("fuzz {name} for {minutes} min");
        if let Err(error) = report::loud_step(&step, || run(&name, minutes)) {
            report::line(&format!("weir: {name}: {error:#}"));
            broken.push(name);
        }
    }
    ensure!(broken.is_empty(), "something was found by: {}", broken.join(", "));
    Ok(())
}

/// The names of the programs in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let folder = project::root().join("fuzz/targets");
    let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for file in files {
        let path = file?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(ToOwned::to_owned));
    }
    names.sort();
    Ok(names)
}

fn run(target: &str, minutes: u32) -> Result<()> {
    let root = project::root();
    let corpus = root.join("target/fuzz/corpus").join(target);
    let found = root.join("target/fuzz/found").join(target);
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    copy_files(&root.join("fuzz/corpus").join(target), &corpus)?;
    let mut cargo = command::cargo();
    cargo
        // The flags that count branches are not stable. No sanitizer: there is no unsafe code to watch.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none"])
        .args(["--features", "libfuzzer", "--target-dir", "target/fuzz", target])
        .arg(&corpus)
        .arg("--")
        .arg(format!("-max_total_time={}", u64::from(minutes) * 60))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-print_final_stats=1", "-verbosity=0"]);
    command::run(&mut cargo)
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for file in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}
