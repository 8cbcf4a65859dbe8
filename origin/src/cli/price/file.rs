//! `weir price import` and `export`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use meter::price_list::{self, LIST_BYTES_MAX, Mode, PriceList};
use meter::wire::book::BookDoc;

use crate::audit::Actor;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::price;
use crate::price::file::{import, propose_import};

use super::super::Answer;
use super::answer;
use super::trial::{self, TrialArguments};
use super::when::WhenArguments;

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A heading and a row for each price or ratio; amounts in quota.
    Csv,
    /// The document of a price book; amounts in nanos.
    Json,
}

impl From<Format> for price_list::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
        }
    }
}

/// `weir price import`
#[derive(Args)]
#[group(skip)]
#[command(
    after_help = "The columns of CSV: account, subject, operation, provider, group, kind, amount_quota, \
                  input_quota_per_million, output_quota_per_million, margin, step_quota, ratio, note. \
                  `weir price export` writes a list to begin with."
)]
pub(in crate::cli) struct Import {
    /// The list; `-` reads standard input
    file: PathBuf,
    /// Its form, where its name does not end with it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Clear every price and ratio that the list does not name, too
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    when: WhenArguments,
    #[command(flatten)]
    trial: TrialArguments,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price export`
#[derive(Args)]
pub(in crate::cli) struct Export {
    /// In which form
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// This book, instead of the one in force
    #[arg(long = "version", value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    book: Option<i32>,
    /// Write it to this file instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Import {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        let Self { file, format, replace, when, trial, database } = self;
        let format = format.or_else(|| named(&file)).ok_or_else(|| {
            Error::invalid("format", "is needed: the file's name ends neither with .csv nor .json")
        })?;
        let list = PriceList::read(&read(&file)?, format.into()).map_err(Error::PriceList)?;
        let mode = if replace { Mode::Replace } else { Mode::Merge };
        let pool = database::pool(&database.database_url)?;
        if trial.dry_run {
            let days = trial.days(&when)?;
            let proposed = propose_import(&pool, &list, mode, &when.of_trial()).await?;
            return trial::run(&pool, days, proposed).await;
        }
        answer(import(&pool, &list, mode, &when.when()?, actor).await?)
    }
}

fn named(file: &Path) -> Option<Format> {
    let ends = |end: &str| file.extension().is_some_and(|it| it.eq_ignore_ascii_case(end));
    if ends("csv") {
        Some(Format::Csv)
    } else if ends("json") {
        Some(Format::Json)
    } else {
        None
    }
}

/// No more than is looked at, and one byte by which too much shows.
fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |error: io::Error| Error::invalid("file", format!("{}: {error}", file.display()));
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(wrong)?)
    };
    let mut bytes = Vec::new();
    let bound = u64::try_from(LIST_BYTES_MAX)?.saturating_add(1);
    source.take(bound).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

impl Export {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let Self { format, book, out, database } = self;
        let pool = database::pool(&database.database_url)?;
        let mut connection = pool.acquire().await?;
        let book = match book {
            Some(version) => price::one(&mut connection, version).await?,
            None => price::in_force(&mut connection).await?,
        };
        let text = price_list::write(&book, format.into());
        let Some(file) = out else {
            // The answer is printed with a line end of its own.
            let printed = text.strip_suffix('\n').unwrap_or(&text);
            return Answer::new(&BookDoc::from(&book), printed);
        };
        fs::write(&file, &text)
            .map_err(|error| Error::invalid("out", format!("{}: {error}", file.display())))?;
        Answer::new(&file, format!("Wrote price book {} to {}.", book.version, file.display()))
    }
}
