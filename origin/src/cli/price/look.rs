//! `weir price list`, `history` and `diff`.

use clap::Args;
use meter::ids::Group;
use meter::money::Ratio;
use meter::price::PriceBook;
use meter::wire::book::BookDoc;
use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::rerate::trial::{ChangeTold, changes};
use crate::page::{PAGE_ROWS_MAX, Span};
use crate::price::history::{self, BookRow, PlannedRow};
use crate::price::{self, plan, words};

use super::super::Answer;
use super::super::answer::table;

/// `weir price list`
#[derive(Args)]
pub(in crate::cli) struct List {
    /// This book, instead of the one in force
    #[arg(long = "version", value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    book: Option<i32>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price history`
#[derive(Args)]
pub(in crate::cli) struct History {
    /// How many books
    #[arg(long, default_value_t = 50, value_name = "N",
          value_parser = clap::value_parser!(i64).range(1..=PAGE_ROWS_MAX))]
    limit: i64,
    /// Go on behind the page that named this cursor
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir price diff`
#[derive(Args)]
pub(in crate::cli) struct Diff {
    /// The number of one book
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    before: i32,
    /// The number of another
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    after: i32,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// A book, and what is planned.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    book: BookDoc,
    planned: Vec<PlannedRow>,
}

impl List {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let mut connection = pool.acquire().await?;
        let plan::Now { plan, .. } = plan::load(&mut connection).await?;
        let (book, planned) = match self.book {
            Some(version) => (price::one(&mut connection, version).await?, Vec::new()),
            None => (plan.in_force().clone(), history::planned(&plan)?),
        };
        let mut text = book_text(&book);
        for PlannedRow { version, starts_at, changes } in &planned {
            let starts = clock::text(*starts_at);
            let line = format!("Book {version} comes into force at {starts}: {changes} changes.");
            text = format!("{text}\n\n{line}");
        }
        Answer::new(&Listed { book: BookDoc::from(&book), planned }, text)
    }
}

impl History {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let Self { limit, cursor, database } = self;
        let pool = database::pool(&database.database_url)?;
        let page = history::list(&pool, &Span::new(cursor, Some(limit))).await?;
        let lines: Vec<_> = page.items.iter().map(line).collect();
        let mut text = table(["book", "state", "from", "made at", "by", "what"], &lines);
        if let Some(cursor) = &page.next_cursor {
            text = format!("{text}\n\nThere is more: --cursor {cursor}");
        }
        Answer::new(&page, text)
    }
}

fn line(row: &BookRow) -> [String; 6] {
    [
        row.price_book_id.to_string(),
        row.state.replace('_', " "),
        clock::text(row.starts_at),
        clock::text(row.created_at),
        row.actor.clone(),
        row.reason.clone(),
    ]
}

impl Diff {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let Self { before, after, database } = self;
        let pool = database::pool(&database.database_url)?;
        let mut connection = pool.acquire().await?;
        let first = price::one(&mut connection, before).await?;
        let second = price::one(&mut connection, after).await?;
        let changes = changes(&first, &second);
        let value = json!({ "before": before, "after": after, "changes": changes });
        Answer::new(&value, changes_text(&changes))
    }
}

/// What differs, as a table.
pub(super) fn changes_text(changes: &[ChangeTold]) -> String {
    if changes.is_empty() {
        return "No price differs.".to_owned();
    }
    let line = |told: &ChangeTold| [told.of.clone(), told.before.clone(), told.after.clone()];
    let lines: Vec<_> = changes.iter().map(line).collect();
    table(["of", "before", "after"], &lines)
}

fn book_text(book: &PriceBook) -> String {
    let mut lines: Vec<_> = book
        .prices
        .iter()
        .map(|(scope, price)| [words::scope(scope), words::price(price)])
        .collect();
    let group =
        |(group, ratio): (&Group, &Ratio)| [format!("group {group}"), format!("times {ratio}")];
    lines.extend(book.groups.iter().map(group));
    if book.deny_unpriced {
        lines.push(["calls without a price".to_owned(), "refused".to_owned()]);
    }
    format!("Price book {}\n\n{}", book.version, table(["of", "price"], &lines))
}
