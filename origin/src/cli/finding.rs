//! `weir finding`: what reconciling noticed, and what became of it.

use clap::{Args, Subcommand};

use crate::audit::Actor;
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::finding::{self, FINDINGS_LISTED_MAX, Filter, FindingRow, State};
use crate::page::Span;

use super::Answer;
use super::answer::table;

/// What can be done with findings.
#[derive(Subcommand)]
pub(super) enum FindingCommand {
    /// List findings, newest first
    List(List),
    /// Say what became of a finding; it changes no money
    Set(Set),
}

/// `weir finding list`
#[derive(Args)]
pub(super) struct List {
    /// Only in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only in this journal
    #[arg(long)]
    journal: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir finding set`
#[derive(Args)]
pub(super) struct Set {
    /// Its number
    finding: i64,
    /// What became of it
    #[arg(value_enum)]
    state: State,
    /// Why, in a sentence
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl FindingCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::List(List { state, journal, database }) => {
                let pool = database::pool(&database.database_url)?;
                let filter = Filter { state, journal, code: None };
                let page = finding::list(&pool, &filter, &Span::first(FINDINGS_LISTED_MAX)).await?;
                Answer::new(&page.items, text(&page.items))
            }
            Self::Set(Set { finding, state, reason, database }) => {
                let pool = database::pool(&database.database_url)?;
                let row = finding::set_state(&pool, finding, state, &reason, actor).await?;
                Answer::new(&row, format!("Finding {finding} is {}.", row.state))
            }
        }
    }
}

fn text(rows: &[FindingRow]) -> String {
    if rows.is_empty() {
        return "There is no such finding.".to_owned();
    }
    let line = |row: &FindingRow| {
        [
            row.finding_id.to_string(),
            row.state.clone(),
            row.code.clone(),
            format!("{}/{}", row.journal_id, row.seq),
            clock::text(row.found_at),
            row.state_reason.clone().unwrap_or_else(|| "-".to_owned()),
            row.detail.clone(),
        ]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    table(["finding", "state", "code", "entry", "found", "reason", "detail"], &lines)
}
