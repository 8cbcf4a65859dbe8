//! The database: whether it is there, which one it is, whether its schema is ours, and what its books say.

use std::collections::BTreeMap;

use meter::ids::JournalName;
use sqlx::PgPool;

use crate::alarm::list;
use crate::clock;
use crate::database::{self, MIGRATOR};
use crate::error::Error;
use crate::ledger::self_test::STALE_MS;
use crate::ledger::self_test::SelfTests;
use crate::read::health::{self, JournalHealth};

use super::{Check, Settings};

/// The releases of Postgres that Weir is tested on.
const VERSIONS: std::ops::RangeInclusive<i32> = 14..=18;
/// `server_version_num` counts a release as ten thousand.
const VERSION_UNIT: i32 = 10_000;
/// How far the database's clock may be from ours: times that are stored come from both.
const SKEW_MS_MAX: u64 = 5_000;
/// A journal that was not pulled for so many intervals is not pulled.
const STALE_INTERVALS: u64 = 6;
/// However short the interval: a pull itself may take half of this.
const STALE_MS_MIN: u64 = 60_000;

/// What was found.
pub(super) struct Examined {
    /// Of the database itself.
    pub(super) checks: Vec<Check>,
    /// Of what stands in it.
    pub(super) books: Vec<Check>,
    /// A journal that the edge can be asked for.
    pub(super) journal: Option<JournalName>,
}

pub(super) async fn examine(settings: &Settings) -> Examined {
    let mut examined = Examined { checks: Vec::new(), books: Vec::new(), journal: None };
    let pool = match settings.database_url.as_deref().map(database::pool) {
        Some(Ok(pool)) => pool,
        Some(Err(error)) => {
            let todo = "set DATABASE_URL to `postgres://user:password@host/database`";
            examined.checks.push(Check::wrong("database", error.to_string(), todo));
            return examined;
        }
        None => {
            let todo = "set DATABASE_URL to `postgres://user:password@host/database`";
            examined.checks.push(Check::wrong("database", "DATABASE_URL is not set", todo));
            return examined;
        }
    };
    match reach(&pool).await {
        Ok(checks) => examined.checks.extend(checks),
        Err(error) => {
            let todo =
                "see that Postgres runs, is reachable from here, and takes this user and password";
            examined.checks.push(Check::wrong("database", error.to_string(), todo));
            return examined;
        }
    }
    let schema = schema(&pool).await.unwrap_or_else(|error| unreadable("schema", &error));
    let is_ours = schema.state == super::State::Ok;
    examined.checks.push(schema);
    if !is_ours {
        examined.books.push(Check::skipped("books", "the schema is not this program's"));
        return examined;
    }
    match books(&pool, settings).await {
        Ok((checks, journal)) => {
            examined.books = checks;
            examined.journal = journal;
        }
        Err(error) => examined.books.push(unreadable("books", &error)),
    }
    examined
}

fn unreadable(of: &'static str, error: &Error) -> Check {
    Check::wrong(of, error.to_string(), "see that this user may read the tables")
}

/// Whether it answers, as which release, and by which clock.
async fn reach(pool: &PgPool) -> Result<Vec<Check>, Error> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version_num')::integer AS "version!",
                  current_setting('server_version') AS "name!", clock_timestamp() AS "at!""#
    )
    .fetch_one(pool)
    .await?;
    let release = row.version / VERSION_UNIT;
    let version = if VERSIONS.contains(&release) {
        Check::ok("database", format!("Postgres {} answers", row.name))
    } else {
        let (first, last) = (VERSIONS.start(), VERSIONS.end());
        let todo = format!("use a release from {first} to {last}, which Weir is tested on");
        Check::wrong("database", format!("it is Postgres {}", row.name), todo)
    };
    Ok(vec![version, skew(clock::now().get(), clock::unix_ms(row.at).get())])
}

/// How far another clock is from ours.
fn skew(ours_ms: u64, theirs_ms: u64) -> Check {
    const OF: &str = "database clock";
    let apart = ours_ms.abs_diff(theirs_ms);
    if apart <= SKEW_MS_MAX {
        return Check::ok(OF, format!("{apart} ms apart from ours"));
    }
    Check::wrong(OF, format!("{apart} ms apart from ours"), "synchronise both clocks, by NTP")
}

/// Whether every migration of this program was done, and no other.
async fn schema(pool: &PgPool) -> Result<Check, Error> {
    const OF: &str = "schema";
    let is_there =
        sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "is_there!""#);
    if !is_there.fetch_one(pool).await? {
        return Ok(Check::wrong(OF, "there is none", "run `weir migrate`"));
    }
    // The table is the migrator's, and is not there where queries are checked.
    let done: Vec<(i64, bool, Vec<u8>)> =
        sqlx::query_as("SELECT version, success, checksum FROM _sqlx_migrations")
            .fetch_all(pool)
            .await?;
    let done: BTreeMap<i64, (bool, Vec<u8>)> =
        done.into_iter().map(|(version, success, sum)| (version, (success, sum))).collect();
    let (mut missing, mut newest) = (0_u32, 0);
    for migration in MIGRATOR.iter() {
        newest = newest.max(migration.version);
        match done.get(&migration.version) {
            Some((true, sum)) if *sum == *migration.checksum => {}
            Some((true, _)) => {
                let found = format!("migration {} is another one there", migration.version);
                let todo = "use the program that migrated this database, or restore a backup";
                return Ok(Check::wrong(OF, found, todo));
            }
            Some((false, _)) | None => missing = missing.saturating_add(1),
        }
    }
    if missing > 0 {
        return Ok(Check::wrong(
            OF,
            format!("{missing} migrations are not done"),
            "run `weir migrate`",
        ));
    }
    if done.keys().any(|version| *version > newest) {
        let todo = "use the newer program that migrated this database";
        return Ok(Check::wrong(OF, "it is newer than this program", todo));
    }
    Ok(Check::ok(OF, format!("at version {newest}")))
}

/// What the books say.
async fn books(
    pool: &PgPool,
    settings: &Settings,
) -> Result<(Vec<Check>, Option<JournalName>), Error> {
    let now = clock::now();
    let (journals, findings) = health::ask(pool, now).await?;
    let name = journals.first().and_then(|journal| journal.name.parse().ok());
    let mut checks = vec![pulled(&journals, settings), stopped(&journals)];
    checks.push(match findings {
        0 => Check::ok("findings", "none is open"),
        count => {
            let todo = "look at `weir finding list --state open`, and see docs/reconciling.md";
            Check::wrong("findings", format!("{count} are open"), todo)
        }
    });
    let tests = SelfTests::read(pool).await?;
    let age = tests.last_passed_at.map(|at| now.since(clock::unix_ms(at)));
    let todo = "run `weir reconcile --self-test`, which says what was not noticed";
    checks.push(match age {
        _ if tests.failing => Check::wrong("self-test", "the last one failed", todo),
        None => Check::skipped("self-test", "none was run; `weir serve` does once a day"),
        Some(age) if age > STALE_MS => {
            let found = format!("it last passed {} h ago", age / 3_600_000);
            Check::wrong("self-test", found, "see that `weir serve` runs")
        }
        Some(age) => Check::ok("self-test", format!("it last passed {} h ago", age / 3_600_000)),
    });
    checks.push(match list::counts(pool).await? {
        (waiting, 0) => Check::ok("alarms", format!("{waiting} wait to be taken")),
        (_, given_up) => {
            let todo = "see `weir webhook list` for why, then `weir webhook test`";
            Check::wrong("alarms", format!("{given_up} were never taken"), todo)
        }
    });
    Ok((checks, name))
}

fn pulled(journals: &[JournalHealth], settings: &Settings) -> Check {
    const OF: &str = "last pull";
    const TODO: &str = "see that `weir serve` runs, and what its log says";
    let stale_ms = settings.pull_interval_ms.saturating_mul(STALE_INTERVALS).max(STALE_MS_MIN);
    if let Some(journal) = journals.iter().find(|journal| journal.last_error.is_some()) {
        let error = journal.last_error.clone().unwrap_or_default();
        return Check::wrong(OF, format!("of journal {}: {error}", journal.name), TODO);
    }
    let never = journals.iter().filter(|journal| journal.last_pull_age_ms.is_none()).count();
    if never > 0 {
        return Check::wrong(OF, format!("{never} journals were never pulled"), TODO);
    }
    let oldest = journals.iter().filter_map(|journal| journal.last_pull_age_ms).max();
    let oldest = oldest.unwrap_or_default();
    let found = format!("every journal within the last {} s", oldest.div_ceil(1_000));
    if oldest > stale_ms { Check::wrong(OF, found, TODO) } else { Check::ok(OF, found) }
}

fn stopped(journals: &[JournalHealth]) -> Check {
    const OF: &str = "posting";
    let stopped = journals.iter().filter_map(|journal| {
        let by = journal.stopped_by.as_deref()?;
        Some(format!("{} by {by}", journal.name))
    });
    let stopped: Vec<_> = stopped.collect();
    if stopped.is_empty() {
        let behind = journals.iter().fold(0_i64, |sum, it| sum.saturating_add(it.behind));
        return Check::ok(OF, format!("no journal is stopped; {behind} entries wait"));
    }
    let todo = "see `weir journal list`, and docs/reconciling.md";
    Check::wrong(OF, format!("stopped: {}", stopped.join(", ")), todo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clocks_are_apart_up_to_a_bound() {
        let now = 1_764_000_000_000;
        for (theirs, is_well) in [
            (now + SKEW_MS_MAX, true),
            (now - SKEW_MS_MAX, true),
            (now + SKEW_MS_MAX + 1, false),
            (now - SKEW_MS_MAX - 1, false),
        ] {
            assert_eq!(skew(now, theirs).todo.is_none(), is_well);
        }
    }
}
