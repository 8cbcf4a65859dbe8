//! What the documents say of the tests is so.

mod bounds; // docs/bounds.md
mod constant; // what the sources say of each number

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most folders that are looked through below a crate.
const DEPTH_MAX: usize = 8;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust file below a folder.
fn sources(folder: &Path, depth: usize) -> Vec<PathBuf> {
    assert!(depth < DEPTH_MAX, "{} is too deep", folder.display());
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(sources(&path, depth + 1));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names of the tests in a file that are run.
fn tests_in(source: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut tests = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        let Some(name) = name.and_then(|rest| rest.split('(').next()) else { continue };
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let attributes: Vec<_> = attributes.collect();
        let is_ignored = attributes.iter().any(|line| line.contains("ignore"));
        let is_test = attributes.iter().any(|line| line.contains("test"));
        if is_test && !is_ignored {
            tests.push(name.to_owned());
        }
    }
    tests.into_iter()
}

/// Every test, as `crate::name`, and each story also as `file::name`.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for part in ["meter", "edge", "origin", "fuzz", "tests"] {
        for path in sources(&root().join(part), 0) {
            let source = std::fs::read_to_string(&path).unwrap();
            let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
            for name in tests_in(&source) {
                tests.insert(format!("{file}::{name}"));
                tests.insert(format!("{part}::{name}"));
            }
        }
    }
    tests
}

/// What stands between backticks and names a test: `place::a_name_of_many_words`.
fn named(page: &str) -> impl Iterator<Item = &str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains("::") && text.matches('_').count() > 1)
}

/// Each test that a page names exists, and the page names at least so many.
fn check(page: &str, named_min: usize) {
    let tests = tests();
    assert!(tests.len() > 400, "only {} tests were found", tests.len());
    let page = std::fs::read_to_string(root().join(page)).unwrap();
    let shortened = |name: &&str| name.ends_with('…');
    let missing: Vec<_> = named(&page)
        .filter(|name| !shortened(name))
        .filter(|name| !tests.contains(*name))
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(named(&page).count() > named_min);
}

#[test]
fn the_threat_model_names_tests_that_exist() {
    check("docs/security.md", 15);
}

#[test]
fn each_kind_of_finding_names_a_test_that_provokes_it() {
    check("docs/reconciling.md", 15);
}

#[test]
fn every_pitfall_and_every_paid_call_names_stories_that_exist() {
    check("docs/pitfalls.md", 50);
}
