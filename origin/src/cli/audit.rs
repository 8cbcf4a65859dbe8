//! `weir audit`: what administrators did.

use clap::Args;

use crate::audit::{self, AuditRow, Filter};
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::page::{PAGE_ROWS_MAX, Span};

use super::Answer;
use super::answer::table;

/// `weir audit`
#[derive(Args)]
pub(super) struct Audit {
    /// Only what this one did
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only this act, such as `account.create`
    #[arg(long)]
    act: Option<String>,
    /// Only what was done to this: an account, a key, a call, a version, a name
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// How many lines
    #[arg(long, default_value_t = 50, value_name = "N",
          value_parser = clap::value_parser!(i64).range(1..=PAGE_ROWS_MAX))]
    limit: i64,
    /// Go on behind the page that named this cursor
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Audit {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let Self { who, act, subject, limit, cursor, database } = self;
        let pool = database::pool(&database.database_url)?;
        let filter = Filter { actor: who, act, subject };
        let page = audit::list(&pool, &filter, &Span::new(cursor, Some(limit))).await?;
        let lines: Vec<_> = page.items.iter().map(line).collect();
        let mut text = if lines.is_empty() {
            "Nothing was done.".to_owned()
        } else {
            table(["at", "actor", "via", "act", "subject", "detail"], &lines)
        };
        if let Some(cursor) = &page.next_cursor {
            text = format!("{text}\n\nThere is more: --cursor {cursor}");
        }
        Answer::new(&page, text)
    }
}

fn line(row: &AuditRow) -> [String; 6] {
    [
        clock::text(row.at),
        row.actor.clone(),
        row.via.clone(),
        row.act.clone(),
        row.subject.clone(),
        row.detail.to_string(),
    ]
}
