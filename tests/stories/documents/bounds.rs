//! Every maximum of the product stands in `docs/bounds.md`, with its value and a test that goes beyond it.

use std::collections::{BTreeMap, BTreeSet};

use super::constant::{Constant, constants, constants_in, halves, named, value};
use super::{root, sources, tests_in};

/// The page.
const PAGE: &str = "docs/bounds.md";
/// What a row says in place of a test where nobody can go beyond.
const NO_TEST: &str = "none: ";

/// A row of the page.
struct Row {
    /// The constant's file and name.
    of: (String, String),
    is: String,
    beyond: String,
    shown_by: String,
}

/// The rows of the page. A file is named from its crate's sources on, and the crate by the heading.
fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut part = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            part = heading.trim_matches('`');
        }
        let cells: Vec<_> = line.split(" | ").collect();
        let Ok([of, is, beyond, shown_by]) = <[&str; 4]>::try_from(cells) else { continue };
        let quoted: Vec<_> = of.split('`').skip(1).step_by(2).collect();
        let Ok([file, name]) = <[&str; 2]>::try_from(quoted) else { continue };
        rows.push(Row {
            of: (format!("{part}/src/{file}"), name.to_owned()),
            is: is.to_owned(),
            beyond: beyond.to_owned(),
            shown_by: shown_by.trim_end_matches(" |").to_owned(),
        });
    }
    rows
}

/// Reads a value as the page has it: `32 MiB`, `2,000`, `25 h`, `ten` is not one.
fn told(text: &str, constant: &Constant) -> Option<i128> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: i128 = number.replace(',', "").parse().ok()?;
    let unit = unit.split(' ').next()?;
    let factor = match (constant.unit_ms(), unit) {
        (Some(_), "ms") => 1,
        (Some(_), "s") => 1_000,
        (Some(_), "min") => 60_000,
        (Some(_), "h") => 3_600_000,
        (Some(_), "day" | "days") => 86_400_000,
        (Some(_), _) => return None,
        (None, "byte" | "bytes") if constant.is_bytes() => 1,
        (None, "KiB") if constant.is_bytes() => 1 << 10,
        (None, "MiB") if constant.is_bytes() => 1 << 20,
        (None, "GiB") if constant.is_bytes() => 1 << 30,
        (None, _) if constant.is_bytes() => return None,
        (None, "currency") => 1_000_000_000,
        (None, _) => 1,
    };
    number.checked_mul(factor)
}

/// What the tests of one file say.
struct Tests {
    file: String,
    source: String,
}

/// Every test, as `crate::name` and as `file::name`, with the files that it may stand in.
fn tests() -> BTreeMap<String, Vec<std::rc::Rc<Tests>>> {
    let mut tests: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for part in ["meter", "edge", "origin", "tests"] {
        for path in sources(&root().join(part), 0) {
            let source = std::fs::read_to_string(&path).unwrap();
            let file = named(&path);
            let half = halves(&file, &source).1.to_owned();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let names: Vec<_> = tests_in(&source).collect();
            let here = std::rc::Rc::new(Tests { file, source: half });
            for name in names {
                for place in [part, &stem] {
                    tests.entry(format!("{place}::{name}")).or_default().push(here.clone());
                }
            }
        }
    }
    tests
}

impl Tests {
    /// Whether the constant is read here. What cannot be read from here is written down once more, by
    /// the same name and with the same value.
    fn read(&self, constant: &Constant, all: &[Constant]) -> bool {
        let is_word = |text: &str| !text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_read = self.source.match_indices(&constant.name).any(|(at, name)| {
            is_word(&self.source[at + name.len()..])
                && !self.source[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        let copies = constants_in(&self.file, &self.source);
        let copy = copies.iter().find(|copy| copy.name == constant.name);
        is_read && copy.is_none_or(|copy| value(copy, &copies) == value(constant, all))
    }
}

/// What is wrong with a row.
fn wrong(
    row: &Row,
    constant: &Constant,
    all: &[Constant],
    tests: &BTreeMap<String, Vec<std::rc::Rc<Tests>>>,
) -> Option<String> {
    let is = value(constant, all);
    if is.is_none() || told(&row.is, constant) != is.map(|is| is * constant.unit_ms().unwrap_or(1))
    {
        return Some(format!("is {is:?} and not {}", row.is));
    }
    if row.beyond.trim().is_empty() {
        return Some("does not say what is beyond it".to_owned());
    }
    if row.shown_by.starts_with(NO_TEST) {
        return None;
    }
    let mut shown_by = row.shown_by.split('`').skip(1).step_by(2).peekable();
    if shown_by.peek().is_none() {
        return Some("names no test".to_owned());
    }
    shown_by.find_map(|name| match tests.get(name) {
        None => Some(format!("names {name}, which is no test")),
        Some(files) if files.iter().any(|file| file.read(constant, all)) => None,
        Some(_) => Some(format!("names {name}, which stands where the constant is not read")),
    })
}

#[test]
fn every_maximum_is_on_its_page_with_a_test_that_goes_beyond_it() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let (rows, all, tests) = (rows(&page), constants(), tests());
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let (file, name) = &row.of;
        let constant = all.iter().find(|known| known.file == *file && known.name == *name);
        let problem = match constant {
            None => Some("is no constant".to_owned()),
            Some(_) if !seen.insert(&row.of) => Some("stands there twice".to_owned()),
            Some(constant) => wrong(row, constant, &all, &tests),
        };
        problems.extend(problem.map(|problem| format!("{file} {name} {problem}")));
    }
    for constant in all.iter().filter(|constant| constant.is_maximum()) {
        let (file, name) = (&constant.file, &constant.name);
        if !seen.contains(&(file.clone(), name.clone())) {
            problems.push(format!("{file} {name} is missing"));
        }
    }
    assert!(problems.is_empty(), "{PAGE}:\n{}", problems.join("\n"));
    let without = rows.iter().filter(|row| row.shown_by.starts_with(NO_TEST)).count();
    let counted = format!("{} bounds, {} of them with a test", rows.len(), rows.len() - without);
    assert!(page.contains(&counted), "{PAGE} does not say: {counted}");
}
