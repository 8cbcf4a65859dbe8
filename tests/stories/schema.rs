//! The API keeps what its own document promises, whatever it is sent.
//!
//! schemathesis reads `/openapi.json` and makes requests up: at the bounds of every field, beyond them,
//! and at random from a fixed seed. No reply may be a server error or one that is not described.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use xtask::{cache, command};

use crate::tester::own_stack;

/// Made-up requests per operation, beside those at the bounds.
const EXAMPLES_MAX: &str = "20";
/// What is checked of each reply. That every request which fits the document is taken is not among it:
/// some rules hold between fields, such as the sign of an amount and the kind of a credit.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    unsupported_method,ignored_auth";

/// schemathesis, in a folder for `PYTHONPATH`.
static SCHEMATHESIS: LazyLock<PathBuf> = LazyLock::new(|| {
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/schemathesis.txt");
    let version =
        command::output_of(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
            .expect("the stories need python3 (with pip) for schemathesis");
    let wanted = fs::read(&pinned).unwrap();
    let key = format!("schemathesis-{}", cache::fingerprint(&[&wanted, version.as_bytes()]));
    cache::installed(&key, |folder| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"]);
        command::output_of(pip.arg(folder).arg("-r").arg(&pinned)).map(drop)
    })
    .expect("pip installs schemathesis")
});

/// On a stack of its own, since it sets prices and suspends accounts.
#[test]
fn no_request_gets_a_server_error_or_a_reply_that_is_not_described() {
    let stack = own_stack();
    stack.create_account("acme").unwrap();
    let (user, password) = stack.admin();
    let output = Command::new("python3")
        .env("PYTHONPATH", &*SCHEMATHESIS)
        .current_dir(stack.folder())
        .args(["-m", "schemathesis.cli", "run", &format!("{}/openapi.json", stack.origin_url())])
        .args(["--auth", &format!("{user}:{password}"), "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES_MAX])
        .args(["--seed", "20251121", "--continue-on-failure", "--workers", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Tested:"), "{said}");
}
