//! What a command has to say.

use serde::Serialize;

use crate::error::Error;

/// A value for machines, the same for people, and how it ended.
#[derive(Debug)]
pub struct Answer {
    value: serde_json::Value,
    text: String,
    /// The exit code.
    pub code: u8,
}

impl Answer {
    /// All went well.
    pub fn new(value: &impl Serialize, text: impl Into<String>) -> Result<Self, Error> {
        let value =
            serde_json::to_value(value).map_err(|error| Error::Unprintable(error.to_string()))?;
        Ok(Self { value, text: text.into(), code: 0 })
    }

    /// It is answered, and the answer is not good news.
    #[must_use]
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// With one more line for people.
    #[must_use]
    pub fn with_line(self, line: &str) -> Self {
        Self { text: format!("{}\n{line}", self.text), ..self }
    }

    /// As it is printed.
    pub fn print(&self, json: bool) -> String {
        match json {
            true => format!("{}\n", self.value),
            false if self.text.is_empty() => String::new(),
            false => format!("{}\n", self.text),
        }
    }
}

/// Rows under a heading, in columns as wide as they need to be.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(heading)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["acc_1".to_owned(), "x".to_owned()]];
        assert_eq!(table(["id", "name"], &rows), "id     name\nacc_1  x");
    }
}
