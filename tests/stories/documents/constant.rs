//! The constants of the product, read from its sources, and what they come to.

use std::path::Path;

use super::{root, sources};

/// Most constants that one refers to through others.
const DEPTH_MAX: usize = 4;

/// A constant as it stands in a source.
pub(super) struct Constant {
    /// The file, from the root on.
    pub(super) file: String,
    pub(super) name: String,
    kind: String,
    expression: String,
    /// The `use` that brings names of other files in.
    uses: Vec<String>,
}

impl Constant {
    /// Whether it is a number and its name says that it is a maximum.
    pub(super) fn is_maximum(&self) -> bool {
        let is_number = self.kind != "Self" && !self.kind.contains(['&', '[']);
        is_number && self.words().any(|word| word == "MAX")
    }

    /// Whether it counts bytes.
    pub(super) fn is_bytes(&self) -> bool {
        self.words().any(|word| word == "BYTES")
    }

    /// How many milliseconds one of it is, if it is a time.
    pub(super) fn unit_ms(&self) -> Option<i128> {
        if self.kind.ends_with("Duration") {
            return Some(1);
        }
        self.words().filter_map(milliseconds).last()
    }

    /// The module that it stands in.
    fn module(&self) -> &str {
        let path = self.file.trim_end_matches(".rs").trim_end_matches("/mod");
        path.rsplit('/').next().unwrap_or(path)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.name.split('_')
    }
}

fn milliseconds(word: &str) -> Option<i128> {
    match word {
        "MS" => Some(1),
        "S" | "SECONDS" => Some(1_000),
        "HOURS" => Some(3_600_000),
        "DAYS" => Some(86_400_000),
        _ => None,
    }
}

/// The `use` and `const` statements of a source, each in one line.
fn statements(source: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut open = String::new();
    for line in source.lines().map(str::trim) {
        let is_public = line.starts_with("pub");
        let begins = |word: &str| line.starts_with(word) || is_public && line.contains(word);
        if !open.is_empty() {
            open.push(' ');
            open.push_str(line);
        } else if begins("use ") || begins("const ") {
            line.clone_into(&mut open);
        }
        // A constant function ends at its body.
        if line.ends_with(';') || line.ends_with('{') && !open.contains("use ") {
            statements.extend(Some(std::mem::take(&mut open)).filter(|text| !text.is_empty()));
        }
    }
    statements
}

/// The constants of one source, in their order.
pub(super) fn constants_in(file: &str, source: &str) -> Vec<Constant> {
    let statements = statements(source);
    let uses: Vec<_> = statements.iter().filter(|text| text.contains("use ")).cloned().collect();
    let constant = |text: &String| {
        let (_, rest) = text.split_once("const ")?;
        let (name, rest) = rest.split_once(": ")?;
        let (kind, expression) = rest.trim_end_matches(';').split_once(" =")?;
        let is_name =
            name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        is_name.then(|| Constant {
            file: file.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            expression: expression.trim().to_owned(),
            uses: uses.clone(),
        })
    };
    statements.iter().filter(|text| !text.contains("use ")).filter_map(constant).collect()
}

/// The part of a source that is the product's, and the part that tests it.
pub(super) fn halves<'a>(file: &str, source: &'a str) -> (&'a str, &'a str) {
    let is_test =
        |part: &str| part == "tests" || part.ends_with("tests") || part.ends_with("tests.rs");
    if file.split('/').any(is_test) {
        return ("", source);
    }
    source.split_once("\nmod tests {").unwrap_or((source, ""))
}

/// The constants of the product.
pub(super) fn constants() -> Vec<Constant> {
    let mut constants = Vec::new();
    for part in ["meter/src", "edge/src", "origin/src"] {
        for path in sources(&root().join(part), 0) {
            let source = std::fs::read_to_string(&path).unwrap();
            let file = named(&path);
            constants.extend(constants_in(&file, halves(&file, &source).0));
        }
    }
    constants
}

/// A file, from the root on.
pub(super) fn named(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The number that a constant stands for; a duration in milliseconds. None for what is no number.
pub(super) fn value(constant: &Constant, all: &[Constant]) -> Option<i128> {
    Reader { constant, all, depth: 0 }.read(&constant.expression)
}

/// Reads an expression of whole numbers.
#[derive(Clone, Copy)]
struct Reader<'a> {
    constant: &'a Constant,
    all: &'a [Constant],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn read(self, text: &str) -> Option<i128> {
        let text = text.trim();
        // What binds least comes first; of several that bind alike, the last one is the outermost.
        for operators in [&[" << "][..], &[" + ", " - "], &[" * ", " / "]] {
            let found = operators.iter().filter_map(|sign| outer(text, sign).map(|at| (at, sign)));
            if let Some((at, sign)) = found.max() {
                let (left, right) = (self.read(&text[..at])?, self.read(&text[at + sign.len()..])?);
                return match sign.trim() {
                    "<<" => left.checked_mul(1 << right),
                    "+" => left.checked_add(right),
                    "-" => left.checked_sub(right),
                    "*" => left.checked_mul(right),
                    _ => left.checked_div(right),
                };
            }
        }
        if let Some((inner, _)) = text.rsplit_once(" as ") {
            return self.read(inner);
        }
        if let Some(inner) = text.strip_prefix('-') {
            return self.read(inner)?.checked_neg();
        }
        let Some(text) = text.strip_suffix(')') else { return self.word(text) };
        if let Some((left, right)) = text.rsplit_once(".saturating_mul(") {
            let left = left.strip_prefix("Nanos::new(").unwrap_or(left);
            return self.read(left)?.checked_mul(self.read(right.trim_end_matches(')'))?);
        }
        match text.split_once('(')? {
            ("" | "Nanos::new" | "Duration::from_millis", inner) => self.read(inner),
            ("Duration::from_secs", inner) => self.read(inner)?.checked_mul(1_000),
            ("Duration::from_mins", inner) => self.read(inner)?.checked_mul(60_000),
            _ => None,
        }
    }

    fn word(self, text: &str) -> Option<i128> {
        match text {
            "u64::BITS" => return Some(64),
            "i32::MAX" => return Some(i32::MAX.into()),
            _ => {}
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return text.replace('_', "").parse().ok();
        }
        let meant = self.meant(text.rsplit("::").next()?)?;
        let depth = self.depth + 1;
        assert!(depth < DEPTH_MAX, "{text} refers to itself");
        Reader { constant: meant, depth, ..self }.read(&meant.expression)
    }

    /// The constant that a name means in this file: its own, the only one, or the one that a `use` brings in.
    fn meant(self, name: &str) -> Option<&'a Constant> {
        let mut named = self.all.iter().filter(|constant| constant.name == name);
        if let Some(own) = named.clone().find(|constant| constant.file == self.constant.file) {
            return Some(own);
        }
        if named.clone().count() == 1 {
            return named.next();
        }
        let path = self.constant.uses.iter().find(|text| text.contains(name))?;
        named.find(|constant| path.contains(&format!("{}::", constant.module())))
    }
}

/// Where an operator stands that is in no brackets, the last one.
fn outer(text: &str, operator: &str) -> Option<usize> {
    text.rmatch_indices(operator).map(|(at, _)| at).find(|at| {
        let before = &text[..*at];
        before.matches('(').count() == before.matches(')').count()
    })
}
