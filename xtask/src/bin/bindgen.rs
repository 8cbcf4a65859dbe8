//! `wasm-bindgen` as the Worker needs it: the same generator, in a fifth of the compile time.
//!
//! The official command line brings a web server and a test runner along. This one takes the
//! few arguments that `cargo xtask build-edge` gives, under their official names, so that
//! `WASM_BINDGEN_BIN` can put the official one in its place.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use wasm_bindgen_cli_support::Bindgen;

/// Generates the JavaScript around a wasm module.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the official command line")]
struct Arguments {
    input: PathBuf,
    #[arg(long)]
    out_dir: PathBuf,
    #[arg(long)]
    out_name: String,
    #[arg(long)]
    target: Target,
    #[arg(long)]
    no_typescript: bool,
    #[arg(long)]
    debug: bool,
    #[arg(long = "experimental-reset-state-function")]
    reset_state_function: bool,
    #[arg(long)]
    force_enable_abort_handler: bool,
}

/// The kinds of JavaScript that the Worker can use.
#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Module,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut bindgen = Bindgen::new();
    match arguments.target {
        Target::Module => bindgen.module(true)?,
    };
    bindgen
        .input_path(&arguments.input)
        .out_name(&arguments.out_name)
        .typescript(!arguments.no_typescript)
        .debug(arguments.debug)
        .reset_state_function(arguments.reset_state_function)
        .force_enable_abort_handler(arguments.force_enable_abort_handler)
        .generate(&arguments.out_dir)
}
