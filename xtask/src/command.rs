//! Running other programs to their end.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::{env, str};

use anyhow::{Context as _, Result, bail, ensure};

/// How much of a failed program's output is repeated in the error.
const OUTPUT_SHOWN_BYTES: usize = 8 * 1024;

/// The cargo that started this program, or the one on the path.
pub fn cargo() -> Command {
    let mut command = plain(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Queries are checked against what is committed, whatever database the environment names.
    command.env("SQLX_OFFLINE", "true").current_dir(crate::project::root());
    command
}

/// A program that is not told which package started it.
///
/// `cargo run` describes *this* package in the environment. Build scripts that watch such a variable
/// would run again each time the way of starting cargo changes.
pub fn plain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn describes_a_package(name: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
        "CARGO_TARGET_TMPDIR",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// Runs a program that may write to the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{} failed: {status}", shown(command));
    Ok(())
}

/// Runs a program in silence and answers what it wrote to its standard output. Its output is shown
/// when it fails.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed: {}\n{}{}",
            shown(command),
            output.status,
            tail(&output.stdout),
            tail(&output.stderr),
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote no text", shown(command)))
}

/// Runs cargo with its progress on the terminal and answers its messages, one JSON document a line.
pub fn cargo_messages(command: &mut Command) -> Result<Vec<serde_json::Value>> {
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(output.status.success(), "{} failed: {}", shown(command), output.status);
    str::from_utf8(&output.stdout)?
        .lines()
        .map(|line| serde_json::from_str(line).context("cargo's messages are not JSON"))
        .collect()
}

/// The end of some output, as text.
pub fn tail(bytes: &[u8]) -> String {
    let start = bytes.len().saturating_sub(OUTPUT_SHOWN_BYTES);
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}

/// The program and its first argument: enough to know it by, and no secret that follows.
fn shown(command: &Command) -> String {
    let first = command.get_args().next().map(OsStr::to_string_lossy).unwrap_or_default();
    format!("{} {first}", command.get_program().display())
}
