//! Where rows come from: new-api's `SQLite` file, or its tables as CSV files.
//!
//! # Bounds
//! At most [`USERS_MAX`] users, [`ABILITIES_MAX`] abilities and [`OPTIONS_MAX`] options, which are kept in
//! memory; any number of log rows, which are not. Of what makes no sense the first [`PROBLEMS_MAX`] are told.

mod csv;
mod sqlite;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use meter::import::ColumnError;
use meter::import::row::{self, Ability, Log, Table, User};
use tokio::sync::mpsc::Sender;

use super::{LogRows, Progress};
use crate::error::Error;

/// Most users.
pub const USERS_MAX: usize = 50_000;
/// Most rows of `abilities`: a model for each group and channel.
pub const ABILITIES_MAX: usize = 200_000;
/// Most rows of `options`; new-api has about a hundred.
pub const OPTIONS_MAX: usize = 10_000;
/// Log rows in one batch.
pub const BATCH_ROWS: usize = 5_000;
/// Longest record of a CSV file, in bytes.
pub const RECORD_BYTES_MAX: u64 = 4 << 20;
/// Most problems that are told one by one.
pub const PROBLEMS_MAX: usize = 20;
/// What a file of `SQLite`'s begins with (sqlite.org, file format §1.2).
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// new-api's own database.
    Sqlite(PathBuf),
    /// A file for each table.
    Csv(BTreeMap<Table, PathBuf>),
}

/// What is read.
pub enum Message {
    /// The tables that are small; they come first.
    Tables(Box<Tables>),
    /// Some rows of the log.
    Logs(Batch),
    /// There is no log.
    NoLogs,
}

/// The tables that are small.
#[derive(Debug, Default)]
pub struct Tables {
    /// Who pays.
    pub users: Vec<User>,
    /// What workflows cost.
    pub abilities: Vec<Ability>,
    /// Documents, by key.
    pub options: BTreeMap<String, String>,
    /// Those that are not there.
    pub missing: Vec<&'static str>,
}

/// Some rows of the log.
pub struct Batch {
    /// Calls and top-ups.
    pub logs: Vec<Log>,
    /// How many rows were about something else.
    pub others: u64,
    /// How many made no sense, where those are passed over.
    pub senseless: u64,
    /// How far this is.
    pub progress: Progress,
}

/// A row that is being read.
struct Row<'a> {
    columns: &'a [&'static str],
    values: &'a [Option<String>],
    /// Where it stands, for people.
    place: String,
}

impl Row<'_> {
    fn field(&self, name: &str) -> Option<String> {
        let at = self.columns.iter().position(|column| *column == name)?;
        self.values.get(at)?.clone()
    }
}

/// What is done with a row, and with how much is done of how much.
type Each<'a> = dyn FnMut(&Row<'_>, (u64, u64)) -> Result<(), Error> + 'a;

/// What can be read table by table.
trait Rows {
    /// Gives each row of a table to `each`; answers whether there is such a table.
    fn each(&mut self, table: Table, each: &mut Each<'_>) -> Result<bool, Error>;
}

fn invalid(problem: impl std::fmt::Display) -> Error {
    Error::invalid("from", problem)
}

impl Source {
    /// What these paths name: one `SQLite` file; CSV files that are called by their tables; or a folder of
    /// such.
    pub fn find(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut files = BTreeMap::new();
        for path in paths {
            let shown = path.display();
            let about = fs::metadata(path).map_err(|error| invalid(format!("{shown}: {error}")))?;
            if about.is_dir() {
                for table in Table::ALL {
                    let file = path.join(format!("{}.csv", table.name()));
                    if file.is_file() {
                        add(&mut files, table, file)?;
                    }
                }
            } else if is_sqlite(path)? {
                return match paths {
                    [_] => Ok(Self::Sqlite(path.clone())),
                    _ => Err(invalid("is one SQLite file, or CSV files, and not both")),
                };
            } else {
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                let table = Table::ALL.into_iter().find(|table| table.name() == stem);
                let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
                let table = table.filter(|_| is_csv).ok_or_else(|| {
                    invalid(format!(
                        "{shown} is neither a SQLite file nor called users.csv, abilities.csv, \
                         options.csv or logs.csv"
                    ))
                })?;
                add(&mut files, table, path.clone())?;
            }
        }
        if files.is_empty() {
            return Err(invalid("names no users.csv, abilities.csv, options.csv or logs.csv"));
        }
        Ok(Self::Csv(files))
    }

    /// Reads everything and sends it. It ends early, and well, when nobody listens any more.
    pub(super) fn read(self, log: LogRows, sender: &Sender<Message>) -> Result<(), Error> {
        match self {
            Self::Sqlite(file) => read(&mut sqlite::open(&file)?, log, sender),
            Self::Csv(files) => read(&mut csv::Files(files), log, sender),
        }
    }
}

fn add(files: &mut BTreeMap<Table, PathBuf>, table: Table, file: PathBuf) -> Result<(), Error> {
    match files.insert(table, file) {
        None => Ok(()),
        Some(_) => Err(invalid(format!("names two files of table {}", table.name()))),
    }
}

fn is_sqlite(path: &Path) -> Result<bool, Error> {
    let unreadable = |error| invalid(format!("{}: {error}", path.display()));
    let mut begins = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let length = u64::try_from(SQLITE_MAGIC.len())?;
    file.take(length).read_to_end(&mut begins).map_err(unreadable)?;
    Ok(begins == SQLITE_MAGIC)
}

fn read(rows: &mut impl Rows, log: LogRows, sender: &Sender<Message>) -> Result<(), Error> {
    let tables = tables(rows)?;
    if sender.blocking_send(Message::Tables(Box::new(tables))).is_ok() && log != LogRows::None {
        logs(rows, log, sender)?;
    }
    Ok(())
}

/// The small tables, whole.
fn tables(rows: &mut impl Rows) -> Result<Tables, Error> {
    let mut tables = Tables::default();
    let mut problems = Problems::default();
    let there = rows.each(Table::Users, &mut |row, _| {
        let users = &mut tables.users;
        keep(users, USERS_MAX, row, row::user(|name| row.field(name)), &mut problems)
    })?;
    note(&mut tables.missing, Table::Users, there);
    let there = rows.each(Table::Abilities, &mut |row, _| {
        let abilities = &mut tables.abilities;
        keep(abilities, ABILITIES_MAX, row, row::ability(|name| row.field(name)), &mut problems)
    })?;
    note(&mut tables.missing, Table::Abilities, there);
    let mut options = Vec::new();
    let there = rows.each(Table::Options, &mut |row, _| {
        let option = row::option(|name| row.field(name));
        keep(&mut options, OPTIONS_MAX, row, option, &mut problems)
    })?;
    note(&mut tables.missing, Table::Options, there);
    problems.end()?;
    tables.options = options.into_iter().collect();
    Ok(tables)
}

fn note(missing: &mut Vec<&'static str>, table: Table, is_there: bool) {
    if !is_there {
        missing.push(table.name());
    }
}

fn keep<T>(
    kept: &mut Vec<T>,
    rows_max: usize,
    row: &Row<'_>,
    read: Result<T, ColumnError>,
    problems: &mut Problems,
) -> Result<(), Error> {
    match read {
        Ok(_) if kept.len() >= rows_max => {
            Err(invalid(format!("has more than {rows_max} rows at {}", row.place)))
        }
        Ok(read) => {
            kept.push(read);
            Ok(())
        }
        Err(problem) => problems.add(format!("{}: {problem}", row.place)),
    }
}

/// The log, batch by batch.
fn logs(rows: &mut impl Rows, log: LogRows, sender: &Sender<Message>) -> Result<(), Error> {
    let mut problems = Problems::default();
    let mut batch = empty();
    let mut is_heard = true;
    let is_there = rows
        .each(Table::Logs, &mut |row, (done, total)| {
            if !is_heard {
                return Err(invalid("was not read to its end"));
            }
            match row::log(|name| row.field(name)) {
                Ok(Some(log)) => batch.logs.push(log),
                Ok(None) => batch.others = batch.others.saturating_add(1),
                Err(_) if log == LogRows::Sensible => {
                    batch.senseless = batch.senseless.saturating_add(1);
                }
                Err(problem) => problems.add(format!("{}: {problem}", row.place))?,
            }
            let rows = batch.progress.rows.saturating_add(1);
            batch.progress = Progress { done, total, rows };
            if batch.logs.len() >= BATCH_ROWS {
                let full = std::mem::replace(&mut batch, empty());
                batch.progress = full.progress;
                is_heard = sender.blocking_send(Message::Logs(full)).is_ok();
            }
            Ok(())
        })
        .or_else(|error| if is_heard { Err(error) } else { Ok(true) })?;
    problems.end()?;
    let last = if is_there { Message::Logs(batch) } else { Message::NoLogs };
    // Whoever does not listen any more has an error of its own to tell.
    let _ = sender.blocking_send(last);
    Ok(())
}

fn empty() -> Batch {
    let progress = Progress { done: 0, total: 0, rows: 0 };
    Batch { logs: Vec::with_capacity(BATCH_ROWS), others: 0, senseless: 0, progress }
}

/// What makes no sense, told together.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// One more; the last that is told ends the reading.
    pub(super) fn add(&mut self, problem: String) -> Result<(), Error> {
        self.0.push(problem);
        if self.0.len() < PROBLEMS_MAX { Ok(()) } else { self.tell("\n  and maybe more") }
    }

    /// An error if there was any.
    pub(super) fn end(&self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { self.tell("") }
    }

    fn tell(&self, more: &str) -> Result<(), Error> {
        Err(invalid(format!("cannot be brought over:\n  {}{more}", self.0.join("\n  "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_together_up_to_a_bound() {
        let mut problems = Problems::default();
        assert!(problems.end().is_ok());
        problems.add("one".to_owned()).unwrap();
        problems.add("two".to_owned()).unwrap();
        let told = problems.end().unwrap_err().to_string();
        assert!(told.ends_with("one\n  two"), "{told}");
        for _ in 3..PROBLEMS_MAX {
            problems.add("more".to_owned()).unwrap();
        }
        // One less than the bound so far; the one that reaches it is the last that is told.
        let told = problems.add("last".to_owned()).unwrap_err().to_string();
        assert!(told.ends_with("last\n  and maybe more"), "{told}");
    }

    #[test]
    fn a_table_has_no_more_rows_than_its_bound() {
        let row = Row { columns: &[], values: &[], place: "users.csv, line 3".to_owned() };
        for rows_max in [USERS_MAX, ABILITIES_MAX, OPTIONS_MAX] {
            let (mut kept, mut problems) = (vec![(); rows_max - 1], Problems::default());
            keep(&mut kept, rows_max, &row, Ok(()), &mut problems).unwrap();
            let refused = keep(&mut kept, rows_max, &row, Ok(()), &mut problems).unwrap_err();
            assert!(refused.to_string().contains(&format!("more than {rows_max} rows")));
            assert_eq!(kept.len(), rows_max);
        }
    }
}
