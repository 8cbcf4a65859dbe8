//! The programs that build and run Weir and are not Rust's own.

pub mod cargo_deny;
pub mod npm;
pub mod wasm_bindgen;

use std::env;
use std::path::PathBuf;

/// A tool that the environment names instead of ours.
fn overridden(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
