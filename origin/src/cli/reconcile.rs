//! `weir reconcile`: how the journals stand, and whether anything is found to differ.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use meter::ids::JournalName;
use serde::Serialize;
use sqlx::PgPool;

use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::journal;
use crate::ledger::finding::{self, FindingRow};
use crate::pull::edge::Edge;
use crate::pull::{Attempt, attempt};
use crate::read::health::{self, JournalHealth};
use crate::signing::Signer;

use super::Answer;
use super::answer::table;

/// Most pages that are pulled of one journal: ten million calls.
const PAGES_MAX: usize = 10_000;
/// The exit code when a journal could not be pulled.
const FAILED: u8 = 1;
/// The exit code when findings are open.
const FINDINGS_OPEN: u8 = 3;

/// `weir reconcile`
#[derive(Args)]
pub(super) struct Reconcile {
    /// Pull every journal to its end first, once
    #[arg(long)]
    once: bool,
    /// The edge; needed with --once
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    edge_url: Option<String>,
    /// The signing key, as `weir signing-key` prints it; needed with --once
    #[arg(long, env = "WEIR_SIGNING_KEY", hide_env_values = true, value_name = "JSON")]
    signing_key: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// A journal that could not be pulled.
#[derive(Serialize)]
struct Failure {
    journal: String,
    error: String,
}

#[derive(Serialize)]
struct Reconciled {
    journals: Vec<JournalHealth>,
    findings: Vec<FindingRow>,
    findings_open: i64,
    failures: Vec<Failure>,
}

impl Reconcile {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let failures = if self.once { self.pull_all(&pool).await? } else { Vec::new() };
        let (journals, findings_open) = health::ask(&pool, clock::now()).await?;
        let findings = finding::open(&pool).await?;
        let reconciled = Reconciled { journals, findings, findings_open, failures };
        let code = match (reconciled.failures.is_empty(), findings_open) {
            (_, 1..) => FINDINGS_OPEN,
            (false, _) => FAILED,
            (true, _) => 0,
        };
        Ok(Answer::new(&reconciled, text(&reconciled))?.with_code(code))
    }

    async fn pull_all(&self, pool: &PgPool) -> Result<Vec<Failure>, Error> {
        let needed = |field| move || Error::invalid(field, "is needed with --once");
        let url = self.edge_url.as_ref().ok_or_else(needed("WEIR_EDGE_URL"))?;
        let key = self.signing_key.as_ref().ok_or_else(needed("WEIR_SIGNING_KEY"))?;
        let edge = Edge::new(url, Arc::new(Signer::parse(key)?))?;
        let mut failures = Vec::new();
        for name in journal::names(pool).await? {
            if let Err(error) = pull_to_end(pool, &edge, &name).await {
                failures.push(Failure { journal: name.to_string(), error });
            }
        }
        Ok(failures)
    }
}

async fn pull_to_end(pool: &PgPool, edge: &Edge, name: &JournalName) -> Result<(), String> {
    for _ in 0..PAGES_MAX {
        match attempt(pool, edge, name).await {
            Ok(Attempt::More) => {}
            Ok(Attempt::UpToDate | Attempt::Stopped(_)) => return Ok(()),
            Ok(Attempt::Elsewhere) => return Err("another process is pulling it".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("it has more than {PAGES_MAX} pages"))
}

/// Writing to a String cannot fail.
fn text(reconciled: &Reconciled) -> String {
    let journal = |journal: &JournalHealth| {
        let age = journal.last_pull_age_ms;
        [
            journal.name.clone(),
            journal.cursor_seq.to_string(),
            journal.behind.to_string(),
            journal.open_holds.to_string(),
            age.map_or_else(|| "never".to_owned(), |age| format!("{} s ago", age / 1_000)),
            journal.stopped_by.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let journals: Vec<_> = reconciled.journals.iter().map(journal).collect();
    let heading = ["journal", "posted", "behind", "open holds", "pulled", "stopped by"];
    let mut text = table(heading, &journals);
    for failure in &reconciled.failures {
        let _ = write!(text, "\n\nJournal {}: {}", failure.journal, failure.error);
    }
    let findings: Vec<_> = reconciled
        .findings
        .iter()
        .map(|finding| {
            [
                finding.finding_id.to_string(),
                finding.code.clone(),
                format!("{}/{}", finding.journal_id, finding.seq),
                finding.call_id.clone().unwrap_or_else(|| "-".to_owned()),
                finding.detail.clone(),
            ]
        })
        .collect();
    if findings.is_empty() {
        text.push_str("\n\nNo findings are open.");
    } else {
        let heading = ["finding", "code", "entry", "call", "detail"];
        let _ = write!(text, "\n\n{}", table(heading, &findings));
    }
    text
}
