//! Tools that outlive a checkout: each is installed once per version and user.
//!
//! # Invariants
//! - What stands under its final name is complete: it is built elsewhere and renamed.
//! - Of several processes that want the same tool, one installs it and the others wait.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result};

/// The user's cache: `WEIR_CACHE`, else where the platform keeps caches.
pub fn directory() -> Result<PathBuf> {
    let chosen = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = match (chosen("WEIR_CACHE"), chosen("XDG_CACHE_HOME")) {
        (Some(cache), _) => cache,
        (None, Some(caches)) => caches.join("weir"),
        (None, None) => {
            let home = env::home_dir().context("no home directory: set WEIR_CACHE")?;
            let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
            home.join(caches).join("weir")
        }
    };
    std::path::absolute(directory).context("the cache has no absolute path")
}

/// The folder `key` of the user's cache; `install` fills it if it is not there yet.
pub fn installed(key: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    installed_in(&directory()?, key, install)
}

/// The folder `key` of `base`; `install` fills it if it is not there yet.
pub fn installed_in(
    base: &Path,
    key: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let place = base.join(key);
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(base).with_context(|| format!("cannot make {}", base.display()))?;
    // Released when the file is closed, so also when this process is killed.
    let _lock = lock(&base.join(format!("{key}.lock")))?;
    if place.is_dir() {
        return Ok(place);
    }
    let unfinished = base.join(format!("{key}.unfinished-{}", process::id()));
    remove_all(&unfinished)?;
    fs::create_dir(&unfinished)?;
    let result = install(&unfinished);
    if result.is_err() {
        remove_all(&unfinished)?;
    }
    result.with_context(|| format!("cannot install {key}"))?;
    fs::rename(&unfinished, &place)?;
    Ok(place)
}

/// Waits for the exclusive lock on a file, which is made if need be.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Removes a folder and all in it, if it is there.
pub fn remove_all(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A short name for some content. Another Rust release may give another one: the worst that follows
/// is that something is made once more.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The operating system and processor this program runs on, as npm writes them.
pub fn platform() -> Result<(&'static str, &'static str)> {
    let system = match env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => anyhow::bail!("{other} is not supported: use Linux or macOS"),
    };
    let processor = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => anyhow::bail!("{other} is not supported: use x86-64 or arm64"),
    };
    Ok((system, processor))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    fn empty_folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("weir-cache-test-{name}-{}", process::id()));
        remove_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_failed_install_leaves_nothing_and_the_next_one_succeeds() {
        let base = empty_folder("failed");
        let failed = installed_in(&base, "tool", |folder| {
            fs::write(folder.join("half"), "")?;
            anyhow::bail!("the network went away")
        });
        assert!(failed.is_err());
        let place = installed_in(&base, "tool", |folder| Ok(fs::write(folder.join("all"), "")?));
        let place = place.unwrap();
        assert!(place.join("all").exists() && !place.join("half").exists());
        remove_all(&base).unwrap();
    }

    #[test]
    fn two_at_once_install_once() {
        let base = empty_folder("race");
        let (installs, start) = (AtomicU32::new(0), Barrier::new(2));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    installed_in(&base, "tool", |_| {
                        installs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(installs.load(Ordering::SeqCst), 1);
        remove_all(&base).unwrap();
    }
}
