//! Folders that are gone when nobody needs them any more, also after this program was killed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

use crate::process::reaper;
use crate::{cache, report};

/// A folder of its own under the system's temporary folder.
///
/// Dropping it removes it, except in a panic: then what it holds may say why.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new folder with `purpose` in its name.
    pub fn new(purpose: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-{purpose}-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        cache::remove_all(&path)?;
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        reaper::remove_at_the_end(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            report::line(&format!("weir: {} is kept to look at", self.path.display()));
            let _ = reaper::keep(&self.path);
        } else {
            let _ = cache::remove_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_its_own_and_goes_when_dropped() {
        let (one, other) = (Scratch::new("test").unwrap(), Scratch::new("test").unwrap());
        assert_ne!(one.path(), other.path());
        let path = one.path().to_owned();
        assert!(path.is_dir());
        drop(one);
        assert!(!path.exists() && other.path().is_dir());
    }
}
