//! Findings: written down once, counted when met again, listed while open.

use chrono::{DateTime, Utc};
use meter::ids::{CallId, JournalName};
use meter::reconcile::{Code, Finding};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tracing::warn;
use utoipa::ToSchema;

use crate::clock;
use crate::error::Error;

/// Most findings in one list.
pub const FINDINGS_LISTED_MAX: i64 = 1_000;

/// A finding that stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FindingRow {
    /// Its number.
    pub finding_id: i64,
    /// In which journal.
    pub journal_id: String,
    /// What it is.
    pub code: String,
    /// The journal's epoch, as the edge named it.
    pub epoch: String,
    /// At which entry.
    pub seq: i64,
    /// About which call.
    pub call_id: Option<String>,
    /// What was expected and what was there.
    pub detail: String,
    /// When it was first noticed.
    #[serde(serialize_with = "clock::serialize")]
    pub found_at: DateTime<Utc>,
    /// How often it was noticed since.
    pub times_seen: i64,
}

/// Writes findings down. One that is open already is counted.
pub async fn record(
    connection: &mut PgConnection,
    journal: &JournalName,
    epoch: &str,
    findings: &[Finding],
) -> Result<(), Error> {
    for finding in findings {
        let call = finding.call.as_ref().map(CallId::as_str);
        warn!(
            journal = journal.as_str(),
            code = finding.code.name(),
            seq = finding.seq,
            call.id = call,
            "a finding: {}",
            finding.detail
        );
        let written = sqlx::query!(
            "INSERT INTO finding (journal_id, code, epoch, seq, call_id, detail)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (journal_id, code, epoch, seq) WHERE state = 'open'
             DO UPDATE SET last_seen_at = now(), times_seen = finding.times_seen + 1",
            journal.as_str(),
            finding.code.name(),
            epoch,
            i64::try_from(finding.seq)?,
            call,
            finding.detail
        )
        .execute(&mut *connection)
        .await?;
        if written.rows_affected() != 1 {
            return Err(Error::impossible("finding", "an insert wrote no row"));
        }
    }
    Ok(())
}

/// Marks what was found missing about a call as explained: it is known now.
pub async fn explain_call(connection: &mut PgConnection, call: &str) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE finding SET state = 'explained'
         WHERE call_id = $1 AND state = 'open' AND code = $2",
        call,
        Code::UsageMissing.name()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The open findings, newest first.
pub async fn open(pool: &PgPool) -> Result<Vec<FindingRow>, Error> {
    let rows = sqlx::query_as!(
        FindingRow,
        "SELECT finding_id, journal_id, code, epoch, seq, call_id, detail, found_at, times_seen
         FROM finding WHERE state = 'open' ORDER BY finding_id DESC LIMIT $1",
        FINDINGS_LISTED_MAX
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}
