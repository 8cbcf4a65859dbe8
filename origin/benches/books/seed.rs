//! The books of a large installation, made up in the database.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Days, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool};

/// The functions that draw.
const FUNCTIONS: &str = include_str!("seed.sql");
/// The first day, and how many there are: July to October.
const FIRST: &str = "2025-07-01T00:00:00Z";
const DAYS: u64 = 123;
/// Where the months begin, and the last ends.
const MONTHS: [&str; 5] = [
    "2025-07-01T00:00:00Z",
    "2025-08-01T00:00:00Z",
    "2025-09-01T00:00:00Z",
    "2025-10-01T00:00:00Z",
    "2025-11-01T00:00:00Z",
];
/// How often what is shown changes.
const TICK: Duration = Duration::from_millis(200);

/// How much is seeded.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) calls: i64,
    pub(crate) accounts: i32,
}

/// Fills the database.
pub(crate) async fn seed(database_url: &str, size: Size) -> Result<()> {
    let mut connection = PgConnection::connect(database_url).await?;
    connection.execute("SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'").await?;
    connection.execute(FUNCTIONS).await.context("seed.sql")?;
    sqlx::query("SELECT bench_accounts($1)").bind(size.accounts).execute(&mut connection).await?;
    let bar = ProgressBar::new(u64::try_from(size.calls)?);
    bar.enable_steady_tick(TICK);
    bar.set_style(ProgressStyle::with_template(
        "seeding: {bar:30} {human_pos} of {human_len}, {eta} left {msg}",
    )?);
    let first: DateTime<Utc> = FIRST.parse()?;
    let mut seeded = 0_i64;
    for number in 0..DAYS {
        let day = first.checked_add_days(Days::new(number)).context("a day")?;
        let upto = size.calls.saturating_mul(i64::try_from(number)?.saturating_add(1))
            / i64::try_from(DAYS)?;
        sqlx::query("SELECT entry_month_make($1)").bind(day).execute(&mut connection).await?;
        sqlx::query("SELECT bench_day($1, $2, $3, $4)")
            .bind(day)
            .bind(seeded.saturating_add(1))
            .bind(upto)
            .bind(size.accounts)
            .execute(&mut connection)
            .await?;
        seeded = upto;
        bar.set_position(u64::try_from(seeded)?);
    }
    bar.set_message("(sums)");
    for month in MONTHS.windows(2) {
        let [since, until] = month else { continue };
        let (since, until): (DateTime<Utc>, DateTime<Utc>) = (since.parse()?, until.parse()?);
        sqlx::query("SELECT bench_rollups($1, $2)")
            .bind(since)
            .bind(until)
            .execute(&mut connection)
            .await?;
    }
    connection.execute("SELECT bench_balances()").await?;
    bar.set_message("(vacuum)");
    connection.execute("VACUUM ANALYZE").await?;
    bar.finish_and_clear();
    connection.close().await?;
    Ok(())
}

/// What it takes on disk, as a table.
pub(crate) async fn sizes(pool: &PgPool) -> Result<String> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT CASE WHEN relname LIKE 'entry_2%' THEN 'entry' ELSE relname END AS name,
                sum(reltuples)::bigint, sum(pg_relation_size(oid))::bigint,
                sum(pg_indexes_size(oid))::bigint
         FROM pg_class
         WHERE relkind = 'r' AND (relname LIKE 'rollup%' OR relname LIKE 'entry_2%'
                                  OR relname = 'posting')
         GROUP BY name ORDER BY name",
    )
    .fetch_all(pool)
    .await?;
    let mut text = "| table | rows | MB | MB of indexes |\n|---|---|---|---|".to_owned();
    for (name, rows, heap, indexes) in rows {
        write!(text, "\n| {name} | {rows} | {} | {} |", heap >> 20, indexes >> 20)?;
    }
    Ok(text)
}
