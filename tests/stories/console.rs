//! The console in a real Chromium: without scripts, in the dark, in Chinese, on a telephone, and framed
//! by another site. Where no Chromium is installed the story says so and is passed over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use xtask::{cache, command};

use crate::tester::shared;

/// Where a Chromium may be, unless `CHROMIUM_BIN` names one.
const CHROMIUMS: [&str; 3] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/// The pages that are opened.
const PAGES: usize = 8;
/// In how many ways each is opened.
const WAYS: usize = 4;

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM_BIN").map(PathBuf::from);
    named.or_else(|| CHROMIUMS.map(PathBuf::from).into_iter().find(|path| path.exists()))
}

/// playwright-core and the script beside it, since Node looks for packages where a script lies.
fn script() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/browser");
    let files = ["package.json", "package-lock.json", "console.mjs"];
    let contents = files.map(|file| fs::read(folder.join(file)).unwrap());
    let parts: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let installed = cache::installed(&format!("browser-{}", cache::fingerprint(&parts)), |to| {
        for (file, content) in files.iter().zip(&contents) {
            fs::write(to.join(file), content)?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(to);
        command::output_of(&mut npm).map(drop)
    });
    installed.expect("npm installs playwright-core").join("console.mjs")
}

#[test]
fn pages_work_without_scripts_and_run_none_that_were_typed() {
    let Some(chromium) = chromium() else {
        xtask::report::line("weir: no Chromium is installed, so the console is not looked at");
        return;
    };
    let (url, user, password, account) = {
        let stack = shared();
        let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>";
        let account = stack.create_account(hostile).unwrap();
        stack.issue_key(&account.account_id, hostile).unwrap();
        let (user, password) = stack.admin();
        (stack.origin_url().to_owned(), user.to_owned(), password.to_owned(), account.account_id)
    };
    let mut node = Command::new("node");
    node.arg(script()).arg("--chromium").arg(chromium);
    node.args(["--url", &url, "--user", &user, "--password", &password, "--account", &account]);
    let said = command::output_of(&mut node).expect("the walk ends");
    let seen: Value = serde_json::from_str(&said).unwrap();

    let pages = seen["pages"].as_array().unwrap();
    assert_eq!(pages.len(), PAGES * WAYS, "{seen:#}");
    assert!(pages.iter().all(|page| page["status"] == 200), "{seen:#}");
    let titled = |way: &str, title: &str| {
        pages.iter().any(|page| page["name"] == way && page["title"] == title)
    };
    assert!(titled("plain", "Accounts") && titled("chinese", "账户"), "{seen:#}");
    assert_eq!(seen["problems"].as_array().unwrap().len(), 0, "{seen:#}");
    let numbers = seen["numbers"].as_array().unwrap();
    assert!(!numbers.is_empty() && numbers.iter().all(|align| align == "right"), "{seen:#}");
    assert_eq!(seen["numberHead"], "right");
    assert_eq!(seen["overflow"], false, "a table scrolls by itself, not the page");
    assert_eq!(seen["afterSignOut"], "/console/login");
    assert!(seen["framed"].as_str().unwrap().contains("frame-ancestors"), "{seen:#}");
    // The browser leaves the cookie behind, so whoever sends the form is nobody.
    assert_eq!(seen["crossSite"]["path"], "/console/login", "{seen:#}");
    assert_eq!(seen["stillSignedIn"], true, "{seen:#}");
}
