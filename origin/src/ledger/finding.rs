//! Findings: written down once, counted when met again, listed while open.

use chrono::{DateTime, Utc};
use meter::ids::{CallId, JournalName};
use meter::reconcile::{Code, Finding};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, PgPool};
use tracing::warn;
use utoipa::ToSchema;

use crate::alarm;
use crate::audit::{self, Act, Actor};
use crate::clock;
use crate::database::Tx;
use crate::error::Error;
use crate::ledger::self_test;
use crate::page::{Page, Span};
use crate::text;

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
    /// `open`, `explained` or `resolved`.
    pub state: String,
    /// Why it is not open any more, or is again.
    pub state_reason: Option<String>,
    /// Who said so.
    pub state_actor: Option<String>,
    /// When.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub state_at: Option<DateTime<Utc>>,
}

/// What became of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    /// Nobody has said anything about it.
    Open,
    /// Somebody knows why, and that nothing is to be done.
    Explained,
    /// Something was done about it.
    Resolved,
}

impl State {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Explained => "explained",
            Self::Resolved => "resolved",
        }
    }

    /// The state with this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Open, Self::Explained, Self::Resolved].into_iter().find(|it| it.name() == name)
    }
}

/// Which findings are asked for; `None` does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<State>,
    /// In this journal.
    pub journal: Option<String>,
    /// Of this code.
    pub code: Option<String>,
}

/// Writes findings down. One that is open already is counted.
pub async fn record(
    connection: &mut PgConnection,
    journal: &JournalName,
    epoch: &str,
    findings: &[Finding],
) -> Result<(), Error> {
    let mut new = Vec::new();
    for finding in findings {
        log(journal, finding);
        // What was met before was seen more than once.
        let written = sqlx::query!(
            r#"INSERT INTO finding (journal_id, code, epoch, seq, call_id, detail)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (journal_id, code, epoch, seq) WHERE state = 'open'
               DO UPDATE SET last_seen_at = now(), times_seen = finding.times_seen + 1
               RETURNING finding_id, times_seen = 1 AS "is_new!""#,
            journal.as_str(),
            finding.code.name(),
            epoch,
            i64::try_from(finding.seq)?,
            finding.call.as_ref().map(CallId::as_str),
            finding.detail
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(written) = written else {
            return Err(Error::impossible("finding", "an insert wrote no row"));
        };
        if written.is_new {
            new.push((written.finding_id, finding));
        }
    }
    alarm::raise_findings(connection, journal.as_str(), &new).await
}

/// What is made on purpose is no reason to look into the log.
fn log(journal: &JournalName, finding: &Finding) {
    let Finding { seq, call, code, detail } = finding;
    if journal.as_str() == self_test::JOURNAL && *code != Code::SelfTest {
        return;
    }
    let (code, call) = (code.name(), call.as_ref().map(CallId::as_str));
    warn!(journal = journal.as_str(), code, seq, call.id = call, "a finding: {detail}");
}

/// Marks the open findings of a code as resolved, by the origin itself.
pub async fn resolve(
    connection: &mut PgConnection,
    code: Code,
    reason: &str,
) -> Result<u64, Error> {
    let resolved = sqlx::query!(
        "UPDATE finding SET state = 'resolved', state_reason = $2, state_actor = 'origin',
                            state_at = now()
         WHERE code = $1 AND state = 'open'",
        code.name(),
        reason
    )
    .execute(connection)
    .await?;
    Ok(resolved.rows_affected())
}

/// Marks what was found missing about a call as explained: it is known now.
pub async fn explain_call(connection: &mut PgConnection, call: &str) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE finding SET state = 'explained', state_reason = 'it is known now',
                            state_actor = 'origin', state_at = now()
         WHERE call_id = $1 AND state = 'open' AND code = $2",
        call,
        Code::UsageMissing.name()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks what stopped a journal, and what else was noticed of its store, as explained: somebody decided
/// how it goes on. Gives their numbers.
pub async fn explain_stop(
    connection: &mut PgConnection,
    journal: &str,
    stopped_by: &str,
    reason: &str,
    actor: &Actor,
) -> Result<Vec<i64>, Error> {
    let stores = Code::ALL.into_iter().filter(|code| code.is_of_another_store());
    let mut codes: Vec<String> = stores.map(|code| code.name().to_owned()).collect();
    codes.push(stopped_by.to_owned());
    let findings = sqlx::query_scalar!(
        "UPDATE finding SET state = 'explained', state_reason = $3, state_actor = $4,
                            state_at = now()
         WHERE journal_id = $1 AND state = 'open' AND code = ANY($2)
         RETURNING finding_id",
        journal,
        &codes,
        reason,
        actor.name()
    )
    .fetch_all(connection)
    .await?;
    Ok(findings)
}

/// A page of findings, newest first.
pub async fn list(pool: &PgPool, filter: &Filter, span: &Span) -> Result<Page<FindingRow>, Error> {
    let rows = sqlx::query_as!(
        FindingRow,
        "SELECT finding_id, journal_id, code, epoch, seq, call_id, detail, found_at, times_seen,
                state, state_reason, state_actor, state_at
         FROM finding
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::text IS NULL OR journal_id = $2)
           AND ($3::text IS NULL OR code = $3)
           AND ($4::bigint IS NULL OR finding_id < $4)
         ORDER BY finding_id DESC LIMIT $5",
        filter.state.map(State::name),
        filter.journal,
        filter.code,
        span.behind_number()?,
        span.rows_asked()
    )
    .fetch_all(pool)
    .await?;
    Ok(Page::of(rows, span, |row| row.finding_id.to_string()))
}

/// The open findings, newest first, as many as a command lists.
pub async fn open(pool: &PgPool) -> Result<Vec<FindingRow>, Error> {
    let filter = Filter { state: Some(State::Open), ..Filter::default() };
    Ok(list(pool, &filter, &Span::first(FINDINGS_LISTED_MAX)).await?.items)
}

/// How many findings are open.
pub async fn count_open(executor: impl PgExecutor<'_>) -> Result<i64, Error> {
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM finding WHERE state = 'open'"#)
            .fetch_one(executor)
            .await?;
    Ok(count)
}

/// One finding.
pub async fn find(executor: impl PgExecutor<'_>, finding_id: i64) -> Result<FindingRow, Error> {
    let row = sqlx::query_as!(
        FindingRow,
        "SELECT finding_id, journal_id, code, epoch, seq, call_id, detail, found_at, times_seen,
                state, state_reason, state_actor, state_at
         FROM finding WHERE finding_id = $1",
        finding_id
    )
    .fetch_optional(executor)
    .await?;
    row.ok_or_else(|| Error::NotFound { what: "finding", name: finding_id.to_string() })
}

/// Says what became of a finding. It changes no money: that is done by a credit or an order.
pub async fn set_state(
    pool: &PgPool,
    finding_id: i64,
    state: State,
    reason: &str,
    actor: &Actor,
) -> Result<FindingRow, Error> {
    text::check_reason(reason)?;
    let mut tx = Tx::begin(pool, "change_finding").await?;
    let before = find(&mut *tx, finding_id).await?;
    let changed = sqlx::query!(
        "UPDATE finding SET state = $2, state_reason = $3, state_actor = $4, state_at = now()
         WHERE finding_id = $1",
        finding_id,
        state.name(),
        reason,
        actor.name()
    )
    .execute(&mut *tx)
    .await
    .map_err(Error::from);
    match changed {
        Ok(changed) if changed.rows_affected() == 1 => {}
        Ok(_) => return Err(Error::impossible("finding", "an update wrote no row")),
        Err(error) if error.constraint() == Some("finding_open_key") => {
            let problem = "cannot be open again: the same difference was met since, and is open";
            return Err(Error::Conflict { field: "state", problem: problem.to_owned() });
        }
        Err(error) => return Err(error),
    }
    let after = find(&mut *tx, finding_id).await?;
    let detail = audit::changes(&before, &after)?;
    audit::record(&mut tx, actor, Act::FindingChange, &finding_id.to_string(), &detail).await?;
    tx.commit().await?;
    Ok(after)
}
