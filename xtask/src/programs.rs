//! The programs of the product, compiled once per run of this one.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};

use crate::edge::build::{Mode, build};
use crate::tools::npm::npm;
use crate::{command, project, report};

/// Where they are.
#[derive(Clone)]
pub struct Programs {
    /// The origin and its command line.
    pub weir: PathBuf,
    /// The upstream stand-in.
    pub stand_in: PathBuf,
    /// The runtime of the edge, whose Worker is built as well.
    pub workerd: PathBuf,
}

/// A version of the product that is compiled: the Worker in `build/`, and the origin.
#[derive(Clone, Debug)]
pub struct Build {
    /// The checkout that it was compiled in.
    pub checkout: PathBuf,
    /// The origin and its command line.
    pub weir: PathBuf,
}

impl Build {
    /// What was compiled in a checkout, into the usual places.
    pub fn in_checkout(checkout: &Path) -> Self {
        Self { checkout: checkout.to_owned(), weir: checkout.join("target/debug/weir") }
    }

    /// This checkout's.
    pub fn this() -> Result<Self> {
        Ok(Self { checkout: project::root().to_owned(), weir: programs()?.weir })
    }
}

/// Compiles what changed. The first call in a process does it, the others wait and share.
pub fn programs() -> Result<Programs> {
    static BUILT: Mutex<Option<Programs>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(programs) = &*built {
        return Ok(programs.clone());
    }
    let workerd = npm()?.workerd();
    build(Mode::Worker)?;
    let (weir, stand_in) = report::loud_step("compiling the origin and the stand-in", compile)?;
    Ok(built.insert(Programs { weir, stand_in, workerd }).clone())
}

fn compile() -> Result<(PathBuf, PathBuf)> {
    let messages = command::cargo_messages(
        command::cargo().args(["build", "--package", "origin", "--bin", "weir"]).args([
            "--package",
            "tests",
            "--bin",
            "stand-in",
        ]),
    )?;
    let find = |name: &str| {
        let of_program = messages.iter().filter(|message| message["target"]["name"] == name);
        let mut paths = of_program.filter_map(|message| message["executable"].as_str());
        let path = paths.next().with_context(|| format!("cargo built no {name}"))?;
        Ok::<_, anyhow::Error>(Path::new(path).to_path_buf())
    };
    Ok((find("weir")?, find("stand-in")?))
}
