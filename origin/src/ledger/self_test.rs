//! The proof of the proof: a drift of one nano has to raise the alarm.
//!
//! A check that has silently stopped checking looks the same as books without a fault. So once a day a page
//! that is wrong by one nano ([`meter::drill`]) is posted by the very transaction that posts every page, to
//! a journal and an account that are nobody's. It has to be found, written down, and counted where health
//! counts. Then the transaction is rolled back: no call of it stands in any book, sum or report.
//!
//! When the alarm is not raised, *that* is the finding `self_test`, open until the next one passes.
//!
//! # Correctness
//! Several origins may run: an advisory lock and the time of the last run decide who tests.

use std::time::Duration;

use chrono::{DateTime, Utc};
use meter::drill::{Drill, Wrong};
use meter::ids::JournalName;
use meter::reconcile::{Code, Finding};
use meter::time::UnixMs;
use serde::Serialize;
use sqlx::postgres::PgAdvisoryLock;
use sqlx::{Either, PgConnection, PgExecutor, PgPool};
use tokio::sync::watch;
use tracing::{error, info};
use utoipa::ToSchema;

use crate::clock;
use crate::database::Tx;
use crate::draw;
use crate::error::Error;
use crate::journal;
use crate::ledger::finding;
use crate::ledger::post::{self, Posted, Said};

/// The journal that is at no edge.
pub const JOURNAL: &str = "self-test";
/// How often it is tested.
pub const EVERY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How often after a test that failed.
pub const AGAIN_MS: u64 = 60 * 60 * 1_000;
/// How often it is looked whether one is due.
pub const LOOK_MS: u64 = 10 * 60 * 1_000;
/// A last success that is older than this is a sign that nobody tests: two days and the longest look.
pub const STALE_MS: u64 = 2 * EVERY_MS + LOOK_MS;
/// The lock that decides which origin tests.
const LOCK: &str = "weir self-test";

/// What a test came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SelfTest {
    /// When it ran.
    #[serde(serialize_with = "clock::serialize")]
    pub ran_at: DateTime<Utc>,
    /// Whether the alarm was raised, as it should be.
    pub passed: bool,
    /// What was noticed, or what was not.
    pub detail: String,
}

/// The tests so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SelfTests {
    /// When the last one ran; null when none did.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub last_at: Option<DateTime<Utc>>,
    /// When the last one passed; null when none did.
    #[serde(serialize_with = "clock::serialize_optional")]
    pub last_passed_at: Option<DateTime<Utc>>,
    /// Whether the last one did not pass.
    pub failing: bool,
}

impl SelfTests {
    /// As far as they were run.
    pub async fn read(executor: impl PgExecutor<'_>) -> Result<Self, Error> {
        let row = sqlx::query!(
            r#"SELECT (SELECT max(ran_at) FROM self_test) AS last_at,
                      (SELECT max(ran_at) FROM self_test WHERE passed) AS last_passed_at,
                      NOT coalesce((SELECT passed FROM self_test
                                    ORDER BY self_test_id DESC LIMIT 1), true) AS "failing!""#
        )
        .fetch_one(executor)
        .await?;
        let (last_at, last_passed_at) = (row.last_at, row.last_passed_at);
        Ok(Self { last_at, last_passed_at, failing: row.failing })
    }

    /// Whether it is time for another one.
    pub fn is_due(&self, now: UnixMs) -> bool {
        let pause = if self.failing { AGAIN_MS } else { EVERY_MS };
        self.last_at.is_none_or(|at| now.since(clock::unix_ms(at)) >= pause)
    }
}

/// Tests whenever it is due, until `stop` says so.
pub async fn run(pool: PgPool, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match test_if_due(&pool, clock::now()).await {
            Ok(None) => {}
            Ok(Some(test)) if test.passed => info!("the self-test passed: {}", test.detail),
            Ok(Some(test)) => error!("the self-test FAILED: {}", test.detail),
            Err(error) => error!(%error, "the self-test could not be run"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Tests if it is time, and nobody else does.
pub async fn test_if_due(pool: &PgPool, now: UnixMs) -> Result<Option<SelfTest>, Error> {
    let lock = PgAdvisoryLock::new(LOCK);
    let Either::Left(mut guard) = lock.try_acquire(pool.acquire().await?).await? else {
        return Ok(None);
    };
    let tested = if SelfTests::read(&mut *guard).await?.is_due(now) {
        Some(test(pool, now).await?)
    } else {
        None
    };
    guard.release_now().await?;
    Ok(tested)
}

/// Tests now.
pub async fn test(pool: &PgPool, now: UnixMs) -> Result<SelfTest, Error> {
    let problem = match drills(pool, now).await {
        Ok(problem) => problem,
        // Without the database nothing is shown, in either way.
        Err(error) if error.is_database_away() => return Err(error),
        Err(error) => Some(error.to_string()),
    };
    let passed = problem.is_none();
    let detail = problem.unwrap_or_else(|| {
        "a charge and a total, each wrong by one nano, were noticed and counted".to_owned()
    });
    keep(pool, passed, &detail, now).await?;
    Ok(SelfTest { ran_at: clock::timestamp(now)?, passed, detail })
}

/// Every drill; gives what went wrong with the first that did.
async fn drills(pool: &PgPool, now: UnixMs) -> Result<Option<String>, Error> {
    for (wrong, want) in [(Wrong::Charge, Code::ChargeDiffers), (Wrong::Total, Code::TotalMismatch)]
    {
        if let Some(problem) = drill(pool, wrong, want, now).await? {
            let what = match wrong {
                Wrong::Charge => "a charge",
                Wrong::Total => "a total",
            };
            return Ok(Some(format!("{what} that is wrong by one nano: {problem}")));
        }
    }
    Ok(None)
}

/// Posts a page that is wrong, looks whether the alarm is raised, and takes everything back.
async fn drill(
    pool: &PgPool,
    wrong: Wrong,
    want: Code,
    now: UnixMs,
) -> Result<Option<String>, Error> {
    let name: JournalName = JOURNAL.parse().map_err(|error| Error::impossible("journal", error))?;
    let (account, call) = (draw::id("acc_self_test_")?, draw::id("c_self_test_")?);
    let parsed = |error: meter::ids::IdError| Error::impossible("self_test", error);
    let drill = Drill {
        account: account.parse().map_err(parsed)?,
        key: "key_self_test".parse().map_err(parsed)?,
        bot: "7490000000000000000".parse().map_err(parsed)?,
        calls: [call.parse().map_err(parsed)?, format!("{call}-2").parse().map_err(parsed)?],
        at: now,
    };
    // Never committed: dropped at the end of this function, it leaves nothing behind.
    post::make_month(pool, now).await?;
    let mut tx = Tx::begin(pool, "self_test").await?;
    let cursor = journal::lock(&mut tx, &name).await?.cursor;
    make_account(&mut tx, &account).await?;
    let epoch = "self-test".parse().map_err(parsed)?;
    let page = drill.page(&cursor, epoch, wrong);
    let page = page.map_err(|error| Error::impossible("self_test", error))?;
    let before = finding::count_open(&mut *tx).await?;
    let posted = post::page_in(&mut tx, &name, &cursor, page, &Said::default(), now).await?;
    let stood = match (wrong, posted) {
        (Wrong::Charge, Posted::Entries { count: 2, .. }) => true,
        (Wrong::Total, Posted::Stopped(finding)) => finding.code == want,
        _ => false,
    };
    if !stood {
        return Ok(Some("it was not posted as it should have been".to_owned()));
    }
    let found = sqlx::query_scalar!(
        "SELECT code FROM finding WHERE journal_id = $1 AND call_id = $2 AND state = 'open'",
        JOURNAL,
        drill.calls[1].as_str()
    )
    .fetch_all(&mut *tx)
    .await?;
    if found != [want.name()] {
        return Ok(Some(format!("the findings are {found:?}, and should be {:?}", [want.name()])));
    }
    let alarms = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM alarm WHERE subject = $1 AND NOT is_spread
           AND detail -> 'findings' -> 0 ->> 'call' = $2"#,
        JOURNAL,
        drill.calls[1].as_str()
    )
    .fetch_one(&mut *tx)
    .await?;
    if alarms != 1 {
        return Ok(Some(format!("{alarms} alarms were raised about it")));
    }
    let after = finding::count_open(&mut *tx).await?;
    if after != before.saturating_add(1) {
        let problem = format!("{before} findings were open, and {after} are with it");
        return Ok(Some(problem));
    }
    Ok(None)
}

async fn make_account(connection: &mut PgConnection, account: &str) -> Result<(), Error> {
    let revision = journal::bump(connection, JOURNAL).await?;
    sqlx::query!(
        "INSERT INTO account (account_id, journal_id, name, revision, scratch)
         VALUES ($1, $2, $1, $3, true)",
        account,
        JOURNAL,
        revision
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps what a test came to. A failure is a finding; the next success resolves it.
async fn keep(pool: &PgPool, passed: bool, detail: &str, now: UnixMs) -> Result<(), Error> {
    let name: JournalName = JOURNAL.parse().map_err(|error| Error::impossible("journal", error))?;
    let mut tx = Tx::begin(pool, "keep_self_test").await?;
    sqlx::query!(
        "INSERT INTO self_test (ran_at, passed, detail) VALUES ($1, $2, $3)",
        clock::timestamp(now)?,
        passed,
        detail
    )
    .execute(&mut *tx)
    .await?;
    if passed {
        finding::resolve(&mut tx, Code::SelfTest, "a later self-test passed").await?;
    } else {
        let finding = Finding::at(0, Code::SelfTest, detail);
        finding::record(&mut tx, &name, JOURNAL, &[finding]).await?;
    }
    tx.commit().await
}
