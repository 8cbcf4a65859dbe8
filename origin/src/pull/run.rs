//! When to pull: every interval, at once after a change, and again while there is more.
//!
//! One task per journal waits for the interval, for a notice from Postgres that the journal changed, or
//! for the end of a back-off; a page that was full, or changes that did not all fit, are followed up
//! without waiting. One task listens for notices and for new journals.
//!
//! # Bounds
//! At most [`PULLS_AT_ONCE_MAX`] pulls are under way; after failures the wait doubles up to
//! [`BACKOFF_MS_MAX`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use meter::ids::JournalName;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::error::Error;
use crate::journal;
use crate::metrics::Metrics;
use crate::pull::edge::Edge;
use crate::pull::{Attempt, attempt};

/// Most pulls under way at once; each holds two connections and a page.
pub const PULLS_AT_ONCE_MAX: usize = 8;
/// Longest wait after failures.
pub const BACKOFF_MS_MAX: u64 = 60_000;
/// Wait after another origin was found pulling the journal.
const ELSEWHERE_MS: u64 = 1_000;
/// How often the listener tries again to reach a database that is away.
const RECONNECT_MS: u64 = 1_000;
/// The channel on which the database says that a journal changed.
const CHANNEL: &str = "journal_changed";

/// What every task needs.
struct Shared {
    pool: PgPool,
    edge: Arc<Edge>,
    interval_ms: u64,
    metrics: Arc<Metrics>,
    permits: Semaphore,
}

/// Pulls all journals until `stop` says so; what is under way then is finished first.
pub async fn run(
    pool: PgPool,
    edge: Arc<Edge>,
    interval_ms: u64,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Semaphore::new(PULLS_AT_ONCE_MAX);
    let shared = Arc::new(Shared { pool, edge, interval_ms, metrics, permits });
    let mut tasks =
        Tasks { shared, stop: stop.clone(), wakers: BTreeMap::new(), set: JoinSet::new() };
    loop {
        tokio::select! {
            // It ends only while the database is away, and is then tried again.
            ended = tasks.listen() => {
                let Err(error) = ended;
                warn!(%error, "cannot listen for changes");
            }
            _ = stop.wait_for(|stop| *stop) => break,
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(RECONNECT_MS)) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    while let Some(ended) = tasks.set.join_next().await {
        if let Err(error) = ended {
            error!(%error, "a pulling task broke off");
        }
    }
}

/// One task per journal, and how to wake it.
struct Tasks {
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    wakers: BTreeMap<JournalName, Arc<Notify>>,
    set: JoinSet<()>,
}

impl Tasks {
    /// Wakes journals as they change, until the database is lost.
    async fn listen(&mut self) -> Result<Infallible, Error> {
        let mut listener = PgListener::connect_with(&self.shared.pool).await?;
        listener.listen(CHANNEL).await?;
        // What changed while nobody listened is found by pulling all of them.
        self.wake_all().await?;
        info!(journals = self.wakers.len(), "pulling");
        loop {
            match listener.try_recv().await? {
                Some(notice) => match notice.payload().parse() {
                    Ok(name) => self.wake(name),
                    Err(error) => warn!(%error, "a notice of a journal that cannot be"),
                },
                // The connection was lost and made anew; notices in between are lost.
                None => self.wake_all().await?,
            }
        }
    }

    async fn wake_all(&mut self) -> Result<(), Error> {
        for name in journal::names(&self.shared.pool).await? {
            self.wake(name);
        }
        Ok(())
    }

    /// Wakes the journal's task, or starts it.
    fn wake(&mut self, name: JournalName) {
        if let Some(waker) = self.wakers.get(&name) {
            waker.notify_one();
            return;
        }
        let waker = Arc::new(Notify::new());
        self.wakers.insert(name.clone(), Arc::clone(&waker));
        self.set.spawn(pull_one(Arc::clone(&self.shared), name, waker, self.stop.clone()));
    }
}

/// Pulls one journal for as long as the process runs.
async fn pull_one(
    shared: Arc<Shared>,
    name: JournalName,
    waker: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures = 0;
    while !*stop.borrow() {
        let tried = {
            // Never closed, so a permit always comes.
            let Ok(_permit) = shared.permits.acquire().await else { return };
            attempt(&shared.pool, &shared.edge, &name).await
        };
        shared.metrics.pulled(&tried);
        let wait_ms = match tried {
            Ok(Attempt::More) => {
                failures = 0;
                continue;
            }
            Ok(Attempt::UpToDate | Attempt::Stopped(_)) => {
                failures = 0;
                shared.interval_ms
            }
            // Whoever has it may have begun before the change that woke us.
            Ok(Attempt::Elsewhere) => shared.interval_ms.min(ELSEWHERE_MS),
            Err(_) => {
                failures = u32::saturating_add(failures, 1);
                backoff_ms(shared.interval_ms, failures)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            () = waker.notified() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// The wait after this many failures in a row: the interval, doubled with each further one.
fn backoff_ms(interval_ms: u64, failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(u64::BITS - 1);
    let wait = interval_ms.saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
    wait.min(BACKOFF_MS_MAX.max(interval_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        assert_eq!(backoff_ms(10_000, 1), 10_000);
        assert_eq!(backoff_ms(10_000, 2), 20_000);
        // It would be 80 seconds.
        assert_eq!(backoff_ms(10_000, 4), BACKOFF_MS_MAX);
        assert_eq!(backoff_ms(10_000, u32::MAX), BACKOFF_MS_MAX);
        assert_eq!(backoff_ms(120_000, 3), 120_000);
    }
}
