//! What is wrong with a file, by line and field.

use std::fmt;

/// Most problems that are told of one file.
pub const PROBLEMS_MAX: usize = 20;
/// Most characters of what a file says that are repeated in a problem.
const QUOTED_CHARS_MAX: usize = 40;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{field}` {problem}")]
pub struct Problem {
    /// Where, from one.
    pub line: usize,
    /// The column or the field; `file` and `row` for the whole of it.
    pub field: String,
    /// What.
    pub problem: String,
}

impl Problem {
    pub(super) fn new(line: usize, field: &str, problem: impl fmt::Display) -> Self {
        Self { line, field: field.to_owned(), problem: problem.to_string() }
    }
}

/// A file that is refused, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, in the order of the lines; at least one, at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// Whether there may be more.
    pub is_cut: bool,
}

impl Refused {
    pub(super) fn one(line: usize, field: &str, problem: impl fmt::Display) -> Self {
        Self { problems: vec![Problem::new(line, field, problem)], is_cut: false }
    }

    /// A problem that is not the file's own, such as an account that does not exist.
    pub fn because(line: usize, field: &str, problem: impl fmt::Display) -> Self {
        Self::one(line, field, problem)
    }

    /// The field of the first problem.
    pub fn field(&self) -> &str {
        self.problems.first().map_or("file", |problem| &problem.field)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the price list is refused, and nothing was changed:")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        if self.is_cut {
            f.write_str("\n  … and there may be more")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Problems that are being collected.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    is_cut: bool,
}

impl Problems {
    /// Takes one more, and says whether the reading can go on.
    pub(super) fn note(&mut self, problem: Problem) -> bool {
        self.found.push(problem);
        self.is_cut = self.found.len() >= PROBLEMS_MAX;
        !self.is_cut
    }

    /// Takes one behind which nothing can be read.
    pub(super) fn stop(&mut self, problem: Problem) {
        self.found.push(problem);
        self.is_cut = false;
    }

    pub(super) fn end(self) -> Result<(), Refused> {
        let Self { found, is_cut } = self;
        if found.is_empty() { Ok(()) } else { Err(Refused { problems: found, is_cut }) }
    }
}

/// Something that a file says, in short and in one line.
pub(super) fn plain(text: &str) -> String {
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(QUOTED_CHARS_MAX).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// The same in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_repeated_up_to_a_bound() {
        let longest = "你".repeat(QUOTED_CHARS_MAX);
        assert_eq!(quoted(&longest), format!("\"{longest}\""));
        assert_eq!(quoted(&format!("{longest}x")), format!("\"{longest}…\""));
    }
}
