//! `cargo xtask fuzz dify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::dify::check(bytes));
