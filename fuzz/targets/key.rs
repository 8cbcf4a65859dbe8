//! `cargo xtask fuzz key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::key::check(bytes));
