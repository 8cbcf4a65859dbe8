//! How it all is: the process, the database, and the money.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use meter::time::UnixMs;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::alarm;
use crate::clock;
use crate::error::Error;
use crate::journal::JOURNALS_MAX;
use crate::ledger::finding;
use crate::ledger::self_test::{STALE_MS, SelfTests};

/// Longest wait for the database before it counts as away.
const PATIENCE_MS: u64 = 2_000;
/// A journal that was not pulled for this many intervals is a sign that something is wrong.
const STALE_INTERVALS: u64 = 6;

/// What `/health` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// `ok`; `degraded` when a journal is stopped or not pulled, or the self-test does not pass; `down` when the database is away.
    pub status: &'static str,
    /// `connected` or `disconnected`.
    pub database: &'static str,
    /// Whole seconds since the process began.
    pub uptime: u64,
    /// The version of the program.
    pub version: &'static str,
    /// Age of the oldest last pull of any journal; null while one was never pulled.
    pub last_pull_age_ms: Option<u64>,
    /// Calls admitted and not finished, in all journals; null while the database is away.
    pub open_calls: Option<i64>,
    /// Age of the oldest of them; null when there is none.
    pub oldest_open_call_age_ms: Option<u64>,
    /// The journals.
    pub journals: Vec<JournalHealth>,
    /// Open findings; null while the database is away.
    pub findings_open: Option<i64>,
    /// Alarms that a webhook has not taken yet; null while the database is away.
    pub alarms_waiting: Option<i64>,
    /// Alarms that a webhook never took; null while the database is away.
    pub alarms_given_up: Option<i64>,
    /// The daily proof that a drift of one nano is noticed; null while the database is away.
    pub self_test: Option<SelfTestHealth>,
}

/// How the daily proof is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SelfTestHealth {
    /// How long ago it last passed; null when never.
    pub last_passed_age_ms: Option<u64>,
    /// Whether the last one did not pass.
    pub failing: bool,
}

/// How a journal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JournalHealth {
    /// Its name.
    pub name: String,
    /// How long ago it was last pulled; null when never.
    pub last_pull_age_ms: Option<u64>,
    /// The last entry posted.
    pub cursor_seq: i64,
    /// Its newest entry, as it said at the last pull.
    pub head_seq: i64,
    /// How many entries are not posted yet.
    pub behind: i64,
    /// Calls admitted and not finished.
    pub open_holds: i64,
    /// Age of the oldest of them.
    pub oldest_hold_age_ms: Option<u64>,
    /// The finding that keeps its pages from being posted.
    pub stopped_by: Option<String>,
    /// Why the last pull failed; null when it did not.
    pub last_error: Option<String>,
}

/// What the process knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// When it began.
    pub began: Instant,
    /// How often it pulls.
    pub interval_ms: u64,
}

impl Health {
    /// Whether the database is away.
    pub fn is_down(&self) -> bool {
        self.status == "down"
    }
}

/// Asks the database, but not for long.
pub async fn read(pool: &PgPool, process: Process, now: UnixMs) -> Health {
    let patience = Duration::from_millis(PATIENCE_MS);
    let uptime = process.began.elapsed();
    let asking = async {
        let (asked, tests) = (ask(pool, now).await?, SelfTests::read(pool).await?);
        Ok::<_, Error>((asked, tests, alarm::list::counts(pool).await?))
    };
    let asked = tokio::time::timeout(patience, asking).await;
    let Ok(Ok(((journals, findings_open), tests, (waiting, given_up)))) = asked else {
        return Health {
            status: "down",
            database: "disconnected",
            uptime: uptime.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
            last_pull_age_ms: None,
            open_calls: None,
            oldest_open_call_age_ms: None,
            journals: Vec::new(),
            findings_open: None,
            alarms_waiting: None,
            alarms_given_up: None,
            self_test: None,
        };
    };
    let ages: Option<Vec<u64>> = journals.iter().map(|journal| journal.last_pull_age_ms).collect();
    let stale_ms = process.interval_ms.saturating_mul(STALE_INTERVALS);
    // A process that has just begun has had no time to pull.
    let is_young = uptime < Duration::from_millis(stale_ms);
    let is_bad = |journal: &JournalHealth| {
        let stale = journal.last_pull_age_ms.is_none_or(|age| age > stale_ms);
        journal.stopped_by.is_some() || (stale && !is_young)
    };
    let self_test = SelfTestHealth {
        last_passed_age_ms: tests.last_passed_at.map(|at| now.since(clock::unix_ms(at))),
        failing: tests.failing,
    };
    // Before the first one there is nothing to say.
    let is_untested =
        tests.failing || self_test.last_passed_age_ms.is_some_and(|age| age > STALE_MS);
    let open_calls =
        journals.iter().fold(0_i64, |sum, journal| sum.saturating_add(journal.open_holds));
    Health {
        status: if journals.iter().any(is_bad) || is_untested { "degraded" } else { "ok" },
        database: "connected",
        uptime: uptime.as_secs(),
        version: env!("CARGO_PKG_VERSION"),
        last_pull_age_ms: ages.and_then(|ages| ages.into_iter().max()),
        open_calls: Some(open_calls),
        oldest_open_call_age_ms: journals.iter().filter_map(|j| j.oldest_hold_age_ms).max(),
        journals,
        findings_open: Some(findings_open),
        alarms_waiting: Some(waiting),
        alarms_given_up: Some(given_up),
        self_test: Some(self_test),
    }
}

/// The journals, and how many findings are open.
pub async fn ask(pool: &PgPool, now: UnixMs) -> Result<(Vec<JournalHealth>, i64), Error> {
    let rows = sqlx::query!(
        "SELECT journal_id, last_pull_at, cursor_seq, head_seq, open_holds, oldest_hold_at,
                stopped_by, last_error
         FROM journal WHERE NOT scratch ORDER BY journal_id LIMIT $1",
        JOURNALS_MAX
    )
    .fetch_all(pool)
    .await?;
    let findings_open = finding::count_open(pool).await?;
    let age = |at: Option<DateTime<Utc>>| at.map(|at| now.since(clock::unix_ms(at)));
    let journals = rows
        .into_iter()
        .map(|row| JournalHealth {
            name: row.journal_id,
            last_pull_age_ms: age(row.last_pull_at),
            cursor_seq: row.cursor_seq,
            head_seq: row.head_seq,
            behind: row.head_seq.saturating_sub(row.cursor_seq).max(0),
            open_holds: row.open_holds,
            oldest_hold_age_ms: age(row.oldest_hold_at),
            stopped_by: row.stopped_by,
            last_error: row.last_error,
        })
        .collect();
    Ok((journals, findings_open))
}
