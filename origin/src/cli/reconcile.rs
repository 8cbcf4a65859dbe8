//! `weir reconcile`: how the journals stand, and whether anything is found to differ.

use std::fmt::Write as _;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::ledger::self_test::{self, SelfTest};
use crate::pull::edge::Edge;
use crate::pull::to_end;
use crate::read::health::JournalHealth;
use crate::read::reconciled::Reconciled;
use crate::signing::Signer;

use super::Answer;
use super::answer::table;

/// Most pages that are pulled of one journal: ten million calls.
pub(crate) const PAGES_MAX: usize = 10_000;
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
    /// First see whether a drift of one nano, made on purpose, raises the alarm
    #[arg(long)]
    self_test: bool,
    /// The edge; needed with --once
    #[arg(long, env = "WEIR_EDGE_URL", value_name = "URL")]
    edge_url: Option<String>,
    /// The signing key, as `weir signing-key` prints it; needed with --once
    #[arg(long, env = "WEIR_SIGNING_KEY", hide_env_values = true, value_name = "JSON")]
    signing_key: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

impl Reconcile {
    pub(super) async fn run(self) -> Result<Answer, Error> {
        let pool = database::pool(&self.database.database_url)?;
        let failures = if self.once {
            to_end::pull_all(&pool, &self.edge()?, PAGES_MAX).await?
        } else {
            Vec::new()
        };
        let tested =
            if self.self_test { Some(self_test::test(&pool, clock::now()).await?) } else { None };
        let reconciled = Reconciled::read(&pool, clock::now(), failures).await?;
        let code = match (reconciled.failures.is_empty(), reconciled.findings_open) {
            (_, 1..) => FINDINGS_OPEN,
            (false, _) => FAILED,
            (true, _) => 0,
        };
        let mut text = text(&reconciled);
        if let Some(test) = &tested {
            let how = if test.passed { "passed" } else { "FAILED" };
            let _ = write!(text, "\n\nThe self-test {how}: {}.", test.detail);
        }
        Ok(Answer::new(&Told { reconciled, self_test: tested }, text)?.with_code(code))
    }

    fn edge(&self) -> Result<Edge, Error> {
        let needed = |field| move || Error::invalid(field, "is needed with --once");
        let url = self.edge_url.as_ref().ok_or_else(needed("WEIR_EDGE_URL"))?;
        let key = self.signing_key.as_ref().ok_or_else(needed("WEIR_SIGNING_KEY"))?;
        Edge::new(url, Arc::new(Signer::parse(key)?))
    }
}

/// What is told as JSON.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    reconciled: Reconciled,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_test: Option<SelfTest>,
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
