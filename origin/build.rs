//! Has the migrations compiled in again when one is added.

fn main() {
    // Cargo reads its instructions from standard output.
    #[expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
    {
        println!("cargo::rerun-if-changed=../migrations");
    }
}
