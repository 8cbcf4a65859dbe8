//! Has the migrations compiled in again when one is added.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
