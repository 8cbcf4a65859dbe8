//! What it takes to build and run Weir on a machine with Rust and Node: the verbs of `cargo xtask`,
//! and the processes that the end-to-end stories run against. Holds no product logic.

pub mod project; // the checkout: its files and the versions it pins
pub mod report; // what the person at the terminal sees
pub mod command; // running other programs to their end
pub mod cache; // what outlives a checkout
pub mod tools; // programs from npm, and wasm-bindgen
pub mod edge; // the Worker: built, and run on workerd
pub mod steps; // what several steps came to
pub mod process; // what runs beside us, and ends with us
pub mod scratch; // folders that go when nobody needs them
pub mod postgres; // a real database server
pub mod programs; // the product's own programs, compiled
mod private_file; // what only its owner may read
mod random; // secrets for development
pub mod stack; // all of Weir on this machine
pub mod dev; // `cargo xtask dev`
pub mod prepare; // `cargo xtask prepare`
pub mod check; // `cargo xtask check`
pub mod test_postgres; // `cargo xtask test-postgres`
pub mod test; // `cargo xtask test`
pub mod upgrade; // `cargo xtask test-upgrade`
pub mod bench; // `cargo xtask bench`
pub mod fuzz; // `cargo xtask fuzz`
pub mod sim; // `cargo xtask sim`
