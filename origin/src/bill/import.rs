//! Taking in a file of upstream's bill: all of it, or nothing.
//!
//! CSV with a heading, or lines of JSON, each a record or a whole callback; the first character tells
//! which. A file is read once, and what it holds is kept by one transaction as it is read. After the
//! first line that cannot be read nothing more is kept, and the others are read on for what is wrong
//! with them, too.
//!
//! # Bounds
//! A line of JSON and a row of CSV have at most [`LINE_BYTES_MAX`], the latter at most [`COLUMNS_MAX`]
//! columns; at most [`PROBLEMS_MAX`] problems are told, and [`RECORDS_MAX`] records are in memory.

use std::io::{BufRead, Read as _};

use csv::{ReaderBuilder, StringRecord, Trim};
use meter::bill::Record;
use meter::bill::read::{Callback, FieldError, line, record};
use meter::time::UnixMs;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::error::Error;
use crate::limited::Limited;

use super::record::{RECORDS_MAX, Source, keep};

/// Longest line of JSON and longest row of CSV, in bytes: a record has about 600.
pub const LINE_BYTES_MAX: u64 = 64 << 10;
/// Most columns in a row: the export has about 30.
pub const COLUMNS_MAX: usize = 200;
/// Most problems that are told.
pub const PROBLEMS_MAX: usize = 20;
/// Columns without which a row is no record.
const NEEDED: [&str; 3] = ["id", "consume_time", "resource_type"];
/// What some programs write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What a file came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Records in it.
    pub records: u64,
    /// Those that were not known before.
    pub new: u64,
    /// Callbacks about something else.
    pub ignored: u64,
}

/// Something that cannot be read, and where.
struct Problem {
    line: u64,
    problem: String,
}

/// What a line holds.
enum Line {
    Record(Box<Record>),
    Ignored,
}

/// Takes in a file by this name; `read` hears how many lines were read so far.
pub async fn import(
    pool: &PgPool,
    name: &str,
    mut file: impl BufRead,
    actor: &Actor,
    now: UnixMs,
    mut read: impl FnMut(u64),
) -> Result<Imported, Error> {
    let mut tx = Tx::begin(pool, "import_bill").await?;
    let mut imported = Imported::default();
    let mut problems: Vec<Problem> = Vec::new();
    let mut batch: Vec<Record> = Vec::new();
    let unreadable = |error: std::io::Error| Error::invalid("FILE", error);
    skip_mark(&mut file).map_err(unreadable)?;
    let is_json = file.fill_buf().map_err(unreadable)?.first() == Some(&b'{');
    let mut lines: Box<dyn Iterator<Item = Result<Line, Problem>>> =
        if is_json { Box::new(json_lines(file)) } else { Box::new(rows(file)?) };
    let mut count: u64 = 0;
    loop {
        let next = lines.next();
        let is_end = next.is_none();
        match next {
            None => {}
            Some(Ok(Line::Record(record))) => {
                imported.records = imported.records.saturating_add(1);
                batch.push(*record);
            }
            Some(Ok(Line::Ignored)) => imported.ignored = imported.ignored.saturating_add(1),
            Some(Err(problem)) => problems.push(problem),
        }
        if problems.len() >= PROBLEMS_MAX {
            break;
        }
        if batch.len() >= RECORDS_MAX || (is_end && !batch.is_empty()) {
            if problems.is_empty() {
                let new = keep(&mut tx, &batch, Source::File, now).await?;
                imported.new = imported.new.saturating_add(new);
            }
            batch.clear();
            read(count);
        }
        if is_end {
            break;
        }
        count = count.saturating_add(1);
    }
    drop(lines);
    if !problems.is_empty() {
        return Err(refused(&problems));
    }
    let detail = json!({
        "records": imported.records, "new": imported.new, "ignored": imported.ignored,
    });
    audit::record(&mut tx, actor, Act::BillImport, name, &detail).await?;
    tx.commit().await?;
    Ok(imported)
}

fn refused(problems: &[Problem]) -> Error {
    let told = problems.iter().map(|Problem { line, problem }| format!("line {line}: {problem}"));
    let mut told: Vec<String> = told.collect();
    if problems.len() >= PROBLEMS_MAX {
        told.push(format!("and perhaps more: reading stopped after {PROBLEMS_MAX} problems"));
    }
    told.push("Nothing of the file was taken in.".to_owned());
    Error::Body { field: None, problem: told.join("\n") }
}

fn skip_mark(file: &mut impl BufRead) -> std::io::Result<()> {
    if file.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        file.consume(BYTE_ORDER_MARK.len());
    }
    Ok(())
}

fn told(line: u64) -> impl FnOnce(FieldError) -> Problem {
    move |error| Problem { line, problem: error.to_string() }
}

/// Lines of JSON; empty ones are passed over.
fn json_lines(mut file: impl BufRead) -> impl Iterator<Item = Result<Line, Problem>> {
    let mut number: u64 = 0;
    let mut is_over = false;
    std::iter::from_fn(move || {
        while !is_over {
            number = number.saturating_add(1);
            match read_line(&mut file, number) {
                Ok(None) => is_over = true,
                Ok(Some(text)) if text.trim().is_empty() => {}
                Ok(Some(text)) => return Some(parse(&text, number)),
                Err(problem) => {
                    // What follows could not be told apart from what could not be read.
                    is_over = true;
                    return Some(Err(problem));
                }
            }
        }
        None
    })
}

fn read_line(file: &mut impl BufRead, number: u64) -> Result<Option<String>, Problem> {
    let problem = |problem: String| Problem { line: number, problem };
    let mut bytes = Vec::new();
    let mut bounded = file.take(LINE_BYTES_MAX.saturating_add(1));
    bounded.read_until(b'\n', &mut bytes).map_err(|error| problem(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LINE_BYTES_MAX {
        return Err(problem(format!("is longer than {LINE_BYTES_MAX} bytes")));
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|_| problem("is not UTF-8".to_owned()))
}

fn parse(text: &str, number: u64) -> Result<Line, Problem> {
    match line(text.trim()).map_err(told(number))? {
        Callback::Usage(record) => Ok(Line::Record(record)),
        Callback::Other(_) => Ok(Line::Ignored),
    }
}

/// Rows of CSV under their heading.
fn rows(file: impl BufRead) -> Result<impl Iterator<Item = Result<Line, Problem>>, Error> {
    // A quote that is never closed must not become the whole file in memory.
    let (file, allowance) = Limited::new(file, LINE_BYTES_MAX);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let invalid = |problem: String| Error::Body { field: None, problem };
    let heading = reader.headers().map_err(|error| invalid(csv_problem(&error).problem))?.clone();
    if heading.len() > COLUMNS_MAX {
        return Err(invalid(format!("line 1: has more than {COLUMNS_MAX} columns")));
    }
    for needed in NEEDED {
        match heading.iter().filter(|name| *name == needed).count() {
            1 => {}
            0 => return Err(invalid(format!("line 1: the heading has no column `{needed}`"))),
            _ => return Err(invalid(format!("line 1: the heading has `{needed}` twice"))),
        }
    }
    let mut rows = reader.into_records();
    let mut is_over = false;
    Ok(std::iter::from_fn(move || {
        allowance.renew();
        let row = if is_over { None } else { rows.next() }?;
        // Behind what could not even be read nothing can be.
        is_over = row.as_ref().is_err_and(csv::Error::is_io_error);
        Some(row.map_err(|error| csv_problem(&error)).and_then(|row| {
            let number = row.position().map_or(0, csv::Position::line);
            let record = record(|name| field(&heading, &row, name)).map_err(told(number))?;
            Ok(Line::Record(Box::new(record)))
        }))
    }))
}

fn field(heading: &StringRecord, row: &StringRecord, name: &str) -> Option<String> {
    let column = heading.iter().position(|column| column == name)?;
    row.get(column).map(str::to_owned)
}

fn csv_problem(error: &csv::Error) -> Problem {
    let line = error.position().map_or(1, csv::Position::line);
    let problem = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns, the heading has {expected_len}")
        }
        _ => error.to_string(),
    };
    Problem { line, problem }
}
