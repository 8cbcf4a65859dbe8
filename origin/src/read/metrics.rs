//! What the database knows, as numbers for Prometheus.
//!
//! They are read when they are asked for, so that every origin of an installation shows the same.

use std::sync::atomic::AtomicU64;

use meter::time::UnixMs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use sqlx::PgPool;

use crate::alarm;
use crate::database::CONNECTIONS_MAX;
use crate::error::Error;
use crate::ledger::self_test::SelfTests;

use super::health;

/// Most codes of findings that are told apart: the rules know fewer.
const CODES_MAX: i64 = 100;
/// Milliseconds in a second.
const SECOND_MS: u64 = 1_000;

/// A journal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Journal {
    journal: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    code: String,
    state: String,
}

type ByJournal = Family<Journal, Gauge<u64, AtomicU64>>;

/// Reads them, and puts them among what is shown.
pub async fn register(registry: &mut Registry, pool: &PgPool, now: UnixMs) -> Result<(), Error> {
    journals(registry, pool, now).await?;
    findings(registry, pool).await?;
    money(registry, pool).await?;
    self_tests(registry, pool).await?;
    alarms(registry, pool).await?;
    proofs(registry, pool).await?;
    // What the pool says of itself; a connection that is being made counts as used.
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    let connections = [
        ("database_connections", "Connections to the database that are open", pool.size()),
        ("database_connections_idle", "Connections that nobody uses", idle),
        ("database_connections_max", "Most connections that there may be", CONNECTIONS_MAX),
    ];
    for (name, help, count) in connections {
        registry.register(name, help, ConstGauge::new(i64::from(count)));
    }
    Ok(())
}

async fn journals(registry: &mut Registry, pool: &PgPool, now: UnixMs) -> Result<(), Error> {
    let (journals, _) = health::ask(pool, now).await?;
    let [behind, age, holds, oldest, stopped] = [(); 5].map(|()| ByJournal::default());
    for told in journals {
        let journal = Journal { journal: told.name };
        behind.get_or_create(&journal).set(told.behind.unsigned_abs());
        holds.get_or_create(&journal).set(told.open_holds.unsigned_abs());
        stopped.get_or_create(&journal).set(u64::from(told.stopped_by.is_some()));
        if let Some(ms) = told.last_pull_age_ms {
            age.get_or_create(&journal).set(ms / SECOND_MS);
        }
        if let Some(ms) = told.oldest_hold_age_ms {
            oldest.get_or_create(&journal).set(ms / SECOND_MS);
        }
    }
    registry.register("journal_behind_entries", "Entries that are not posted yet", behind);
    registry.register("journal_pull_age_seconds", "How long ago a journal was pulled", age);
    registry.register("journal_open_holds", "Calls admitted and not finished", holds);
    registry.register("journal_oldest_hold_age_seconds", "Age of the oldest of them", oldest);
    registry.register("journal_stopped", "Whether a finding keeps it from being posted", stopped);
    Ok(())
}

async fn findings(registry: &mut Registry, pool: &PgPool) -> Result<(), Error> {
    let rows = sqlx::query!(
        r#"SELECT code, state, count(*) AS "count!" FROM finding
           GROUP BY code, state ORDER BY code, state LIMIT $1"#,
        CODES_MAX
    )
    .fetch_all(pool)
    .await?;
    let found = Family::<Found, Gauge<u64, AtomicU64>>::default();
    let mut open = 0_i64;
    for row in rows {
        if row.state == "open" {
            open = open.saturating_add(row.count);
        }
        let label = Found { code: row.code, state: row.state };
        found.get_or_create(&label).set(row.count.unsigned_abs());
    }
    registry.register("findings", "Differences that reconciling noticed", found);
    // Also when there was never one, so that an alarm has something to look at.
    registry.register("findings_open", "Those that nobody has explained", ConstGauge::new(open));
    Ok(())
}

/// What is known of sums that were built again, and of calls that are in no book.
async fn proofs(registry: &mut Registry, pool: &PgPool) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"SELECT (SELECT extract(epoch FROM max(ended_at))::bigint FROM backfill) AS ended,
                  coalesce((SELECT differing FROM backfill WHERE ended_at IS NOT NULL
                            ORDER BY backfill_id DESC LIMIT 1), 0) AS "differing!",
                  (SELECT count(*) FROM lost_call l
                   WHERE NOT EXISTS (SELECT 1 FROM posting p WHERE p.call_id = l.call_id)
                     AND NOT EXISTS (SELECT 1 FROM open_call o WHERE o.call_id = l.call_id)
                  ) AS "lost!",
                  (SELECT count(*) FROM entry_again) AS "again!""#
    )
    .fetch_one(pool)
    .await?;
    let gauges = [
        (
            "backfill_last_timestamp_seconds",
            "When rollups and balances were last built again or checked; 0 when never",
            row.ended.unwrap_or_default(),
        ),
        ("backfill_differing", "Numbers that differed then", row.differing),
        ("calls_lost", "Calls that were open when a journal's store was lost", row.lost),
        ("calls_again", "Calls that an old copy of a journal brought a second time", row.again),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    Ok(())
}

async fn alarms(registry: &mut Registry, pool: &PgPool) -> Result<(), Error> {
    let (waiting, given_up) = alarm::list::counts(pool).await?;
    let gauges = [
        ("alarms_waiting", "Alarms that a webhook has not taken yet", waiting),
        ("alarms_given_up", "Alarms that a webhook never took", given_up),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    Ok(())
}

async fn self_tests(registry: &mut Registry, pool: &PgPool) -> Result<(), Error> {
    let tests = SelfTests::read(pool).await?;
    let passed = tests.last_passed_at.map_or(0, |at| at.timestamp());
    let gauges = [
        (
            "self_test_last_success_timestamp_seconds",
            "When a drift made on purpose was last noticed; 0 when never",
            passed,
        ),
        ("self_test_failing", "Whether the last one was not", i64::from(tests.failing)),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    Ok(())
}

async fn money(registry: &mut Registry, pool: &PgPool) -> Result<(), Error> {
    let sums = sqlx::query!(
        r#"SELECT coalesce(sum(entries), 0)::bigint AS "entries!",
                  coalesce(sum(spent_nanos), 0)::bigint AS "spent!",
                  coalesce(sum(credits_nanos), 0)::bigint AS "credits!",
                  count(*) FILTER (WHERE spent_nanos > credits_nanos) AS "arrears!"
           FROM balance"#
    )
    .fetch_one(pool)
    .await?;
    let entries = ConstCounter::new(sums.entries.unsigned_abs());
    registry.register("entries_posted", "Calls that stand in the ledger", entries);
    let gauges = [
        ("charged_nanos", "What they cost", sums.spent),
        ("credited_nanos", "What was given to accounts", sums.credits),
        ("accounts_in_arrears", "Accounts that spent more than they were given", sums.arrears),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    use meter::reconcile::Code;

    use super::*;

    /// A finding is open, explained or resolved.
    const STATES: usize = 3;

    #[test]
    fn the_rules_know_fewer_codes_than_are_told_apart() {
        assert!(Code::ALL.len() * STATES <= usize::try_from(CODES_MAX).unwrap());
    }
}
