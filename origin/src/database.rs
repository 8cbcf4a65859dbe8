//! The connection to Postgres, its schema, and named transactions.
//!
//! # Bounds
//! At most [`CONNECTIONS_MAX`] connections; whoever waits longer than [`ACQUIRE_MS_MAX`] for one is
//! told that the database is away. A statement ends after [`STATEMENT_MS_MAX`], and after
//! [`LOCK_MS_MAX`] of waiting for somebody else's lock; migrations take as long as they take. What groups
//! takes at most [`GROUPING_MEMORY`] for it, anything else what Postgres allows by itself.
//!
//! # Plans
//! A statement is planned for the values that it is run with. Lists are narrowed by whatever is given, and
//! one plan for all of that would go through everything each time. Planning takes about a millisecond;
//! compiling a plan (`jit`) would take a hundred, which none of these statements lasts.

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Transaction};
use tracing::debug;

use crate::error::Error;

/// Most connections: two for each of the eight pulls at once, one that listens, the rest for readers.
pub const CONNECTIONS_MAX: u32 = 24;
/// Longest wait for a connection.
pub const ACQUIRE_MS_MAX: u64 = 3_000;

/// Longest statement: a page of a thousand entries takes less than a tenth of a second.
pub const STATEMENT_MS_MAX: u32 = 30_000;
/// Longest statement of a report that goes through all entries: about a hundred million of them.
pub const LONG_STATEMENT_MS_MAX: u32 = 900_000;
/// What a statement that groups may take of memory, in Postgres' words. With its default of 4 MB it would
/// sort what it groups instead, in files, from about ten thousand groups on.
const GROUPING_MEMORY: &str = "64MB";
/// Longest wait for a lock, such as a journal's row while another origin posts to it.
pub const LOCK_MS_MAX: u32 = 10_000;

/// Every migration, compiled in.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// A pool that connects when it is first used, so that a database that is away does not keep the
/// process from starting.
pub fn pool(url: &str) -> Result<PgPool, Error> {
    let options = options(url)?.options([
        ("statement_timeout", STATEMENT_MS_MAX.to_string()),
        ("lock_timeout", LOCK_MS_MAX.to_string()),
        ("plan_cache_mode", "force_custom_plan".to_owned()),
        ("jit", "off".to_owned()),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_millis(ACQUIRE_MS_MAX))
        .connect_lazy_with(options))
}

/// A transaction that writes nothing and sees one state of the database from its first statement to its
/// last, whatever is posted meanwhile.
pub async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    Ok(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
}

/// Lets the statements of a transaction take longer than others may: they go through all there is.
pub async fn take_time(connection: &mut PgConnection) -> Result<(), Error> {
    let ms = LONG_STATEMENT_MS_MAX.to_string();
    sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", ms)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Lets the statements of a transaction group in memory.
pub async fn group_in_memory(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query_scalar!("SELECT set_config('work_mem', $1, true)", GROUPING_MEMORY)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Brings the schema up to date. Two at once wait for each other.
pub async fn migrate(url: &str) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(&options(url)?).await?;
    MIGRATOR.run(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

fn options(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|error| Error::invalid("DATABASE_URL", error))?;
    Ok(options.application_name("weir"))
}

/// A transaction with a name, which is what its log line and its metric are called by.
///
/// Dropped without [`Tx::commit`] it leaves nothing behind.
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    name: &'static str,
    began: Instant,
}

impl Tx {
    /// Begins one.
    pub async fn begin(pool: &PgPool, name: &'static str) -> Result<Self, Error> {
        Ok(Self { inner: pool.begin().await?, name, began: Instant::now() })
    }

    /// Takes back everything done in it.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.inner.rollback().await?)
    }

    /// Makes everything done in it true at once.
    pub async fn commit(self) -> Result<(), Error> {
        self.inner.commit().await?;
        let duration_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        debug!(tx = self.name, duration_us, "committed");
        Ok(())
    }
}

impl Deref for Tx {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}
