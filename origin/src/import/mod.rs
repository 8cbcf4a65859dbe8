//! Bringing accounts, balances, prices and history over from new-api.
//!
//! Path: its `SQLite` file or CSV files → [`source`] → [`meter::import`] → [`plan`] → account, credit and
//! price book, through the code that makes any other of them, and [`history`].
//!
//! # Correctness
//! - A run is one transaction: all of it or nothing, whatever stops it.
//! - What was brought over once is remembered by its number there, so that a second run of the same copy
//!   changes nothing, and of a newer one adds what is new.
//! - A balance is one credit with a reference of its own. History is no part of any sum.
//! - One import at a time: the second is refused while the first runs.
//!
//! # Bounds
//! At most [`source::USERS_MAX`] users; log rows come in batches of [`source::BATCH_ROWS`], of which at most
//! [`BATCHES_WAITING_MAX`] wait in memory.

pub mod source;
pub mod plan;
pub mod history;
mod write;

use std::collections::BTreeMap;

use meter::account::Overdraft;
use meter::ids::{Group, UpstreamId};
use meter::money::Nanos;
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::mpsc;

use crate::audit::{self, Act, Actor};
use crate::database::Tx;
use crate::error::Error;

use history::History;
use plan::Plan;
use source::{Message, Source};

/// Most batches of log rows that were read and not written yet.
const BATCHES_WAITING_MAX: usize = 2;
/// Names the lock that one import holds.
const LOCK: i64 = 20_261_128_060_000;

/// How to bring it over.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which new-api it is, where there are several: it stands in references.
    pub instance: String,
    /// How many of its quota make one unit of our currency; as many as of its own unless said.
    pub quota_per_unit: Option<u32>,
    /// How far below zero the new accounts may go.
    pub overdraft: Overdraft,
    /// What is put before their names.
    pub prefix: String,
    /// What groups are called here that cannot be called what they are called there.
    pub groups: BTreeMap<String, Group>,
    /// Balances that somebody decided, in quota, by the user's number.
    pub balances: BTreeMap<i64, i64>,
    /// Prices that somebody decided.
    pub prices: BTreeMap<UpstreamId, Nanos>,
    /// Users may be called otherwise by now.
    pub renamed: bool,
    /// What of the log is brought over.
    pub log: LogRows,
    /// Nothing is kept.
    pub dry_run: bool,
}

/// What of the log is brought over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogRows {
    /// Everything; a row that makes no sense stops the import
    All,
    /// What makes sense; the rest is counted
    Sensible,
    /// Nothing
    None,
}

/// How far the log is read, in rows or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// So much.
    pub done: u64,
    /// Of so much.
    pub total: u64,
    /// Rows so far.
    pub rows: u64,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Outcome {
    /// Which new-api.
    pub instance: String,
    /// Nothing of it was kept.
    pub dry_run: bool,
    /// How many of its quota make one unit.
    pub quota_per_unit: u32,
    /// Users and what became of them.
    pub accounts: AccountsOutcome,
    /// Prices of workflows and bots.
    pub prices: PricesOutcome,
    /// Ratios of groups.
    pub groups: PricesOutcome,
    /// The price book that was made.
    pub price_book: Option<u32>,
    /// The log.
    pub history: History,
    /// Tables that were not there.
    pub missing: Vec<&'static str>,
}

/// What became of users.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AccountsOutcome {
    /// Accounts that were made.
    pub new: u64,
    /// Users that were brought over before.
    pub known: u64,
    /// Users that were deleted there.
    pub deleted: u64,
    /// What the new accounts were credited in all.
    pub credited_nanos: i64,
    /// Users, brought over before, who have another balance there by now.
    pub changed: Vec<String>,
}

/// What became of prices or ratios.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PricesOutcome {
    /// Those that were set.
    pub new: Vec<String>,
    /// How many were brought over before, or say what the book says already.
    pub known: u64,
    /// Those that the book had already, or that were changed there since: they stay.
    pub kept: Vec<String>,
    /// Models that are no workflow and no bot.
    pub passed_over: u64,
}

/// Brings everything over.
pub async fn run(
    pool: &PgPool,
    source: Source,
    wanted: &Wanted,
    actor: &Actor,
    progress: impl Fn(Progress),
) -> Result<Outcome, Error> {
    let mut tx = Tx::begin(pool, "import").await?;
    let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, LOCK);
    if !locked.fetch_one(&mut *tx).await? {
        let problem = "is being brought over by another import".to_owned();
        return Err(Error::Conflict { field: "from", problem });
    }
    let (sender, mut messages) = mpsc::channel(BATCHES_WAITING_MAX);
    let log = wanted.log;
    // Files are read on a thread of their own. It ends when nobody takes what it reads.
    let reading = tokio::task::spawn_blocking(move || source.read(log, &sender));
    let mut written = None;
    while let Some(message) = messages.recv().await {
        match message {
            Message::Tables(tables) => {
                let plan = Plan::make(&mut tx, *tables, wanted).await?;
                written = Some((plan, History::default()));
            }
            Message::Logs(batch) => {
                let Some((plan, history)) = &mut written else { continue };
                history.write(&mut tx, &wanted.instance, plan, &batch).await?;
                progress(batch.progress);
            }
            Message::NoLogs => {
                let missing = written.iter_mut().map(|(plan, _)| &mut plan.missing);
                missing.for_each(|missing| missing.push("logs"));
            }
        }
    }
    // What went wrong while reading comes before what follows from having read too little.
    reading.await.map_err(|error| Error::impossible("import", error))??;
    let (plan, history) = written.ok_or_else(|| Error::invalid("from", "holds nothing"))?;
    let outcome = write::all(&mut tx, plan, history, wanted, actor).await?;
    if !wanted.dry_run {
        if outcome.is_something() {
            let detail = json!({ "from": "new-api", "outcome": audit::document(&outcome)? });
            audit::record(&mut tx, actor, Act::ImportRun, &wanted.instance, &detail).await?;
        }
        tx.commit().await?;
    }
    Ok(outcome)
}

impl Outcome {
    /// Whether anything is new.
    pub fn is_something(&self) -> bool {
        let prices = self.prices.new.len().saturating_add(self.groups.new.len());
        self.accounts.new > 0 || prices > 0 || self.history.new > 0
    }
}
