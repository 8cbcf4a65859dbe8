//! How the journals stand, and what was found to differ.

use meter::time::UnixMs;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::error::Error;
use crate::ledger::finding::{self, FindingRow};
use crate::pull::to_end::Failure;

use super::health::{self, JournalHealth};

/// The journals and the open findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reconciled {
    /// The journals.
    pub journals: Vec<JournalHealth>,
    /// The open findings, newest first.
    pub findings: Vec<FindingRow>,
    /// How many findings are open.
    pub findings_open: i64,
    /// The journals that could not be pulled just now.
    pub failures: Vec<Failure>,
}

impl Reconciled {
    /// As it is now.
    pub async fn read(pool: &PgPool, now: UnixMs, failures: Vec<Failure>) -> Result<Self, Error> {
        let (journals, findings_open) = health::ask(pool, now).await?;
        let findings = finding::open(pool).await?;
        Ok(Self { journals, findings, findings_open, failures })
    }
}
