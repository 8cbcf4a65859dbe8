//! Alarms: what somebody should know at once, told to webhooks.
//!
//! Path: finding or balance → **alarm** → webhook. An alarm is written by the transaction that gives rise to
//! it (`raise`, [`low`]); [`run`] delivers it to each webhook, again and again until it is taken or too
//! old. [`hook`] knows where, [`form`] how it is written and signed, [`send`] sends it once.

pub mod form;
pub mod hook;
pub mod list;
pub mod low;
pub mod run;
pub mod send;

use chrono::{DateTime, Utc};
use meter::ids::CallId;
use meter::reconcile::Finding;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::clock;
use crate::error::Error;

/// The version of the document that webhooks get.
pub const ALARM_VERSION: u8 = 1;
/// Most findings that one alarm names; it counts all of them.
pub const FINDINGS_MAX: usize = 20;

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something differs.
    Finding,
    /// An account has less left than somebody wanted to know of.
    LowBalance,
    /// Nothing: it is tried whether alarms arrive.
    Test,
}

impl Kind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::LowBalance => "low_balance",
            Self::Test => "test",
        }
    }
}

/// An alarm, as it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlarmDoc {
    /// [`ALARM_VERSION`].
    pub v: u8,
    /// Its number; the same alarm has the same, should it come twice. 0 for a test.
    pub alarm: i64,
    /// `finding`, `low_balance` or `test`.
    pub kind: String,
    /// When it was raised.
    #[serde(serialize_with = "clock::serialize")]
    pub raised_at: DateTime<Utc>,
    /// The journal or the account that it is about.
    pub subject: String,
    /// What there is to know.
    pub detail: Value,
}

impl AlarmDoc {
    /// One about nothing, to see whether alarms arrive.
    pub fn test(now: DateTime<Utc>) -> Self {
        Self {
            v: ALARM_VERSION,
            alarm: 0,
            kind: Kind::Test.name().to_owned(),
            raised_at: now,
            subject: "weir".to_owned(),
            detail: json!({}),
        }
    }
}

/// Raises an alarm, if the transaction is committed.
async fn raise(
    connection: &mut PgConnection,
    kind: Kind,
    subject: &str,
    detail: &Value,
) -> Result<(), Error> {
    let raised = sqlx::query!(
        "INSERT INTO alarm (kind, subject, detail) VALUES ($1, $2, $3)",
        kind.name(),
        subject,
        detail
    )
    .execute(connection)
    .await?;
    match raised.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::impossible("alarm", "an insert wrote no row")),
    }
}

/// Raises one alarm for findings that were not open before, by their numbers.
pub(crate) async fn raise_findings(
    connection: &mut PgConnection,
    journal: &str,
    findings: &[(i64, &Finding)],
) -> Result<(), Error> {
    if findings.is_empty() {
        return Ok(());
    }
    let named = findings.iter().take(FINDINGS_MAX).map(|(number, finding)| {
        json!({
            "finding": number,
            "code": finding.code.name(),
            "seq": finding.seq,
            "call": finding.call.as_ref().map(CallId::as_str),
            "detail": finding.detail,
        })
    });
    let detail = json!({ "count": findings.len(), "findings": named.collect::<Vec<_>>() });
    raise(connection, Kind::Finding, journal, &detail).await
}
