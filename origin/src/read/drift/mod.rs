//! Whether the books agree: every table that says the same is added up and held against the others.
//!
//! Path: ledger → **drift** → the command line and the API. Each sum is taken from its own rows, over all
//! accounts and from one state of the database, so a difference is a difference and not a page that was
//! posted meanwhile. What reconciling found at the edge's side stands beside it: the findings.
//!
//! # Bounds
//! It goes through every posting, entry and rollup, in the database and not here: what is kept is a few
//! sums for each account. At most [`DIFFERENCES_MAX`] differences are listed. A statement may take
//! [`LONG_STATEMENT_MS_MAX`](crate::database::LONG_STATEMENT_MS_MAX).

mod query;
mod sums;

use std::collections::BTreeMap;

use meter::money::Nanos;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::database;
use crate::error::Error;
use crate::ledger::finding::{self, FindingRow};

/// Most differences that are listed.
pub const DIFFERENCES_MAX: usize = 1_000;

/// Is told what is added up next, in words, [`STEPS`] times.
pub type Step<'a> = &'a mut (dyn FnMut(&'static str) + Send);

/// How many steps there are.
pub const STEPS: u64 = 6;

/// A number that should be the same in several tables, and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// `account` or `journal`.
    pub of: &'static str,
    /// Which.
    pub name: String,
    /// What is counted: `calls`, `settled`, `input_tokens`, `output_tokens`, `total_tokens`,
    /// `amount_nanos`, `credits_nanos`, `cursor_calls` or `cursor_nanos`.
    pub what: &'static str,
    /// What each table says.
    pub says: BTreeMap<&'static str, i64>,
}

/// Whether the books agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Drift {
    /// Whether every sum is the same wherever it stands, and no finding is open.
    pub agrees: bool,
    /// How many accounts there are.
    pub accounts: usize,
    /// How many calls are posted.
    pub calls: i64,
    /// What they cost.
    pub spent_nanos: i64,
    /// What was credited.
    pub credits_nanos: i64,
    /// Credits less calls.
    pub balance_nanos: i64,
    /// How many sums were held against each other.
    pub compared: usize,
    /// Those that differ, as many as are listed.
    pub differences: Vec<Difference>,
    /// How many differ.
    pub differences_found: usize,
    /// The open findings, newest first, as many as are listed.
    pub findings: Vec<FindingRow>,
    /// How many are open.
    pub findings_open: i64,
}

/// Adds up everything; `step` is told what comes next.
pub async fn read(pool: &PgPool, step: Step<'_>) -> Result<Drift, Error> {
    let mut tx = database::snapshot(pool).await?;
    database::take_time(&mut tx).await?;
    let books = query::books(&mut tx, step).await?;
    tx.commit().await?;
    step("findings");
    let findings = finding::open(pool).await?;
    let findings_open = finding::count_open(pool).await?;
    let (compared, mut differences) = books.compare();
    let differences_found = differences.len();
    differences.truncate(DIFFERENCES_MAX);
    let spent_nanos = books.total("amount_nanos", "balance")?;
    let credits_nanos = books.total("credits_nanos", "balance")?;
    Ok(Drift {
        agrees: differences_found == 0 && findings_open == 0,
        accounts: books.accounts.len(),
        calls: books.total("calls", "balance")?,
        spent_nanos,
        credits_nanos,
        balance_nanos: Nanos::new(credits_nanos).minus(Nanos::new(spent_nanos))?.get(),
        compared,
        differences,
        differences_found,
        findings,
        findings_open,
    })
}
