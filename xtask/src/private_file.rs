//! Files that only their owner may read.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Result;

/// Writes the file, all of it at once.
pub(crate) fn write(path: &Path, content: &str) -> Result<()> {
    // Beside it and renamed, so that a reader never finds half of it.
    let unfinished = path.with_extension("unfinished");
    let mut options = File::options();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(content.as_bytes())?;
    Ok(fs::rename(unfinished, path)?)
}
