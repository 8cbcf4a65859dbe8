//! Tables as CSV files: with a heading, in UTF-8, with or without a byte order mark.
//!
//! Columns are found by their names and may stand in any order; others are passed over. Nothing, `NULL`
//! and `\N` all say that there is no value.
//!
//! # Bounds
//! A record has at most [`RECORD_BYTES_MAX`] bytes, so that a quote that is never closed does not become
//! the whole file in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use ::csv::{ByteRecord, Reader, ReaderBuilder};
use meter::import::row::Table;

use super::{Each, RECORD_BYTES_MAX, Row, Rows, invalid};
use crate::error::Error;
use crate::limited::Limited;

/// A file for each table.
pub(super) struct Files(pub(super) BTreeMap<Table, PathBuf>);

impl Rows for Files {
    fn each(&mut self, table: Table, each: &mut Each<'_>) -> Result<bool, Error> {
        let Some(path) = self.0.get(&table) else { return Ok(false) };
        let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let failed = |problem: &dyn std::fmt::Display| invalid(format!("{name}: {problem}"));
        let file = File::open(path).map_err(|error| failed(&error))?;
        let total = file.metadata().map_err(|error| failed(&error))?.len();
        let (limited, allowance) = Limited::new(file, RECORD_BYTES_MAX);
        let mut reader = ReaderBuilder::new().from_reader(limited);
        let places = places(table, &mut reader, &name)?;
        let columns: Vec<_> = places.iter().map(|(column, _)| *column).collect();
        let mut record = ByteRecord::new();
        loop {
            allowance.renew();
            if !reader.read_byte_record(&mut record).map_err(|error| failed(&error))? {
                return Ok(true);
            }
            let position = record.position();
            let (line, done) = position.map_or((0, 0), |at| (at.line(), at.byte()));
            let place = format!("{name}, line {line}");
            let mut values = Vec::with_capacity(places.len());
            for (_, at) in &places {
                values.push(value(record.get(*at).unwrap_or_default(), &place)?);
            }
            each(&Row { columns: &columns, values: &values, place }, (done, total))?;
        }
    }
}

/// Where each column of the table stands.
fn places(
    table: Table,
    reader: &mut Reader<Limited<File>>,
    name: &str,
) -> Result<Vec<(&'static str, usize)>, Error> {
    let heading = reader.byte_headers().map_err(|error| invalid(format!("{name}: {error}")))?;
    if heading
        .get(0)
        .is_some_and(|first| first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]))
    {
        return Err(invalid(format!("{name} is in UTF-16: export it as UTF-8")));
    }
    let mut named = Vec::new();
    for field in heading {
        let field = str::from_utf8(field).map_err(|_| {
            invalid(format!("the heading of {name} is not UTF-8: export it as UTF-8"))
        })?;
        let quotes = |c: char| c.is_whitespace() || matches!(c, '`' | '"' | '[' | ']');
        named.push(field.trim_matches(quotes).to_ascii_lowercase());
    }
    let mut places = Vec::new();
    let mut lacking = Vec::new();
    for column in [table.needed(), table.optional()].concat() {
        let mut found = named.iter().enumerate().filter(|(_, named)| named.as_str() == column);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => places.push((column, at)),
            (Some(_), Some(_)) => {
                return Err(invalid(format!("{name} has two columns {column}")));
            }
            (None, _) if table.needed().contains(&column) => lacking.push(column),
            (None, _) => {}
        }
    }
    if lacking.is_empty() {
        return Ok(places);
    }
    let lacking = lacking.join(", ");
    Err(invalid(format!("the heading of {name} names no {lacking}; columns are parted by commas")))
}

fn value(bytes: &[u8], place: &str) -> Result<Option<String>, Error> {
    match bytes {
        b"" | b"NULL" | b"\\N" => Ok(None),
        bytes => match str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(invalid(format!("{place} is not UTF-8: export it as UTF-8"))),
        },
    }
}
