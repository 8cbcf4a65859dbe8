//! CSV: a heading, a row for each price or ratio, and lines that begin with `#` for people.

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator, WriterBuilder};

use crate::money::Nanos;
use crate::price::{Price, PriceBook, Scope};
use crate::route::Provider;

use super::problem::{Problem, Problems, Refused, plain};
use super::row::{self, Cells, Field, Spelling};
use super::{CELL_BYTES_MAX, Gathered, PriceList, ROWS_MAX, text};

const NAMED: Spelling = Spelling::Csv;

/// Reads a list.
pub(super) fn read(text: &str) -> Result<PriceList, Refused> {
    let mut lines = Lines::of(text);
    let Some((line, heading)) = lines.next()? else {
        return Err(Refused::one(1, "file", "is empty: its first line names the columns"));
    };
    let columns = columns(line, &heading)?;
    let (mut gathered, mut problems) = (Gathered::new(NAMED), Problems::default());
    loop {
        let (line, record) = match lines.next() {
            Ok(None) => break,
            Ok(Some(next)) => next,
            Err(refused) => {
                refused.problems.into_iter().for_each(|problem| problems.stop(problem));
                break;
            }
        };
        // Spreadsheets leave such rows at the end.
        if record.iter().all(String::is_empty) {
            continue;
        }
        if gathered.is_full() {
            problems.stop(Problem::new(line, "file", format!("has more than {ROWS_MAX} rows")));
            break;
        }
        let added = row(line, &columns, &record).and_then(|row| gathered.add(line, row));
        if let Err(problem) = added
            && !problems.note(problem)
        {
            break;
        }
    }
    problems.end()?;
    gathered.list()
}

/// What each column is about. A heading that is misspelt is refused: its amounts would be passed over.
fn columns(line: usize, heading: &[String]) -> Result<Vec<Field>, Refused> {
    let mut problems = Problems::default();
    let mut columns = Vec::new();
    if let [one] = heading
        && (one.contains(';') || one.contains('\t'))
    {
        return Err(Refused::one(line, "file", "is not separated by commas"));
    }
    for name in heading {
        let known = Field::ALL.into_iter().find(|field| NAMED.name(*field) == name);
        let problem = match known {
            None => {
                let names: Vec<_> = Field::ALL.iter().map(|field| NAMED.name(*field)).collect();
                format!("is no column: they are {}", names.join(", "))
            }
            Some(field) if columns.contains(&field) => "is there twice".to_owned(),
            Some(field) => {
                columns.push(field);
                continue;
            }
        };
        if !problems.note(Problem::new(line, &plain(name), problem)) {
            break;
        }
    }
    problems.end()?;
    if !columns.contains(&Field::Kind) {
        return Err(Refused::one(line, "kind", "is missing among the columns"));
    }
    Ok(columns)
}

fn row(line: usize, columns: &[Field], record: &[String]) -> Result<row::Row, Problem> {
    if record.len() != columns.len() {
        let problem = format!("has {} cells, {} are in the heading", record.len(), columns.len());
        return Err(Problem::new(line, "row", problem));
    }
    let text = |field: Field| {
        let at = columns.iter().position(|column| *column == field)?;
        record.get(at).map(String::as_str).filter(|cell| !cell.is_empty())
    };
    let cells = Cells { spelling: NAMED, text, unnamed: None };
    cells.row().map_err(|(field, problem)| Problem::new(line, NAMED.name(field), problem))
}

/// Records with the line that each begins in. The reader says where it went on to look for one, which may
/// be blank lines and remarks before.
struct Lines<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    record: ByteRecord,
    /// A place in the text, and its line.
    known: (usize, usize),
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.flexible(true).has_headers(false).comment(Some(b'#'));
        let reader = builder.from_reader(text.as_bytes());
        Self { text, reader, record: ByteRecord::new(), known: (0, 1) }
    }

    fn next(&mut self) -> Result<Option<(usize, Vec<String>)>, Refused> {
        let from = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
        let read = self.reader.read_byte_record(&mut self.record);
        let line = self.line_behind(from);
        match read {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(_) => return Err(Refused::one(line, "row", "is not CSV")),
        }
        let mut cells = Vec::with_capacity(self.record.len());
        for cell in &self.record {
            if cell.len() > CELL_BYTES_MAX {
                let problem = format!("has a cell of more than {CELL_BYTES_MAX} bytes");
                return Err(Refused::one(line, "row", problem));
            }
            // The text is UTF-8, and a cell is cut out of it at ASCII characters.
            cells.push(String::from_utf8_lossy(cell).trim().to_owned());
        }
        Ok(Some((line, cells)))
    }

    /// The line of the first record behind a place.
    fn line_behind(&mut self, from: usize) -> usize {
        let mut rest = self.text.get(from..).unwrap_or_default();
        loop {
            let trimmed = rest.trim_start_matches(['\r', '\n']);
            rest = match trimmed.strip_prefix('#') {
                None => break rest = trimmed,
                Some(remark) => remark.split_once('\n').map_or("", |(_, behind)| behind),
            };
        }
        let at = self.text.len().saturating_sub(rest.len());
        let (known, line) = self.known;
        let between = self.text.as_bytes().get(known..at).unwrap_or_default();
        let line = line.saturating_add(text::ends(between));
        self.known = (at, line);
        line
    }
}

/// Writes a book.
pub(super) fn write(book: &PriceBook) -> String {
    let mut builder = WriterBuilder::new();
    let mut writer = builder.terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    // Remarks are for people who write a list by hand; what is written here has none.
    let written: Vec<Field> =
        Field::ALL.into_iter().filter(|field| *field != Field::Note).collect();
    let mut put = |cells: &[(Field, String)]| {
        let text =
            |field: &Field| cells.iter().find(|(of, _)| of == field).map(|(_, text)| text.as_str());
        // Writing into memory does not fail.
        let _ = writer.write_record(written.iter().map(|field| text(field).unwrap_or_default()));
    };
    let heading: Vec<_> =
        written.iter().map(|field| (*field, NAMED.name(*field).to_owned())).collect();
    put(&heading);
    let unpriced = if book.deny_unpriced { row::DENY_UNPRICED } else { row::ALLOW_UNPRICED };
    put(&[(Field::Kind, unpriced.to_owned())]);
    for (group, ratio) in &book.groups {
        put(&[
            (Field::Group, group.to_string()),
            (Field::Kind, row::RATIO.to_owned()),
            (Field::Ratio, ratio.to_string()),
        ]);
    }
    for (scope, price) in &book.prices {
        let mut cells = named(scope);
        cells.push((Field::Kind, row::kind(price).to_owned()));
        cells.extend(amounts(price));
        put(&cells);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn named(scope: &Scope) -> Vec<(Field, String)> {
    match scope {
        Scope::AccountSubject(account, subject) => {
            vec![(Field::Account, account.to_string()), (Field::Subject, subject.to_string())]
        }
        Scope::Account(account) => vec![(Field::Account, account.to_string())],
        Scope::Subject(subject) => vec![(Field::Subject, subject.to_string())],
        Scope::Operation(operation) => vec![(Field::Operation, operation.to_string())],
        Scope::Coze => vec![(Field::Provider, Provider::Coze.name().to_owned())],
        Scope::Dify => vec![(Field::Provider, Provider::Dify.name().to_owned())],
    }
}

fn amounts(price: &Price) -> Vec<(Field, String)> {
    let quota = |amount: Nanos| amount.in_quota().to_string();
    match *price {
        Price::PerCall { amount } | Price::PerUnit { amount } => {
            vec![(Field::Amount, quota(amount))]
        }
        Price::PerToken { input_per_million, output_per_million } => {
            vec![
                (Field::Input, quota(input_per_million)),
                (Field::Output, quota(output_per_million)),
            ]
        }
        Price::CostPlus { margin, step } => {
            vec![(Field::Margin, margin.to_string()), (Field::Step, quota(step))]
        }
        Price::Free => Vec::new(),
    }
}
