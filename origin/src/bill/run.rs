//! Looking again and again whether the bill completes something.
//!
//! # Bounds
//! A look every quarter of the quiet time, at least every [`LOOK_MS_MAX`] and at most every
//! [`LOOK_MS_MIN`].

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tracing::error;

use crate::clock;

use super::complete::look;

/// Longest pause between two looks.
pub const LOOK_MS_MAX: u64 = 30_000;
/// Shortest pause between two looks.
pub const LOOK_MS_MIN: u64 = 200;

/// Looks until `stop` says so.
pub async fn run(pool: PgPool, quiet_ms: u64, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(pause_ms(quiet_ms));
    while !*stop.borrow() {
        if let Err(error) = look(&pool, quiet_ms, clock::now()).await {
            error!(%error, "the bill could not be looked at");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// A quarter of the quiet time, within bounds.
fn pause_ms(quiet_ms: u64) -> u64 {
    (quiet_ms / 4).clamp(LOOK_MS_MIN, LOOK_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_is_within_its_bounds() {
        let pauses = [LOOK_MS_MIN - 1, LOOK_MS_MIN, LOOK_MS_MAX, LOOK_MS_MAX + 1];
        let pauses = pauses.map(|pause| pause_ms(4 * pause));
        assert_eq!(pauses, [LOOK_MS_MIN, LOOK_MS_MIN, LOOK_MS_MAX, LOOK_MS_MAX]);
    }
}
