//! Secrets for development.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use anyhow::Result;

/// 32 letters and digits that nobody can guess.
pub(crate) fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
