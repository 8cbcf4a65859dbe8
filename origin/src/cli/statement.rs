//! `weir statement`.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use clap::{Args, Subcommand, ValueEnum};
use meter::money::Nanos;
use meter::statement::STATEMENT_BYTES_MAX;
use serde::Serialize;

use crate::account;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::statement::html::{self, Language};
use crate::statement::{self, Closed, verify};

use super::Answer;
use super::answer::table;

/// The exit code of a file that is not genuine.
const NOT_GENUINE: u8 = 1;
/// Largest file that is read: a page repeats what its statement says.
const FILE_BYTES_MAX: u64 = 4 * STATEMENT_BYTES_MAX as u64;

/// What can be done with statements.
#[derive(Subcommand)]
pub(super) enum StatementCommand {
    /// Close months that are over, oldest first; a month is closed once
    Make(Make),
    /// List the months that are closed
    List(List),
    /// Print a closed month, or write it to a file
    Show(Show),
    /// Say whether files are statements as Weir wrote them, and follow each other; needs no database
    Verify(Verify),
}

/// `weir statement make`
#[derive(Args)]
pub(super) struct Make {
    /// Only this account's, by id or name; all accounts' unless named
    #[arg(long)]
    account: Option<String>,
    /// Up to this month, such as 2026-10; the last one that is over unless named
    #[arg(long)]
    month: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir statement list`
#[derive(Args)]
pub(super) struct List {
    /// Only this account's, by id or name
    #[arg(long)]
    account: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// The form of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The written form, for machines.
    Csv,
    /// A page to print.
    Html,
}

/// `weir statement show`
#[derive(Args)]
pub(super) struct Show {
    /// The account, by id or name
    account: String,
    /// The month, such as 2026-10
    month: String,
    /// In which form
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// In which language a page speaks
    #[arg(long, value_enum, default_value = "zh")]
    lang: Language,
    /// Write it to this file instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir statement verify`
#[derive(Args)]
pub(super) struct Verify {
    /// Statements, CSV or HTML
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What is said of one file.
#[derive(Serialize)]
struct Verdict {
    file: String,
    genuine: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    month: Option<String>,
}

impl StatementCommand {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        match self {
            Self::Make(make) => make.run().await,
            Self::List(list) => list.run().await,
            Self::Show(show) => show.run().await,
            Self::Verify(verify) => verify.run(),
        }
    }
}

impl Make {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let mut accounts = match &self.account {
            Some(account) => vec![account::find(&pool, account).await?.account_id],
            None => statement::holders(&pool, None).await?,
        };
        let mut all = Vec::new();
        while let Some(last) = accounts.last().cloned() {
            for account in &accounts {
                let month = self.month.as_deref();
                all.push(statement::close(&pool, account, month, Utc::now()).await?);
            }
            accounts = match &self.account {
                Some(_) => Vec::new(),
                None => statement::holders(&pool, Some(&last)).await?,
            };
        }
        let lines: Vec<_> = all.iter().filter_map(line).collect();
        let text = if lines.is_empty() {
            "Every month that is over was closed before.".to_owned()
        } else {
            lines.join("\n")
        };
        Answer::new(&all, text)
    }
}

fn line(closed: &Closed) -> Option<String> {
    let months = closed.months.join(", ");
    (!closed.months.is_empty()).then(|| format!("Closed for {}: {months}.", closed.account))
}

impl List {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = match &self.account {
            Some(account) => Some(account::find(&pool, account).await?.account_id),
            None => None,
        };
        let rows = statement::list(&pool, account.as_deref()).await?;
        if rows.is_empty() {
            return Answer::new(
                &rows,
                "No month is closed yet: `weir statement make` closes them.",
            );
        }
        let lines: Vec<_> = rows
            .iter()
            .map(|row| {
                let closing = Nanos::new(row.closing_nanos).in_quota().to_string();
                [row.month.clone(), row.account_id.clone(), row.number.to_string(), closing]
            })
            .collect();
        let heading = ["month", "account", "number", "closing balance in quota"];
        Answer::new(&rows, table(heading, &lines))
    }
}

impl Show {
    async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let account = account::find(&pool, &self.account).await?.account_id;
        let text = statement::text(&pool, &account, &self.month).await?;
        let text = match self.format {
            Format::Csv => text,
            Format::Html => html::page(&text, self.lang)
                .map_err(|error| Error::impossible("statement", error))?,
        };
        let Some(file) = self.out else {
            // The answer is printed with a line end of its own.
            let printed = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            return Answer::new(&text, printed);
        };
        fs::write(&file, &text)
            .map_err(|error| Error::invalid("out", format!("{}: {error}", file.display())))?;
        Answer::new(&file, format!("Wrote {}.", file.display()))
    }
}

impl Verify {
    fn run(self) -> Result<Answer, Error> {
        let mut genuine = Vec::new();
        let mut verdicts = Vec::new();
        for file in &self.files {
            let name = file.display().to_string();
            match verify::statement(&read(file)?) {
                Ok((statement, hash)) => {
                    verdicts.push(Verdict {
                        file: name,
                        genuine: true,
                        problem: None,
                        account: Some(statement.account.to_string()),
                        month: Some(statement.month.clone()),
                    });
                    genuine.push((verdicts.len().saturating_sub(1), (statement, hash)));
                }
                Err(problem) => verdicts.push(Verdict {
                    file: name,
                    genuine: false,
                    problem: Some(problem.to_string()),
                    account: None,
                    month: None,
                }),
            }
        }
        let (places, statements): (Vec<_>, Vec<_>) = genuine.into_iter().unzip();
        if let Err((at, problem)) = verify::chain(&statements)
            && let Some(verdict) = places.get(at).and_then(|place| verdicts.get_mut(*place))
        {
            verdict.genuine = false;
            verdict.problem = Some(problem.to_string());
        }
        let all = verdicts.iter().all(|verdict| verdict.genuine);
        let lines: Vec<_> = verdicts.iter().map(Verdict::line).collect();
        let code = if all { 0 } else { NOT_GENUINE };
        Ok(Answer::new(&verdicts, lines.join("\n"))?.with_code(code))
    }
}

impl Verdict {
    fn line(&self) -> String {
        match (&self.problem, &self.account, &self.month) {
            (None, Some(account), Some(month)) => {
                format!("yes  {}  {account} {month}", self.file)
            }
            (problem, ..) => {
                format!("no   {}: {}", self.file, problem.as_deref().unwrap_or_default())
            }
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |problem: &dyn std::fmt::Display| {
        Error::invalid("files", format!("{}: {problem}", file.display()))
    };
    let size = fs::metadata(file).map_err(|error| wrong(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(&"is too large to be a statement"));
    }
    fs::read(file).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_to_be_a_statement_is_not_read() {
        let path = std::env::temp_dir().join(crate::draw::id("weir_statement_").unwrap());
        let file = fs::File::create_new(&path).unwrap();
        // Nothing of it takes room.
        let read = |bytes: u64| {
            file.set_len(bytes).unwrap();
            read(&path).map(|read| u64::try_from(read.len()).unwrap())
        };
        let (fits, beyond) = (read(FILE_BYTES_MAX), read(FILE_BYTES_MAX + 1));
        fs::remove_file(&path).unwrap();
        assert_eq!(fits.unwrap(), FILE_BYTES_MAX);
        assert!(beyond.unwrap_err().to_string().contains("too large"));
    }
}
